"""Reading the pickles of others without running anything in them: plain containers, text, numbers and NumPy arrays.

A pickle is a program. Here it is first looked through without being run: every instruction known, every length inside
the file. Then it is run with nothing in its hands: each name it may ask for stands for a maker that checks what it is
given, and NumPy never takes a dtype's state out of the file (with it, any address could be read as an object). What
comes out is looked through again.
"""

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from backward_search.errors import DataError, MissingError

SPARE = 2**20
"""Bytes that a pickle's sets, arrays and encoded texts may take beyond the size of its file."""

_FIXED = re.compile(rb"(?:[()012NRbaedls}\]ut\x81\x85-\x89\x8f-\x94oQ]|[Khq\x80].|M..|[Jj].{4}|G.{8})++", re.DOTALL)
_LINES = {b"c": 2, b"i": 2, b"I": 1, b"L": 1, b"F": 1, b"S": 1, b"V": 1, b"g": 1, b"p": 1, b"P": 1}
_COUNTED = (
    {b"U": 1, b"\x8c": 1, b"C": 1, b"\x8a": 1} | {b"T": 4, b"X": 4, b"B": 4, b"\x8b": 4} | {b"\x8d": 8, b"\x8e": 8}
)
_LONG_BINPUT, _FRAME, _STOP = b"r", b"\x95", b"."

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
_CONTAINERS: set[type] = {dict, list, tuple, set, frozenset}
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,9}|O[48]?")
_FAULTS = (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, TypeError, ValueError)
_LIMITS = (MemoryError, OverflowError, RecursionError)


class _RefusedError(Exception):
    """The content is something else than plain data; the text says what."""


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
            if not dtype.hasobject:
                if math.prod(shape) * dtype.itemsize > path.stat().st_size:
                    raise EOFError("it ends too soon")
                file.seek(0)
                return npy_format.read_array(file, allow_pickle=False)
        except (*_FAULTS, *_LIMITS) as error:
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
        _scan(content)
        value = _Unpickler(content).load()
        _look_through(value)
    except _RefusedError as refusal:
        raise DataError(
            f"{path} holds {refusal}, and is not read: only plain containers, text, numbers and NumPy arrays are; "
            "get a copy that you can trust, or remove it"
        ) from None
    except _FAULTS as error:
        raise DataError(f"{path} is not a complete pickle ({str(error) or 'it ends too soon'}): {advice}") from None
    except _LIMITS as error:
        raise DataError(f"{path} does not fit into memory or is nested too deeply ({error}): {advice}") from None
    return value.view(np.ndarray) if isinstance(value, PlainArray) else value


def _scan(content: bytes) -> None:
    """Look through a pickle without running it: no unknown instruction, no length or memo index beyond the file's size.

    Pickles have no jumps, so that the unpickler meets exactly these instructions. The lengths matter because it
    allocates what an instruction announces before it reads on.
    """
    place, end = 0, len(content)
    while True:
        run = _FIXED.match(content, place)
        place = run.end() if run else place
        code = content[place : place + 1]
        place += 1
        if code == _STOP:
            return
        if code in _COUNTED:
            width = _COUNTED[code]
            place += width + int.from_bytes(content[place : place + width], "little")
        elif code in _LINES:
            place = _lines_end(content, place, code)
        elif code == _LONG_BINPUT:
            _check_memo(int.from_bytes(content[place : place + 4], "little"), end)
            place += 4
        elif code == _FRAME:
            if int.from_bytes(content[place : place + 8], "little") > end - place - 8:
                raise EOFError
            place += 8
        else:
            raise _unknown(code)
        if place > end:
            raise EOFError


def _lines_end(content: bytes, place: int, code: bytes) -> int:
    start = place
    for _ in range(_LINES[code]):
        place = content.find(b"\n", place) + 1
        if place == 0:
            raise EOFError
    if code == b"p":
        _check_memo(int(content[start : place - 1]), len(content))
    return place


def _check_memo(index: int, size: int) -> None:
    if index > size:
        raise _RefusedError(f"the memo index {index}")


def _unknown(code: bytes) -> Exception:
    if not code:
        return EOFError()
    known = [instruction.name for instruction in pickletools.opcodes if instruction.code.encode("latin-1") == code]
    return _RefusedError(f"the instruction {known[0]}") if known else pickle.UnpicklingError("not a pickle")


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
            raise _RefusedError(f"the dtype {code!r}")
        self._dtype: np.dtype[Any] = np.dtype(object) if code[0] == "O" else np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        version, order, *structure = state[:5]
        if version not in (3, 4) or order not in ("<", ">", "|", "=") or any(part is not None for part in structure):
            raise _RefusedError("a structured dtype")
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


class _Unpickler(pickle.Unpickler):
    """An unpickler with a fixed list of names and a budget of bytes."""

    def __init__(self, content: bytes) -> None:
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
            raise _RefusedError("the name " + f"{module}.{name}".encode("unicode_escape").decode())
        return self._makers[module, name]

    def persistent_load(self, _pid: Any, /) -> Any:
        """Refuse a reference to something outside the file."""
        raise _RefusedError("a reference to something outside it (persistent id)")

    def _spend(self, size: int) -> None:
        """Keep a small file from growing large by using one of its parts again and again."""
        self._left -= size
        if self._left < 0:
            raise _RefusedError("data that would grow far beyond the size of the file")

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
            raise _RefusedError(f"text encoded as {encoding!r}")
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


def _look_through(value: Any) -> None:
    """Refuse a value that contains anything but plain data, such as a name that was asked for and never called."""
    seen: set[int] = set()
    waiting: list[Any] = [[value]]
    while waiting:
        held = waiting.pop()
        values = [*held.keys(), *held.values()] if isinstance(held, dict) else held
        inner = {kind for kind in set(map(type, values)) - _PLAIN if not issubclass(kind, np.generic)}
        if not inner <= _CONTAINERS | {PlainArray}:
            raise _RefusedError("a name that it does not make anything with")
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
