"""The authors' embeddings in this project's form, joined to the data set's table by key."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backward_search.data.spellings import match
from backward_search.data.tables import Table, key_of
from backward_search.errors import DataError
from backward_search.published.plain_pickle import load_npy


def read_embeddings(file: Path, table: Table, attributes: Sequence[str], size: int) -> np.ndarray:
    """The embeddings of a split in the order of its table.

    Args:
        file: `inference_<name>_<split>_embedding_epoch<n>.npy`, {number: {"path", <attribute>_id, "feature", ...}}.
        table: the split's table.
        attributes: those whose class ids have to agree with the table's.
        size: E.

    Returns:
        (N, E) float32.

    Raises:
        DataError: the file is damaged, holds something other than data, or is of other images or labels than the table.
    """
    entries = _entries(file)
    try:
        keys = [key_of(entry["path"]) for entry in entries]
        ids = {name: np.array([int(entry[f"{name}_id"]) for entry in entries]) for name in attributes}
        embeddings = _stacked((entry["feature"] for entry in entries), len(entries), size)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        wanted = ", ".join(["path", *(f"{name}_id" for name in attributes), f"feature of {size} finite numbers"])
        raise DataError(f"{file} has an entry without {wanted}: get it again, or check its folder's name") from None
    order = _rows(file, keys, table)
    for name in attributes:
        other = int((ids[name][order] != table.ids[name]).sum())
        if other:
            raise DataError(f"{other} images have another {name} in {file} than in the table: {_remedy(table)}")
    ordered: np.ndarray = embeddings[order]
    return ordered


def _entries(file: Path) -> list[Mapping[str, Any]]:
    array = load_npy(file)
    content = array.item() if array.shape == () else None
    if not isinstance(content, dict) or not content or not all(isinstance(entry, dict) for entry in content.values()):
        raise DataError(f"{file} is not a dictionary of one entry per image: get it again from where it came")
    return list(content.values())


def _stacked(features: Iterable[Any], count: int, size: int) -> np.ndarray:
    stacked = np.empty((count, size), np.float32)
    for row, feature in enumerate(features):
        if not isinstance(feature, np.ndarray) and not all(isinstance(value, int | float) for value in feature):
            raise ValueError  # lists of lists may be endless
        values = np.asarray(feature, np.float32).ravel()
        if len(values) != size or not np.isfinite(values).all():
            raise ValueError
        stacked[row] = values
    return stacked


def _rows(file: Path, keys: Sequence[str], table: Table) -> np.ndarray:
    """For each image of the table its place among `keys`, also where archives have spelled its name differently."""
    place = {key: row for row, key in enumerate(keys)}
    found = match(table.keys, keys)
    missing, extra, twice = len(table) - len(found), len(place) - len(found), len(keys) - len(place)
    if missing or extra or twice:
        raise DataError(
            f"{file} is of other images than the {table.split} table: {missing} of the table's {len(table)} are not in "
            f"it, {extra} of its own {len(keys)} are not in the table, {twice} occur twice: {_remedy(table)}"
        )
    return np.array([place[found[key]] for key in table.keys])


def _remedy(table: Table) -> str:
    name = table.entry.name
    published = " --as_published True" if name == "CUB" else ""
    return f"prepare {name} as the authors did, from their preprocessed tables or with {table.entry.prepare}{published}"
