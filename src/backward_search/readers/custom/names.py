"""Names for the user's own images: text out of any column, and keys that are unique and can name files."""

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from backward_search.storage.naming import folded, storable, text

KEPT_SUFFIXES = (".jpg", ".jpeg", ".png")
"""Images of other kinds become PNG files."""
JPEG_SUFFIXES = (".jfif", ".jpe", ".mpo")
"""Other endings of JPEG files, which stay JPEG files."""
PER_FOLDER = 1000
RESPELT = "names that not every disk can hold, respelt"


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
    other parts go into the file's name; where that is not enough, so does a short hash of the whole path, and of its
    place too where somebody has a file of that very name.

    Args:
        paths: their parts.

    >>> unique_keys([("x", "a.jpg"), ("train", "y", "b.png"), ("test", "y", "b.png"), ("c.webp",)])
    ['x/a.jpg', 'y/train__b.png', 'y/test__b.png', 'images/c.webp.png']
    """
    keys = pd.Series([_key(path, path[-1]) for path in paths], dtype=object)
    for attempt in itertools.count():
        alike = np.flatnonzero(keys.map(folded).duplicated(keep=False)).tolist()
        if not alike:
            return keys.tolist()
        for row in alike:
            keys[row] = _key(paths[row], _with_hash(paths[row], row, attempt) if attempt else _with_parents(paths[row]))
    raise AssertionError  # it counts for ever


def respelt(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """The paths of whose last two parts one is not `storable` as it is."""
    return [text("/".join(path)) for path in paths if any(storable(part) != part for part in path[-2:])]


def _key(path: tuple[str, ...], name: str) -> str:
    folder = path[-2] if len(path) > 1 else "images"
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in KEPT_SUFFIXES:
        name = f"{name}.jpg" if suffix in JPEG_SUFFIXES else f"{name}.png"
    return f"{storable(folder)}/{storable(name)}"


def _with_parents(path: tuple[str, ...]) -> str:
    return "__".join((*path[:-2], path[-1]))


def _with_hash(path: tuple[str, ...], row: int, attempt: int) -> str:
    name = PurePosixPath(_with_parents(path))
    return f"{name.stem}-{digest_of('/'.join(path), row, attempt)}{name.suffix}"


def digest_of(name: str, row: int, attempt: int) -> str:
    """Eight letters that tell a name from others; where those of the first attempt do not, its row does."""
    salted = name if attempt == 1 else f"{attempt} {row} {name}"
    return hashlib.sha1(salted.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:8]
