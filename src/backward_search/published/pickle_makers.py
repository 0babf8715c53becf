"""Running a pickle with nothing in its hands: each name it may ask for stands for a maker that checks what it is given.

NumPy never takes a dtype's state out of the file: with it, any address could be read as an object.
"""

import io
import math
import pickle
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from backward_search.published.pickle_scan import RefusedError

SPARE = 2**20
"""Bytes that a pickle's sets, arrays and encoded texts may take beyond the size of its file."""
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,9}|O[48]?")


class _Maker:
    """What stands for a name in a pickle: it can be called, and nothing about it can be changed from the pickle."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setstate__(self, _state: Any) -> None:
        raise pickle.UnpicklingError("a name cannot be given a state")


class _Dtype:
    """What stands for a dtype while a pickle is read: its code and byte order, and no way to say anything else."""

    __slots__ = ("_dtype",)

    def __init__(self, code: str, _align: Any = False, _copy: Any = True) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise RefusedError(f"the dtype {code!r}")
        self._dtype: np.dtype[Any] = np.dtype(object) if code[0] == "O" else np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        version, order, *structure = state[:5]
        if version not in (3, 4) or order not in ("<", ">", "|", "=") or any(part is not None for part in structure):
            raise RefusedError("a structured dtype")
        self._dtype = self._dtype.newbyteorder(order)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return self._dtype


class PlainArray(np.ndarray):
    """An array out of a pickle: an ndarray whose content was checked before it was taken over."""

    def __setstate__(self, state: Any) -> None:
        """Take over shape, dtype and content, once."""
        spend: Callable[[int], None] = self.__dict__.pop("spend")
        version, shape, stand_in, fortran, content = state
        if version != 1 or type(stand_in) is not _Dtype or type(shape) is not tuple:
            raise pickle.UnpicklingError("malformed array")
        dtype = stand_in.dtype
        kind, unit = (list, 1) if dtype.hasobject else (bytes, dtype.itemsize)
        if type(content) is not kind or len(content) != math.prod(shape) * unit or min(shape, default=0) < 0:
            raise pickle.UnpicklingError("an array's content does not fit its shape")
        if math.prod(max(length, 1) for length in shape) * max(unit, 1) >= 2**62:
            raise pickle.UnpicklingError("an array's shape is impossible")
        spend(len(content))
        super().__setstate__((version, shape, dtype, bool(fortran), content))  # type: ignore[arg-type]


class PlainUnpickler(pickle.Unpickler):
    """An unpickler with a fixed list of names and a budget of bytes."""

    def __init__(self, content: bytes) -> None:
        """Take the content of a pickle that was looked through."""
        super().__init__(io.BufferedReader(io.BytesIO(content), 2**17))  # peek: it reads ahead
        self._left = len(content) + SPARE
        self._ndarray = _Maker(self._not_called)
        makers: dict[str, Callable[..., Any]] = {"set": self._set, "frozenset": self._frozenset, "bytes": self._bytes}
        self._makers = {(place, name): _Maker(makers[name]) for place in ("builtins", "__builtin__") for name in makers}
        self._makers[("collections", "OrderedDict")] = _Maker(self._dict)
        self._makers[("_codecs", "encode")] = _Maker(self._encode)
        self._makers[("numpy", "dtype")] = _Maker(_Dtype)
        self._makers[("numpy", "ndarray")] = self._ndarray
        for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            self._makers[(module, "_reconstruct")] = _Maker(self._array)
            self._makers[(module, "scalar")] = _Maker(self._scalar)

    def find_class(self, module: str, name: str, /) -> Any:
        """The maker of a name; every other name is refused before anything is imported."""
        if (module, name) not in self._makers:
            raise RefusedError("the name " + f"{module}.{name}".encode("unicode_escape").decode())
        return self._makers[module, name]

    def persistent_load(self, _pid: Any, /) -> Any:
        """Refuse a reference to something outside the file."""
        raise RefusedError("a reference to something outside it (persistent id)")

    def _spend(self, size: int) -> None:
        """Keep a small file from growing large by using one of its parts again and again."""
        self._left -= size
        if self._left < 0:
            raise RefusedError("data that would grow far beyond the size of the file")

    def _items(self, items: Iterable[Any] = ()) -> list[Any]:
        if not isinstance(items, (list, tuple, set, frozenset)):
            raise pickle.UnpicklingError("malformed container")
        self._spend(len(items))
        return list(items)

    def _set(self, items: Iterable[Any] = ()) -> set[Any]:
        return set(self._items(items))

    def _frozenset(self, items: Iterable[Any] = ()) -> frozenset[Any]:
        return frozenset(self._items(items))

    def _dict(self, pairs: Iterable[Any] = ()) -> dict[Any, Any]:
        return dict(self._items(pairs))

    def _bytes(self) -> bytes:  # protocols up to 2 write empty bytes so
        return b""

    def _encode(self, text: str, encoding: str) -> bytes:  # and others so
        if not isinstance(text, str) or encoding != "latin1":
            raise RefusedError(f"text encoded as {encoding!r}")
        self._spend(len(text))
        return text.encode("latin1")

    def _not_called(self, *_arguments: Any) -> Any:
        raise pickle.UnpicklingError("an array is not made in NumPy's way")

    def _array(self, kind: Any, shape: Any, _code: Any) -> PlainArray:
        if kind is not self._ndarray or shape != (0,):
            raise pickle.UnpicklingError("an array is not made in NumPy's way")
        array = np.ndarray.__new__(PlainArray, (0,), np.uint8)
        array.__dict__["spend"] = self._spend
        return array

    def _scalar(self, stand_in: Any, content: Any) -> Any:
        if type(stand_in) is not _Dtype or type(content) is not bytes or stand_in.dtype.hasobject:
            raise pickle.UnpicklingError("malformed scalar")
        if len(content) != stand_in.dtype.itemsize:
            raise pickle.UnpicklingError("a scalar's content does not fit its dtype")
        self._spend(len(content))
        return np.ndarray((), stand_in.dtype, content)[()]
