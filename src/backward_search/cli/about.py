"""Words for the first line of a script: what is about to be done, to how much, and where."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from backward_search.errors import UserError
from backward_search.storage.atomic import read_json
from backward_search.storage.paths import DataPaths


def several(words: Sequence[str]) -> str:
    """A list as people say it.

    >>> several(["family", "variant", "letter"])
    'family, variant and letter'
    """
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def listed(*parts: str) -> str:
    """What is known, with commas between.

    >>> listed("7 images", "", "on cpu")
    '7 images, on cpu'
    """
    return ", ".join(filter(None, parts))


def images(data: DataPaths, splits: Sequence[str], what: str) -> str:
    """How many images the splits have, as A1 counted them, and what they are called; "" where that is not known."""
    with suppress(UserError, OSError, ValueError, KeyError, TypeError):
        return f"{sum(int(read_json(data.report)['splits'][split]) for split in splits):,} {what}"
    return ""


def queries(file: Path) -> str:
    """How many queries a file holds; "" where that is not known."""
    with suppress(UserError, OSError, ValueError, KeyError, TypeError):
        return f"{len(read_json(file)['queries']):,} queries"
    return ""


def on_device(named: str) -> str:
    """Where the networks run.

    Raises:
        OptionError: there is no such device.
    """
    from backward_search.runs.run import find_device  # which imports PyTorch

    return f"on {find_device(named)}"
