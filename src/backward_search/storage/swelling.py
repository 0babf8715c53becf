"""Small files that unpack to gigabytes: refused before they fill memory or disk."""

import zipfile
from pathlib import Path

from backward_search.errors import DataError

FREE, RATIO = 2**30, 200
"""Bytes that any file may unpack to, and how many times its own size a larger one may; tables reach 20, zeros 1,000."""


def swells(size: int, unpacked: int) -> bool:
    """Whether so many bytes that unpack to so many others are made to fill memory.

    >>> swells(1000, 2**30), swells(1000, 2**31), swells(2**24, 2**31)
    (False, True, False)
    """
    return unpacked > FREE and unpacked > RATIO * size


def refuse_swollen(file: Path, unpacked: int) -> None:
    """Refuse a file that unpacks, as far as is known, to so many bytes.

    Raises:
        DataError: data are not packed so densely.
    """
    if swells(file.stat().st_size, unpacked):
        sizes = f"{file.stat().st_size / 1e6:.1f} MB and unpacks to more than {unpacked / 1e9:.1f} GB"
        raise DataError(f"{file} has {sizes}, as no data does: get it again from where it came, or unpack it yourself")


def refuse_swollen_zip(file: Path) -> None:
    """Refuse a zip file, such as an `.npz`, by what it says of its members; any other file is not judged.

    A member that holds more than it says is an error of whoever reads it.

    Raises:
        DataError: it unpacks to too much.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            unpacked = sum(member.file_size for member in packed.infolist())
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile):
        return
    refuse_swollen(file, unpacked)
