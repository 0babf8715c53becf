"""Names for the user's own images: text out of any column, and keys that are unique and can name files."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

KEPT_SUFFIXES = (".jpg", ".jpeg", ".png")
"""Images of other kinds become PNG files."""
JPEG_SUFFIXES = (".jfif", ".jpe", ".mpo")
"""Other endings of JPEG files, which stay JPEG files."""
PER_FOLDER = 1000
RESPELT = "names that not every disk can hold, respelt"
LONGEST = 200
"""Most bytes of a stored name; disks hold 255, of which names of unfinished files take some."""
_RESERVED = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_ENDS = re.compile(r"[. ]+$")
_DEVICES = frozenset(("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))))


def text(name: object) -> str:
    r"""A name as it can be written: bytes that are no UTF-8 become question marks.

    >>> text("caf\udce9/a.jpg")
    'caf?/a.jpg'
    """
    return str(name).encode("utf-8", "replace").decode("utf-8")


def column_text(values: "pd.Series[Any]") -> "pd.Series[str]":
    """A column of any type as text: whole numbers without a point, empty for what is missing, lists by commas.

    >>> column_text(pd.Series([1.0, 2.5, None])).tolist()
    ['1', '2.5', '']
    >>> column_text(pd.Series([True, None, ["a", "b"], b"x", " c "], dtype=object)).tolist()
    ['True', '', 'a,b', 'x', 'c']
    """
    known: dict[Any, str] = {}

    def convert(value: Any) -> str:
        """A value as text, each distinct one worked out once."""
        try:
            if value not in known:
                known[value] = _value_text(value)
            return known[value]
        except TypeError:  # a list has no hash
            return _value_text(value)

    return pd.Series([convert(value) for value in values.tolist()], dtype=object)


def _value_text(value: Any) -> str:
    if isinstance(value, (list, tuple, np.ndarray)):
        return ",".join(_value_text(part) for part in value)
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return text(value).strip()


def row_keys(count: int, suffix: str) -> list[str]:
    """Keys for images without names: a folder for each thousand rows.

    >>> row_keys(2, ".png")
    ['000/000000.png', '000/000001.png']
    """
    return [f"{row // PER_FOLDER:03d}/{row:06d}{suffix}" for row in range(count)]


def unique_keys(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """A key `<folder>/<file>` for each path, by its last two parts, each `storable`.

    Where two of them would be the same, also on a disk that does not tell a from A or composed letters from others, the
    other parts go into the file's name; where that is not enough, so does a short hash of the whole path.

    Args:
        paths: their parts; no path stands twice.

    >>> unique_keys([("x", "a.jpg"), ("train", "y", "b.png"), ("test", "y", "b.png"), ("c.webp",)])
    ['x/a.jpg', 'y/train__b.png', 'y/test__b.png', 'images/c.webp.png']
    """
    keys = pd.Series([_key(path, path[-1]) for path in paths], dtype=object)
    for rename in (_with_parents, _with_hash):
        folded = keys.str.casefold()
        for row in np.flatnonzero(folded.duplicated(keep=False)).tolist():
            keys[row] = _key(paths[row], rename(paths[row]))
    return keys.tolist()


def respelt(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """The paths of whose last two parts one is not `storable` as it is."""
    return [text("/".join(path)) for path in paths if any(storable(part) != part for part in path[-2:])]


def storable(name: str) -> str:
    r"""The name of a file or folder as every common disk can hold it.

    In Unicode's composed form, without characters that some system keeps for itself, without a dot or space at its
    end, no name of a device of Windows, and no longer than `LONGEST` bytes: a longer one ends in a hash of the whole.

    >>> storable("Rococo, 1750.jpg"), storable('who?"\n.jpg'), storable("aux.png"), storable("cafe\u0301. ")
    ('Rococo, 1750.jpg', 'who___.jpg', 'aux_.png', 'café_')
    """
    plain = _RESERVED.sub("_", unicodedata.normalize("NFC", text(name)))
    plain = _ENDS.sub("_", plain)
    stem, dot, suffix = plain.partition(".")
    if stem.casefold() in _DEVICES:
        plain = f"{stem}_{dot}{suffix}"
    if len(plain.encode("utf-8")) <= LONGEST:
        return plain
    ending = PurePosixPath(plain).suffix[:8]
    digest = hashlib.sha1(name.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()[:8]
    kept = plain.encode("utf-8")[: LONGEST - len(ending.encode("utf-8")) - 9].decode("utf-8", "ignore")
    return f"{kept}-{digest}{ending}"


def _key(path: tuple[str, ...], name: str) -> str:
    folder = path[-2] if len(path) > 1 else "images"
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in KEPT_SUFFIXES:
        name = f"{name}.jpg" if suffix in JPEG_SUFFIXES else f"{name}.png"
    return f"{storable(folder)}/{storable(name)}"


def _with_parents(path: tuple[str, ...]) -> str:
    return "__".join((*path[:-2], path[-1]))


def _with_hash(path: tuple[str, ...]) -> str:
    name = PurePosixPath(_with_parents(path))
    digest = hashlib.sha1("/".join(path).encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    return f"{name.stem}-{digest[:8]}{name.suffix}"
