"""The restricted unpickler: it reads what the authors' bundle holds, and runs nothing of what others put there."""

import collections
import contextlib
import os
import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backward_search.errors import DataError, MissingError
from backward_search.published import plain_pickle

PROTOCOLS = (0, 1, 2, 3, 4)


def stored(folder: Path, content: bytes) -> Path:
    path = folder / "some.pkl"
    path.write_bytes(content)
    return path


def same(left: Any, right: Any) -> bool:
    if isinstance(right, np.ndarray):
        return (
            isinstance(left, np.ndarray)
            and left.dtype == right.dtype.newbyteorder("=")
            and left.tolist() == right.tolist()
        )
    if isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in right)
    if isinstance(right, (list, tuple)):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


PLAIN = {
    "containers": {"a": [1, (2, 3), {4}, frozenset({"x"})], 5: None, True: b"\x00\xff", "empty": [b"", (), {}, set()]},
    "numbers": [0, -1, 255, 2**40, -(2**100), 1.5, float("inf"), False],
    "text": ["", "Ukiyo_e", "joaqu\xe3\xad\u2014\U0001f426", "x" * 70000],
    "scalars": [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("ab"), np.uint8(7), np.complex128(1j)],
    "scalar keys": {np.int64(3): "three"},
    "arrays": [np.arange(6.0).reshape(2, 3), np.zeros((0, 4), np.float32), np.arange(900, dtype=">i4"), np.array(2)],
    "array": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "strings": np.array(["one", "three", ""]),
    "objects": np.array({"feature": [0.5, 0.25], "birds_id": "3"}, dtype=object),
    "nested objects": np.array([np.arange(3), "x", None], dtype=object),
    "empty strings": [np.str_(""), np.array(["", ""])],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", PLAIN)
def test_plain_data_come_back_as_they_were(name: str, protocol: int, tmp_path: Path) -> None:
    loaded = plain_pickle.load(stored(tmp_path, pickle.dumps(PLAIN[name], protocol)))
    if name == "nested objects":
        assert [np.asarray(loaded[0]).tolist(), *loaded[1:]] == [[0, 1, 2], "x", None]
    else:
        assert same(loaded, PLAIN[name])


def test_python_s_own_unpickler_reads_the_same(tmp_path: Path) -> None:
    content = pickle.dumps({"a": [1.5, "x"] * 1000, "b": {"c": (1, 2)}}, 3)
    assert plain_pickle.load(stored(tmp_path, content)) == pickle.loads(content)


def test_shared_and_self_containing_parts(tmp_path: Path) -> None:
    part = ["shared"]
    whole: list[Any] = [part, part]
    whole.append(whole)
    loaded = plain_pickle.load(stored(tmp_path, pickle.dumps(whole)))
    assert loaded[0] is loaded[1]
    assert loaded[2] is loaded


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_ordered_dict_comes_as_a_dict(protocol: int, tmp_path: Path) -> None:
    content = pickle.dumps(collections.OrderedDict(b=1, a=2), protocol)
    loaded = plain_pickle.load(stored(tmp_path, content))
    assert list(loaded.items()) == [("b", 1), ("a", 2)]


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_both_spellings_of_numpy_s_module(module: str, tmp_path: Path) -> None:
    content = pickle.dumps([np.arange(3), np.float64(2)], 2)
    ours = np.arange(3).__reduce__()[0].__module__.encode()  # of the NumPy that is installed
    assert ours in content
    content = content.replace(ours, module.encode())
    assert same(plain_pickle.load(stored(tmp_path, content)), [np.arange(3), np.float64(2)])


# --- what is not plain


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


def ran(*arguments: Any) -> Any:
    raise RuntimeError(f"the pickle ran {arguments}")


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """A file that every hostile pickle tries to make."""
    return tmp_path / "it-ran"


def hostile_calls(witness: Path) -> dict[str, tuple[Any, str]]:
    command = f"touch {witness}"
    code = f"open({str(witness)!r}, 'w')"
    return {
        "system": (Calls(os.system, command), f"{os.name}.system"),
        "eval": (Calls(eval, code), "builtins.eval"),
        "exec": (Calls(exec, code), "builtins.exec"),
        "open": (Calls(open, str(witness), "w"), "open"),
        "getattr": (Calls(getattr, "text", "format"), "builtins.getattr"),
        "nested": ({"a": [1, ("x", {"b": Calls(os.system, command)})]}, f"{os.name}.system"),
        "in an array": (np.array(Calls(os.system, command), dtype=object), f"{os.name}.system"),
        "as a key": ({Calls(os.getcwd): 1}, f"{os.name}.getcwd"),
        "path": (Path("x"), "pathlib"),
        "own class": (Calls(ran, 1), "test_plain_pickle.ran"),
        "numpy function": (Calls(np.fromfile, str(witness)), "numpy"),
        "class": (dict, "builtins.dict"),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", hostile_calls(Path("x")))
def test_hostile_pickles_are_refused_by_name_and_run_nothing(
    name: str, protocol: int, witness: Path, tmp_path: Path
) -> None:
    content, wanted = hostile_calls(witness)[name]
    path = stored(tmp_path, pickle.dumps(content, protocol))
    with pytest.raises(DataError, match="is not read") as refusal:
        plain_pickle.load(path)
    message = str(refusal.value)
    assert str(path) in message
    assert wanted in message.replace("__builtin__", "builtins")
    assert not witness.exists()


def test_the_hostile_pickles_would_run_elsewhere(witness: Path) -> None:
    """Python's own unpickler makes the file: the test above would notice."""
    pickle.loads(pickle.dumps(hostile_calls(witness)["nested"][0]))
    assert witness.exists()


def protocol0(name: str, *after: str) -> bytes:
    return ("c" + name.replace(" ", "\n") + "\n" + "".join(after) + ".").encode()


RAW = {
    "global alone": protocol0("os system"),
    "inst": b"(S'touch x'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'touch x'\no.",
    "newobj": b"\x80\x02csubprocess\nPopen\n)\x81.",
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "dotted": b"\x80\x04\x8c\x08builtins\x8c\x0bset.__class__\x93.",
    "attribute of an admitted module": protocol0("numpy load"),
    "admitted name, never called": protocol0("builtins set"),
    "admitted name in a list": b"(lp0\ncnumpy\nndarray\na.",
    "dtype alone": pickle.dumps(np.dtype("f8"), 2),
    "persistent id": b"Pout there\n.",
    "binary persistent id": b"K\x01Q.",
    "extension": b"\x80\x02\x82\x01.",
    "bytearray": pickle.dumps(bytearray(b"abc"), 5),
    "out-of-band buffer": b"\x80\x05\x97.",
    "class of an array": b"cnumpy.core.multiarray\n_reconstruct\n(cbuiltins\nset\n(I0\ntS'b'\ntR.",
    "large array without content": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I99999999999\ntS'b'\ntR.",
    "array without state": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR.",
    "ndarray itself called": b"cnumpy\nndarray\n((I9\ntS'O'\ntR.",
    "codec": b"c_codecs\nencode\n(Vabc\nVrot13\ntR.",
    "state for a name": b"cbuiltins\nset\n(dS'__call__'\nI1\nsb.",
    "slots for a name": b"cbuiltins\nset\n(N(dS'_make'\nI1\nstb.",
    "state for a dict": b"(d(dS'x'\nI1\nsb.",
}


@pytest.mark.parametrize("name", RAW)
def test_hand_written_pickles_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"some\.pkl"):
        plain_pickle.load(stored(tmp_path, RAW[name]))


def array_pickle(state: tuple[Any, ...], dtype: tuple[Any, ...], dtype_state: Any) -> bytes:
    """An array with any state, and a dtype with any state, in protocol 2."""

    class Dtype:
        def __reduce__(self) -> Any:
            return np.dtype, dtype, dtype_state

    class Array:
        def __reduce__(self) -> Any:
            make, arguments = np.zeros(1).__reduce__()[:2]
            return make, arguments, tuple(Dtype() if part == "dtype" else part for part in state)

    return pickle.dumps(Array(), 2)


NATIVE = (3, "<", None, None, None, -1, -1, 0)
FORGED = {
    "as it should be": ((1, (2,), "dtype", False, b"12345678"), ("i4", False, True), NATIVE),
    "too little content": ((1, (2,), "dtype", False, b"1234"), ("i4", False, True), NATIVE),
    "negative shape": ((1, (-1, -2), "dtype", False, b"12345678"), ("i4", False, True), NATIVE),
    "huge shape": ((1, (0, 2**62, 2**62), "dtype", False, b""), ("i4", False, True), NATIVE),
    "bytes as objects": ((1, (1,), "dtype", False, b"12345678"), ("O8", False, True), NATIVE),
    "list as numbers": ((1, (1,), "dtype", False, [1]), ("i4", False, True), NATIVE),
    "too short a list": ((1, (9,), "dtype", False, [1]), ("O8", False, True), NATIVE),
    "other version": ((0, (2,), "dtype", False, b"12345678"), ("i4", False, True), NATIVE),
    "no dtype": ((1, (2,), "i4", False, b"12345678"), ("i4", False, True), NATIVE),
    "structured": ((1, (1,), "dtype", False, b"12345678"), ("V8", False, True), NATIVE),
    "fields that are objects": (
        (1, (1,), "dtype", False, b"12345678"),
        ("i8", False, True),
        (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 16),
    ),
    "dtype by a list": ((1, (1,), "dtype", False, b"12345678"), ([("a", "O")], False, True), NATIVE),
    "dates": ((1, (1,), "dtype", False, b"12345678"), ("M8", False, True), NATIVE),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_arrays_are_refused(name: str, tmp_path: Path) -> None:
    path = stored(tmp_path, array_pickle(*FORGED[name]))
    if name == "as it should be":
        assert plain_pickle.load(path).tolist() == np.frombuffer(b"12345678", "<i4").tolist()
        return
    with pytest.raises(DataError):
        plain_pickle.load(path)


def test_an_array_takes_its_content_once(tmp_path: Path) -> None:
    content = array_pickle(*FORGED["as it should be"])
    assert content.endswith(b"b.")
    twice = content[:-1] + content[content.rindex(b"(K\x01") : -1] + b"."
    with pytest.raises(DataError):
        plain_pickle.load(stored(tmp_path, twice))


SOON, GROWS = "it ends too soon", "grow far beyond the size"
BOMBS = {
    "long text": (b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"abc.", SOON),
    "long bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.", SOON),
    "long integer": (b"\x80\x02\x8b" + struct.pack("<I", 2**31 - 1) + b"abc.", SOON),
    "memo": (b"\x80\x02Nr" + struct.pack("<I", 2**26) + b".", "the memo index 67108864"),
    "memo in text": (b"Np67108864\n.", "the memo index 67108864"),
    "frame": (b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.", SOON),
    "bytearray": (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.", "the instruction BYTEARRAY8"),
    "text encoded many times": (
        b"(X"
        + struct.pack("<I", 2**20)
        + b"a" * 2**20
        + b"q\x000c_codecs\nencode\nq\x010Vlatin1\nq\x020"
        + b"h\x01h\x00h\x02\x86R" * 9
        + b"t.",
        GROWS,
    ),
    "sets of one list": (
        b"((" + b"K\x01" * 2**19 + b"lq\x000cbuiltins\nset\nq\x010" + b"h\x01h\x00\x85R" * 9 + b"t.",
        GROWS,
    ),
    "arrays of one content": (
        b"\x80\x03(B" + struct.pack("<I", 2**20) + b"a" * 2**20 + b"q\x000cnumpy._core.multiarray\n_reconstruct\nq\x010"
        b"cnumpy\nndarray\nq\x020cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85Rq\x030"
        + b"h\x01h\x02K\x00\x85C\x01b\x87R(K\x01J\x00\x00\x10\x00\x85h\x03\x89h\x00tb" * 9
        + b"t.",
        GROWS,
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_small_files_that_announce_or_make_much(name: str, tmp_path: Path) -> None:
    content, message = BOMBS[name]
    with pytest.raises(DataError, match=message):
        plain_pickle.load(stored(tmp_path, content))


@pytest.mark.parametrize("name", [name for name in BOMBS if BOMBS[name][1] == GROWS])
def test_the_same_in_moderation_is_read(name: str, tmp_path: Path) -> None:
    content = BOMBS[name][0]
    unit = content[content.rindex(b"h\x01") : -2]
    once = content[: content.index(unit)] + unit + b"t."
    assert len(plain_pickle.load(stored(tmp_path, once))) == 1


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_every_truncation_is_refused(protocol: int, tmp_path: Path) -> None:
    content = pickle.dumps({"a": [1, 2.5, "text", np.arange(3), b"bytes", 2**70], "b": (None, {1})}, protocol)
    for length in range(len(content)):
        with pytest.raises(DataError, match=r"some\.pkl"):
            plain_pickle.load(stored(tmp_path, content[:length]))


def test_damaged_bytes_never_raise_anything_else(tmp_path: Path) -> None:
    content = pickletools.optimize(pickle.dumps({"a": [1, 2.5, "text", np.arange(3)], "b": (None, {1})}, 4))
    path = tmp_path / "some.pkl"
    for place in range(len(content)):
        for value in (0, ord("b"), 0x8E):
            path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
            with contextlib.suppress(DataError):
                plain_pickle.load(path)


def test_deep_nesting_is_refused_or_read(tmp_path: Path) -> None:
    path = stored(tmp_path, b"]" * 100_000 + b"a" * 99_999 + b".")
    assert isinstance(plain_pickle.load(path), list)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        plain_pickle.load(tmp_path / "none.pkl")
    with pytest.raises(MissingError):
        plain_pickle.load_npy(tmp_path / "none.npy")


# --- .npy


def embeddings(count: int) -> dict[int, dict[str, Any]]:
    return {
        row: {
            "path": f"./data/CUB/images/a/{row}.jpg",
            "name": f"a/{row}.jpg",
            "birds": "a",
            "birds_id": "0",
            "feature": [row + index / 7 for index in range(256)],
        }
        for row in range(count)
    }


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_the_authors_embeddings(version: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "inference.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, np.array(embeddings(30), dtype=object), version, allow_pickle=True)
    loaded = plain_pickle.load_npy(path)
    assert loaded.shape == ()
    assert type(loaded) is np.ndarray
    assert loaded.item() == embeddings(30)


def test_an_array_of_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(2, 3))
    assert plain_pickle.load_npy(tmp_path / "a.npy").tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_hostile_npy_runs_nothing(witness: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array({0: Calls(os.system, f"touch {witness}")}, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=f"{os.name}.system"):
        plain_pickle.load_npy(path)
    assert not witness.exists()


def test_a_hostile_object_instead_of_the_array(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array(None, dtype=object), allow_pickle=True)
    header = path.read_bytes()[:128]
    path.write_bytes(header + pickle.dumps({"not": "an array"}))
    with pytest.raises(DataError, match="header announces"):
        plain_pickle.load_npy(path)


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"not an array", b"\x93NUMPY\x09\x00" + b"\x10\x00" + b"x" * 16]
)
def test_what_is_no_npy_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npy is not a complete"):
        plain_pickle.load_npy(tmp_path / "a.npy")


@pytest.mark.parametrize("kind", [float, object])
def test_a_truncated_npy_file(kind: type, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(50).astype(kind), allow_pickle=True)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError):
        plain_pickle.load_npy(path)


def test_a_header_that_announces_too_much(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (2**36,)})
    with pytest.raises(DataError, match="ends too soon"):
        plain_pickle.load_npy(path)
