"""Reading the pickles of others without running anything in them: plain containers, text, numbers and NumPy arrays.

A pickle is a program. Here it is first looked through without being run (`pickle_scan`), then run with nothing in its
hands (`pickle_makers`). What comes out is looked through again.
"""

import math
import pickle
import tokenize
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from backward_search.errors import DataError, MissingError
from backward_search.published.pickle_makers import PlainArray, PlainUnpickler
from backward_search.published.pickle_scan import RefusedError, scan
from backward_search.storage.mapped import MALFORMED
from backward_search.storage.pickle_weight import TooHeavyError, weigh

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
_CONTAINERS: set[type] = {dict, list, tuple, set, frozenset}
_FAULTS = (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, TypeError, ValueError)
_LIMITS = (MemoryError, OverflowError, RecursionError, SyntaxError, tokenize.TokenError)
"""The last two of headers that pretend to be a program."""


def load(path: Path) -> Any:
    """Read a pickle of dict, list, tuple, set, frozenset, str, int, float, bool, None, bytes, NumPy scalars and arrays.

    An OrderedDict comes as a dict, an array inside a container as `PlainArray`, which `numpy.asarray` makes an ndarray.

    Raises:
        MissingError: there is no such file.
        DataError: it holds anything else, or is damaged. Nothing in it was run.
    """
    if not path.exists():
        raise MissingError(f"{path} does not exist")
    return _unpickle(path.read_bytes(), path)


def load_npy(path: Path) -> np.ndarray:
    """Read a `.npy` file, also one whose array holds Python objects: those have to be plain, as for `load`.

    Raises:
        MissingError: there is no such file.
        DataError: it is not a `.npy` file, it is damaged, or it holds anything else.
    """
    if not path.exists():
        raise MissingError(f"{path} does not exist")
    with path.open("rb") as file:
        try:
            shape, dtype = _npy_header(file)
            if not dtype.itemsize:
                raise ValueError(f"its header announces {dtype}, of no bytes")
            if not dtype.hasobject:
                if math.prod(shape) * dtype.itemsize > path.stat().st_size:
                    raise EOFError("it ends too soon")
                file.seek(0)
                return npy_format.read_array(file, allow_pickle=False)
        except (*_FAULTS, *_LIMITS, *MALFORMED) as error:
            raise DataError(f"{path} is not a complete .npy file ({error}): get it again from where it came") from None
        array = _unpickle(file.read(), path)
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.size != math.prod(shape):
        raise DataError(f"{path}: its header announces {dtype} {shape}, its content is something else: get it again")
    return array.reshape(shape)


def _npy_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    version = npy_format.read_magic(file)
    if version not in readers:
        raise ValueError(f"format version {version}")
    shape, _, dtype = readers[version](file)
    return shape, dtype


def _unpickle(content: bytes, path: Path) -> Any:
    advice = "get the file again from where it came, or remove it"
    try:
        scan(content)
        weigh(content)
        value = PlainUnpickler(content).load()
        _look_through(value)
    except TooHeavyError as refusal:
        raise DataError(f"{path} holds {refusal}, and is not read: {advice}") from None
    except RefusedError as refusal:
        raise DataError(
            f"{path} holds {refusal}, and is not read: only plain containers, text, numbers and NumPy arrays are; "
            "get a copy that you can trust, or remove it"
        ) from None
    except _FAULTS as error:
        raise DataError(f"{path} is not a complete pickle ({str(error) or 'it ends too soon'}): {advice}") from None
    except _LIMITS as error:
        raise DataError(f"{path} does not fit into memory or is nested too deeply ({error}): {advice}") from None
    return value.view(np.ndarray) if isinstance(value, PlainArray) else value


def _look_through(value: Any) -> None:
    """Refuse a value that contains anything but plain data, such as a name that was asked for and never called."""
    seen: set[int] = set()
    waiting: list[Any] = [[value]]
    while waiting:
        held = waiting.pop()
        values = [*held.keys(), *held.values()] if isinstance(held, dict) else held
        inner = {kind for kind in set(map(type, values)) - _PLAIN if not issubclass(kind, np.generic)}
        if not inner <= _CONTAINERS | {PlainArray}:
            raise RefusedError("a name that it does not make anything with")
        if inner:
            fresh = [item for item in values if type(item) in inner and id(item) not in seen]
            seen.update(map(id, fresh))
            waiting += [_parts(item) for item in fresh]


def _parts(item: Any) -> Any:
    if not isinstance(item, PlainArray):
        return item
    if "spend" in item.__dict__:
        raise pickle.UnpicklingError("an array without content")
    return item.ravel().tolist() if item.dtype.hasobject else ()
