"""What a program hands over, checked: arrays of torch or NumPy become tensors, or one line says what is wrong."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def matrix(values: Any, what: str, *, width: int | None = None) -> Tensor:
    """Embeddings (N, E) as a tensor without a gradient, in float32, or float64 where they are.

    Args:
        values: a tensor or an array of any floating type.
        what: they are called in messages.
        width: the E that they have to have.

    Raises:
        ValueError: they are none, empty, or of another width.
    """
    found = _tensor(values, what)
    if found.ndim != 2:
        raise ValueError(f"{what} has the shape {tuple(found.shape)}: expected (N, E), a row for each image")
    if not len(found):
        raise ValueError(f"{what} is empty: give at least one row")
    if not found.shape[1] or (width is not None and found.shape[1] != width):
        raise ValueError(f"{what} has rows of {found.shape[1]} numbers: expected {width or 'at least 1'}")
    return found


def queries_of(values: Any, like: Tensor) -> Tensor:
    """Query embeddings (B, E), of one (E,) or of many, on the device and in the precision of the gallery.

    Raises:
        ValueError: they are of another width, empty, or not finite.
    """
    found = _tensor(values, "query")
    found = found[None] if found.ndim == 1 else found
    if found.ndim != 2 or found.shape[1] != like.shape[1]:
        raise ValueError(
            f"the query has the shape {tuple(found.shape)}: expected (E,) or (B, E) with E = {like.shape[1]}"
        )
    if not len(found):
        raise ValueError("there are no queries: give at least one")
    finite_rows(found, "query")
    return found.to(like)


def finite_rows(values: Tensor, what: str) -> None:
    """Refuse rows with a NaN or an infinity.

    Raises:
        ValueError: there are such rows.
    """
    good = values.isfinite().all(dim=1)
    if not bool(good.all()):
        bad = (~good).nonzero().flatten().tolist()
        raise ValueError(f"{what} has NaN or infinite numbers in {len(bad)} rows, the first is row {bad[0]}")


def class_ids(values: Any, what: str, classes: int | None, count: int) -> Tensor:
    """Class ids (N,), -1 for unknown; or, without a number of classes, rows of N images.

    Raises:
        ValueError: they are no whole numbers, not one for each image, or outside the classes.
    """
    found = values if isinstance(values, Tensor) else torch.from_numpy(np.asarray(values))
    found = found.detach()
    if found.ndim != 1 or found.dtype.is_floating_point or found.dtype.is_complex or found.dtype == torch.bool:
        raise ValueError(f"{what}: expected whole numbers (N,), got {found.dtype} {tuple(found.shape)}")
    found = found.to(torch.int64)
    if classes is not None and len(found) != count:
        raise ValueError(f"{what}: {len(found)} for {count} images")
    least, most = (-1, classes - 1) if classes is not None else (0, count - 1)
    if len(found) and not (least <= int(found.min()) and int(found.max()) <= most):
        raise ValueError(f"{what}: {int(found.min())} to {int(found.max())}, expected {least} to {most}")
    return found


def number_of(value: Any, what: str, *, least: float = 0.0, most: float = float("inf"), above: bool = False) -> float:
    """A finite number within bounds.

    Raises:
        ValueError: it is none.
    """
    good = isinstance(value, int | float | np.number) and not isinstance(value, bool) and np.isfinite(value)
    if not good or value < least or value > most or (above and value == least):
        raise ValueError(f"{what} is {value!r}: expected a number {'above' if above else 'of at least'} {least:g}")
    return float(value)


def _tensor(values: Any, what: str) -> Tensor:
    try:
        found = values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.asarray(values).copy())
    except (TypeError, ValueError):
        raise ValueError(f"{what}: expected a tensor or an array of numbers, got {type(values).__name__}") from None
    if found.dtype not in FLOATS:
        raise ValueError(f"{what} holds {found.dtype}: expected floating-point numbers")
    return found if found.dtype in (torch.float32, torch.float64) else found.float()
