"""Every way to damage a file: by its ending, a name and what becomes of its bytes."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

Damage = Callable[[bytes], bytes]


def _array(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def damaged(data: bytes) -> bytes:
        into = io.BytesIO()
        np.save(into, change(np.load(io.BytesIO(data))))
        return into.getvalue()

    return damaged


def _with_nan(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array[len(array) // 2, 0] = np.nan
    return array


def _json(value: object) -> Damage:
    return lambda _: json.dumps(value).encode()


def _other_types(data: bytes) -> bytes:
    """Every value is of another type, every name as it was."""

    def other(value: object) -> object:
        if isinstance(value, dict):
            return {name: other(each) for name, each in value.items()}
        if isinstance(value, list):
            return [other(each) for each in value]
        return 3 if isinstance(value, str) else "three"

    return json.dumps(other(json.loads(data))).encode()


def _header(data: bytes) -> bytes:
    return b"a,b\n" + data.split(b"\n", 1)[1]


def _without_last_row(data: bytes) -> bytes:
    return data.rstrip(b"\n").rsplit(b"\n", 1)[0] + b"\n"


def _weights(change: Callable) -> Damage:
    def damaged(data: bytes) -> bytes:
        from safetensors.torch import load, save

        return save({name: change(tensor) for name, tensor in load(data).items()})

    return damaged


ANY: dict[str, Damage] = {
    "emptied": lambda _: b"",
    "halved": lambda data: data[: len(data) // 2],
    "noise": lambda data: np.random.default_rng(0).bytes(max(64, len(data))),
    "a bit": lambda data: data[: len(data) // 3] + bytes([data[len(data) // 3] ^ 4]) + data[len(data) // 3 + 1 :],
}
BY_ENDING: dict[str, dict[str, Damage]] = {
    ".npy": {
        "float64": _array(lambda a: a.astype(np.float64)),
        "whole numbers": _array(lambda a: a.astype(np.int64)),
        "a row short": _array(lambda a: a[:-1]),
        "a row more": _array(lambda a: np.concatenate([a, a[:1]])),
        "a column short": _array(lambda a: a[:, :-1]),
        "transposed": _array(lambda a: np.ascontiguousarray(a.T)),
        "flat": _array(np.ravel),
        "NaN": _array(_with_nan),
        "rows reversed": _array(lambda a: a[::-1].copy()),
    },
    ".json": {
        **{str(value): _json(value) for value in (None, [], {}, 5, "text")},
        "NaN": lambda data: b'{"a": NaN}',
        "nested": lambda _: b"[" * 100_000,
        "of many digits": lambda _: b"9" * 5000,
        "other types": _other_types,
    },
    ".csv": {
        "another header": _header,
        "a row short": _without_last_row,
        "a row twice": lambda data: data + data.rstrip(b"\n").rsplit(b"\n", 1)[-1] + b"\n",
        "another column": lambda data: b"\n".join(line + b",x" for line in data.splitlines()),
        "NUL": lambda data: data.replace(b"\n", b"\n\0", 2),
    },
    ".safetensors": {
        "NaN": _weights(lambda t: t * float("nan") if t.is_floating_point() else t),
        "double": _weights(lambda t: t.double()),
        "one short": _weights(lambda t: t[:-1].clone() if t.ndim and len(t) else t),
    },
}


def damages_of(file: Path) -> dict[str, Damage]:
    """The ways to damage a file."""
    return ANY | BY_ENDING.get(file.suffix, {})
