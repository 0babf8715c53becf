"""What a program hands over, checked: arrays of torch or NumPy become tensors, or one line says what is wrong."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backward_search.errors import OptionError

LARGEST = sys.float_info.max
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
    found = found.to(like, copy=True)  # what comes back must not be the caller's own
    finite_rows(found, "query")  # after the conversion, in which a large number of double precision becomes infinite
    return found


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
    try:
        found = values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.asarray(values))
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{what}: expected whole numbers (N,), got {type(values).__name__}") from None
    if found.ndim != 1 or found.dtype.is_floating_point or found.dtype.is_complex or found.dtype == torch.bool:
        raise ValueError(f"{what}: expected whole numbers (N,), got {found.dtype} {tuple(found.shape)}")
    found = found.to(torch.int64)
    if classes is not None and len(found) != count:
        raise ValueError(f"{what}: {len(found)} for {count} images")
    least, most = (-1, classes - 1) if classes is not None else (0, count - 1)
    if len(found) and not (least <= int(found.min()) and int(found.max()) <= most):
        raise ValueError(f"{what}: {int(found.min())} to {int(found.max())}, expected {least} to {most}")
    return found


def number_of(value: Any, what: str, *, least: float = 0.0, above: bool = False) -> float:
    """A finite number of at least some other, or above it.

    Raises:
        ValueError: it is none.
    """
    good = is_number(value) and least <= value <= LARGEST  # of NaN this is false
    if not good or (above and value == least):
        raise ValueError(f"{what} is {value!r}: expected a number {'above' if above else 'of at least'} {least:g}")
    return float(value)


def whole_of(value: Any, what: str, *, least: int) -> int:
    """A whole number of at least some other, that 64 bits can hold.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not least <= value < 2**63:
        raise ValueError(f"{what} is {value!r}: expected a whole number of at least {least}")
    return int(value)


def conditions_of(values: Any) -> list[Any]:
    """Conditions of queries, each a text or a mapping.

    Raises:
        OptionError: they are none.
    """
    found = list(values) if isinstance(values, Iterable) and not isinstance(values, bytes) else [values]
    for one in found:
        if not isinstance(one, str | Mapping):
            raise OptionError(f"the condition {one!r}: expected a text, or by attribute what is wanted")
    return found


def keys_of(values: Any, count: int) -> list[Any]:
    """What the images of a gallery are called, arrays' numbers and texts as Python's own.

    Raises:
        ValueError: there is not one for each.
    """
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray | Tensor):
        raise ValueError(f"keys are a {type(values).__name__}: expected a list, one for each image")
    if len(values) != count:
        raise ValueError(f"{len(values)} keys for {count} images")
    found = list(values) if isinstance(values, Sequence) else values.tolist()
    return [key.item() if isinstance(key, np.generic) else key for key in found]


def device_of(value: Any) -> torch.device:
    """A device of PyTorch.

    Raises:
        ValueError: there is none of this name, or not here.
    """
    try:
        found = torch.device(value)
    except (RuntimeError, TypeError):
        raise ValueError(f"device is {value!r}: expected a device of PyTorch, such as cpu or cuda") from None
    try:
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"device is {value!r}, which cannot be used here ({reason}): take cpu") from None
    return found


def is_number(value: Any) -> bool:
    """Whether something is a number, which true and false are not."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _tensor(values: Any, what: str) -> Tensor:
    try:
        found = values.detach() if isinstance(values, Tensor) else torch.from_numpy(_native(np.asarray(values)))
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{what}: expected a tensor or an array of numbers, got {type(values).__name__}") from None
    if found.dtype not in FLOATS:
        raise ValueError(f"{what} holds {found.dtype}: expected floating-point numbers")
    found = found.clone() if found.is_inference() else found  # autograd takes none
    return found if found.dtype in (torch.float32, torch.float64) else found.float()


def _native(array: np.ndarray) -> np.ndarray:
    """A copy in a type that PyTorch has too: its bytes in this machine's order, no float longer than a double."""
    kind = array.dtype.newbyteorder("=")
    return array.astype(np.float64 if kind.kind == "f" and kind.itemsize > 8 else kind)
