"""Every way to damage a file: by its ending, a name and what becomes of its bytes."""

import io
import json
import pickle
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


def _torch(change: Callable) -> Damage:
    """Every tensor of a file of the authors' is another."""

    def damaged(data: bytes) -> bytes:
        import torch

        def changed(value: object) -> object:
            if isinstance(value, dict):
                return {name: changed(each) for name, each in value.items()}
            return change(value) if isinstance(value, torch.Tensor) else value

        into = io.BytesIO()
        torch.save(changed(torch.load(io.BytesIO(data), weights_only=True)), into)
        return into.getvalue()

    return damaged


def _pickled(change: Callable[[object], object]) -> Damage:
    return lambda data: pickle.dumps(change(pickle.loads(data)), 4)


def _retyped(value: object) -> object:
    """Every value is of another type, every key as it was."""
    if isinstance(value, dict):
        return {key: _retyped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_retyped(each) for each in value]
    return 3 if isinstance(value, str) else "three"


def _entries(change: Callable[[dict], object]) -> Damage:
    """The authors' embeddings with one image's entry changed."""

    def damaged(data: bytes) -> bytes:
        entries = np.load(io.BytesIO(data), allow_pickle=True).item()
        entries[3] = change(entries[3])
        into = io.BytesIO()
        np.save(into, np.array(entries, dtype=object), allow_pickle=True)
        return into.getvalue()

    return damaged


def _plain(array: np.ndarray) -> Damage:
    into = io.BytesIO()
    np.save(into, array)
    return lambda _: into.getvalue()


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


PUBLISHED: dict[str, dict[str, Damage]] = {
    ".csv": BY_ENDING[".csv"],
    ".npy": {
        "numbers alone": _plain(np.zeros((60, 16), np.float32)),
        "NaN": _entries(lambda one: one | {"feature": [float("nan")] * len(one["feature"])}),
        "a column short": _entries(lambda one: one | {"feature": one["feature"][:-1]}),
        "a text": _entries(lambda one: one | {"feature": ["x"] * len(one["feature"])}),
        "no feature": _entries(lambda one: {key: value for key, value in one.items() if key != "feature"}),
        "no entry": _entries(lambda _: None),
        "another image": _entries(lambda one: one | {"path": "./data/wikiart/images/no/where.jpg"}),
    },
    ".pkl": {
        **{str(value): _pickled(lambda _, value=value: value) for value in (None, [], {}, 5, "text")},
        "other types": _pickled(_retyped),
    },
    ".pth": {
        "NaN": _torch(lambda t: t * float("nan") if t.is_floating_point() else t),
        "double": _torch(lambda t: t.double()),
        "one short": _torch(lambda t: t[:-1].clone() if t.ndim and len(t) else t),
        "texts": _torch(lambda _: "three"),
        **{str(value): lambda _, value=value: _saved(value) for value in (None, [], {}, 5)},
    },
}
"""Of the authors' files."""


def _saved(value: object) -> bytes:
    import torch

    into = io.BytesIO()
    torch.save(value, into)
    return into.getvalue()


def damages_of_published(file: Path) -> dict[str, Damage]:
    """The ways to damage a file of the authors'."""
    return ANY | PUBLISHED[file.suffix]


def damages_of(file: Path) -> dict[str, Damage]:
    """The ways to damage a file."""
    return ANY | BY_ENDING.get(file.suffix, {})
