"""Files that unpack to far more than they hold: how much is still believed, and the line that refuses the rest."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from backward_search.errors import DataError

FREE = 2**28
"""Bytes that any file may unpack to."""
FACTOR = 100
"""How many times its size a file may unpack to beyond that; pictures and measurements reach a small part of it."""


PLAINLY = "save it by numpy.savez, which does not pack"
"""What to do about an .npz file."""


def most_of(size: int) -> int:
    """The bytes that a file of so many bytes may unpack to.

    >>> most_of(1000), most_of(2**30) == 100 * 2**30
    (268435456, True)
    """
    return max(FREE, FACTOR * size)


def refuse_growth(file: Path, unpacked: int, remedy: str, size: int | None = None) -> None:
    """Refuse a file that unpacks to more than its size makes believable.

    Args:
        file: the file.
        unpacked: the bytes that it unpacks to, or that came out of it so far.
        remedy: what to do.
        size: of the file in bytes, where it was asked for before.

    Raises:
        DataError: it does.
    """
    size = file.stat().st_size if size is None else size
    if unpacked > most_of(size):
        raise DataError(
            f"{file} has {size:,} bytes and unpacks to {unpacked:,} or more, as files do that are made to fill memory: "
            f"{remedy}"
        )


def refuse_zip_growth(file: Path, remedy: str) -> None:
    """The same of a zip file, such as an .npz, by its own list, beyond which nothing is unpacked.

    Raises:
        DataError: it does; one that is no whole zip file is left to its reader.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            unpacked = sum(each.file_size for each in packed.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return
    refuse_growth(file, unpacked, remedy)


def watched(file: Path, contents: Iterable[bytes | str], remedy: str) -> Iterator[bytes | str]:
    """Contents that come out of a file one after the other, until they are too much for it.

    Raises:
        DataError: they are.
    """
    size, unpacked = file.stat().st_size, 0
    for content in contents:
        unpacked += len(content)
        refuse_growth(file, unpacked, remedy, size)
        yield content
