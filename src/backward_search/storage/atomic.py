"""Files that are either whole or absent: everything is written beside its place and then moved there."""

import csv
import hashlib
import io
import json
import os
import platform
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from backward_search.errors import DataError, MissingError
from backward_search.storage.processes import runs

LONGEST_NAME = 200
"""Bytes of a name beyond which that of its temporary sibling is made of a hash; disks hold 255."""
MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
"""Tells machines apart that share a disk."""
_FORMULA = re.compile("(?:^|(?<=[;\t\r\n]))(?=[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-])")
"""Before what begins a formula: at the beginning of a cell, and where one begins for spreadsheets with other separators
than the comma, as in Germany."""
_LEFTOVER = re.compile(rf"\..*\.{MACHINE}-(\d+)-\d+\.partial")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write to; on success it takes the place of `path`.

    Args:
        path: the final place. Its folder is made if need be.

    Yields:
        A path in the same folder and with the same suffix. It is removed when the body raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = path.stem
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        stem = hashlib.sha256(os.fsencode(stem)).hexdigest()
    writer = f"{MACHINE}-{os.getpid()}-{threading.get_native_id()}"
    temporary = path.with_name(f".{stem}.{writer}.partial{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path, *, below: bool = False) -> None:
    """Remove what processes of this machine had half written in a folder when they were killed.

    Args:
        folder: which one; it need not be there.
        below: look into the folders below it too.
    """
    for file in folder.rglob(".*.partial*") if below else folder.glob(".*.partial*"):
        found = _LEFTOVER.match(file.name)
        if found and not runs(int(found[1])):
            file.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text with Unix line ends, all at once."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
    return path


def write_json(path: Path, content: Any) -> Path:
    """Write `content` as indented JSON, numbers at full precision, keys in the order given."""
    return write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        MissingError: there is no such file.
        DataError: the file is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except FileNotFoundError:
        raise MissingError(f"{path} does not exist") from None
    except (ValueError, RecursionError) as error:  # numbers of too many digits and bytes that are no text are the first
        raise DataError(f"{path} is not a JSON file ({error}): delete it and run the stage that writes it") from None


def _no_number(name: str) -> None:
    """Refuse NaN and Infinity, which are no JSON."""
    raise ValueError(f"it holds {name}")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV file that the project reads back: each cell is what it was, whatever it holds.

    These are the tables of a data set and its tags, keys of the rows of arrays, held-out and unreadable images, guessed
    labels, the measures of each query (numbers alone), and the empty form of the paper's numbers. What is for people to
    look at is written by `write_sheet`.
    """
    return write_text(path, _csv(header, rows))


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(_UnixLines(text), lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


class _UnixLines:
    """Takes lines that end as in Windows, so that a cell with either line end is quoted, and ends them as in Unix."""

    def __init__(self, text: io.StringIO) -> None:
        """Pass them on to `text`."""
        self._text = text

    def write(self, line: str) -> int:
        """Take a whole line, as a CSV writer gives it."""
        return self._text.write(line.removesuffix("\r\n") + "\n")


def write_sheet(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV file for people, in which no text is a formula where a spreadsheet opens it.

    These are the hits of E1 and E2, E3's tables, the classes of heads, the history of a training, and sweeps. A text
    that begins as a formula has an apostrophe before it, as OWASP's page on CSV injection advises; numbers stay
    numbers. The project does not read such files.
    """
    return write_text(path, sheet(header, rows))


def sheet(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""The text of such a file.

    >>> sheet(["hit", "score"], [["=1+1", -0.5]])
    "hit,score\n'=1+1,-0.5\n"
    """
    return _csv([str(_inert(name)) for name in header], ([_inert(cell) for cell in row] for row in rows))


def _inert(cell: object) -> object:
    """The cell, if it is no text; a text so that neither it nor what a spreadsheet might take for a cell is a formula.

    >>> _inert("=1+1"), _inert("a;-b"), _inert("-"), _inert(-0.5)
    ("'=1+1", "a;'-b", '-', -0.5)
    """
    return _FORMULA.sub("'", cell) if isinstance(cell, str) and len(cell) > 1 else cell


def write_array(path: Path, array: np.ndarray) -> Path:
    """Write an array as `.npy`, readable with `numpy.load(path, mmap_mode="r")`."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return path
