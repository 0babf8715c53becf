"""What lies outside of a source's folder, though a row or a link in it leads there."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from backward_search.errors import DataError

OUTSIDE = "images outside of the source's folder (--allow_outside)"
_REMEDY = "copy them into it, or pass --allow_outside True where you trust what lists them"


def is_there(file: Path) -> bool:
    """Whether there is a file that may be looked at; no name is too odd to be asked for."""
    try:
        return file.is_file()
    except (OSError, ValueError):  # a folder that must not be read, or a name that is too long
        return False


class Bounds:
    """A folder, and whether files lie in it when all links and `..` are followed."""

    def __init__(self, folder: Path) -> None:
        """Of this folder, which may be reached by a link."""
        self._root = _real(folder)
        self._known: dict[Path, Path] = {}

    def holds(self, file: Path) -> bool:
        """Whether a file lies in the folder or below it."""
        parent = file.parent
        if parent not in self._known:
            self._known[parent] = _real(parent)
        real = _real(file) if file.is_symlink() else self._known[parent] / file.name
        return real.is_relative_to(self._root)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # unlike Path.resolve it does not mind a circle of links


def refuse_outside(
    source: Path, home: Path, files: Sequence[Path], names: Sequence[str], *, allowed: bool, what: str = "images"
) -> dict[str, str]:
    """Refuse files that lie elsewhere than in a folder, unless that is allowed.

    Args:
        source: what lists them, for the message.
        home: the folder.
        files: those that are there.
        names: what the message calls each.
        allowed: whether they may lie anywhere.
        what: they are, in the message.

    Returns:
        The fact for the report; empty where all lie inside.

    Raises:
        DataError: there are such files, and they are not allowed.
    """
    bounds = Bounds(home)
    return refuse_these(
        source,
        home,
        [name for file, name in zip(files, names, strict=True) if not bounds.holds(file)],
        len(files),
        allowed=allowed,
        what=what,
    )


def refuse_these(
    source: Path, home: Path, outside: Sequence[str], count: int, *, allowed: bool, what: str = "images"
) -> dict[str, str]:
    """The same for what is known to lie outside, in their order, of so many."""
    if not outside:
        return {}
    if not allowed:
        raise DataError(
            f"{len(outside)} of {count} {what} of {source} lie outside of {home}, the first {outside[0]}: {_REMEDY}"
        )
    return {OUTSIDE: str(len(outside))}


def quoted(paths: Iterable[str]) -> list[str]:
    """Paths as a message can show them: whatever they hold, in one line."""
    return [repr(path) for path in paths]
