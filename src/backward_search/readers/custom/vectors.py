"""The user's own vectors in place of images: arrays one after the other, and which of their rows cannot be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from backward_search.errors import DataError
from backward_search.storage.mapped import FAULTS

BLOCK = 65_536
"""Rows that are looked at at once."""
NOT_FINITE, ZERO = "vectors that are not finite", "vectors of zeros"


@dataclass(frozen=True)
class ListedVectors:
    """Vectors of one width in one or several arrays, which may be memory-mapped.

    Attributes:
        parts: (n_i, d) each, of any type of number.
    """

    parts: Sequence[np.ndarray]

    @property
    def width(self) -> int:
        """The numbers d of a vector."""
        return int(self.parts[0].shape[1])

    def __len__(self) -> int:
        """The number of vectors."""
        return int(self._ends[-1])

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum([len(part) for part in self.parts])

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Some rows in the order given, (n, d) float32."""
        taken = np.empty((len(rows), self.width), np.float32)
        of_part = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(of_part).tolist():
            own = of_part == number
            start = self._ends[number] - len(self.parts[number])
            taken[own] = self.parts[number][rows[own] - start]
        return taken

    def faulty(self) -> dict[str, list[int]]:
        """By reason the rows that say nothing: not finite in single precision, or zeros alone."""
        found: dict[str, list[int]] = {NOT_FINITE: [], ZERO: []}
        for start in range(0, len(self), BLOCK):
            with np.errstate(over="ignore"):
                block = self.take(np.arange(start, min(start + BLOCK, len(self))))
            finite = np.isfinite(block).all(axis=1)
            found[NOT_FINITE] += (start + np.flatnonzero(~finite)).tolist()
            found[ZERO] += (start + np.flatnonzero(finite & ~block.any(axis=1))).tolist()
        return {reason: rows for reason, rows in found.items() if rows}


def stacked(parts: Sequence[np.ndarray], names: Sequence[str]) -> ListedVectors:
    """Arrays as vectors.

    Args:
        parts: the arrays.
        names: what each is called in messages.

    Raises:
        DataError: one is no array (N, d) of numbers, or they differ in d.
    """
    for part, name in zip(parts, names, strict=True):
        if part.ndim != 2 or part.dtype.kind not in "fiu" or part.shape[1] < 2 or not len(part):
            raise DataError(f"{name} holds {part.dtype} {part.shape}: expected vectors (N, d), a row of numbers each")
        if part.shape[1] != parts[0].shape[1]:
            raise DataError(
                f"{name} holds vectors of {part.shape[1]} numbers, {names[0]} of {parts[0].shape[1]}: expected one "
                "width"
            )
    return ListedVectors(list(parts))


def load_vectors(files: Sequence[Path]) -> ListedVectors:
    """Vectors in `.npy` files, memory-mapped, one file after the other.

    Raises:
        DataError: one cannot be read, or holds no vectors.
    """
    arrays = []
    for file in files:
        try:
            array = np.load(file, mmap_mode="r", allow_pickle=False)
        except FAULTS as error:
            raise DataError(f"{file} cannot be read as a .npy file ({error}): save it anew by numpy.save") from None
        if not isinstance(array, np.ndarray):
            raise DataError(f"{file} holds several arrays by name: give it as --source, with --vector_column")
        arrays.append(array)
    return stacked(arrays, [str(file) for file in files])


def column_vectors(source: Path, file: Any, column: str) -> np.ndarray:
    """A column of lists of numbers as an array (N, d) float32; a missing list is a row of NaN.

    Args:
        source: the file, for messages.
        file: it, opened by `columnar.opened_columnar`.
        column: of lists, all of one length.

    Raises:
        DataError: the lists differ in length, or there is none.
    """
    import pyarrow
    import pyarrow.compute

    made: np.ndarray | None = None
    done = 0
    for batch in file.iter_batches(BLOCK, columns=[column]):
        lists = batch.column(0)
        lists = lists.storage if isinstance(lists, pyarrow.ExtensionArray) else lists
        lengths = pyarrow.compute.list_value_length(lists).to_numpy(zero_copy_only=False)
        there = lists.is_valid().to_numpy(zero_copy_only=False)
        if made is None and there.any():
            made = np.full((file.metadata.num_rows, int(lengths[there][0])), np.nan, np.float32)
        if made is not None and (lengths[there] != made.shape[1]).any():
            other = done + int(np.flatnonzero(there & (lengths != made.shape[1]))[0])
            raise DataError(
                f"{source}: {column} has {int(lengths[other - done])} numbers in row {other}, {made.shape[1]} in "
                "others: expected vectors of one length"
            )
        if made is not None and there.any():
            values = lists.drop_null().flatten().to_numpy(zero_copy_only=False)
            made[done : done + len(lists)][there] = values.reshape(-1, made.shape[1])
        done += len(lists)
    if made is None:
        raise DataError(f"{source}: {column} has no vector in it")
    return made
