"""Reading a `.npy` file page by page, as it is needed."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from backward_search.errors import DataError, MissingError

BLOCK = 2**16
"""Rows that are looked at at once."""
FAULTS = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, AttributeError),
    *(zipfile.BadZipFile, zlib.error, MemoryError, OverflowError, SyntaxError, tokenize.TokenError),
)
"""What NumPy raises at files that are not what their name says."""


def mapped(
    file: Path,
    remedy: str,
    *,
    shape: tuple[int | None, int] | None = None,
    dtype: type[np.generic] | None = None,
    mode: Literal["r", "c"] = "r",
) -> np.ndarray:
    """An array, memory-mapped.

    Args:
        file: where it lies.
        remedy: what to do where it cannot be read.
        shape: what it has to be; None in it is any number of rows.
        dtype: what its numbers have to be; left out, any.
        mode: r to read alone, c for an array that may be written to, of which nothing goes to the file.

    Raises:
        MissingError: there is no such file.
        DataError: it is damaged, or of another shape or type.
    """
    try:
        array: np.ndarray = np.load(file, mmap_mode=mode, allow_pickle=False)
    except FileNotFoundError:
        raise MissingError(f"{file} does not exist: {remedy}") from None
    except (ValueError, EOFError, TypeError, OverflowError, SyntaxError, MemoryError, tokenize.TokenError) as error:
        raise DataError(f"{file} is damaged ({error}): {remedy}") from None
    if shape is not None and (array.ndim != 2 or array.shape != (shape[0] or len(array), shape[1])):
        raise DataError(f"{file} has the shape {array.shape}: {remedy}")
    if dtype is not None and array.dtype != dtype:
        raise DataError(f"{file} holds {array.dtype} and not {np.dtype(dtype)}: {remedy}")
    return array


def all_finite(array: np.ndarray) -> bool:
    """Whether an array (N, d), which may be mapped, holds finite numbers alone; it is read block by block."""
    return all(bool(np.isfinite(array[start : start + BLOCK]).all()) for start in range(0, len(array), BLOCK))
