"""The weight of a pickle is found without running it, and those that are made to take up time are refused."""

import pickle
import pickletools

import numpy as np
import pytest
from heavy import as_key, shared_tuples
from hypothesis import given
from hypothesis import strategies as st

from backward_search.storage.pickle_weight import (
    _ADDED,
    _COUNTED,
    _GROUPED,
    _LINES,
    _MADE,
    _ONE_MORE,
    _OTHERS,
    _TAKEN,
    _TUPLES,
    TooHeavyError,
    weigh,
)

START, LAST = shared_tuples()
HEAVY = {
    "key": as_key(),
    "key, by a longer memo": as_key(200),
    "set": START + b"\x8f(" + LAST + b"\x90.",
    "frozen set": START + b"(" + LAST + b"\x91.",
    "twice the top": b"\x80\x02)" + b"2\x86" * 24 + b".",
    "one tuple as many keys": b"\x80\x02(" + b"N" * 5000 + b"tq\x000}" + b"h\x00Ns" * 5000 + b".",
    "grown list, many times a set": b"\x80\x02]q\x00("
    + b"N" * 5000
    + b"e0cbuiltins\nset\nq\x010]"
    + b"h\x01h\x00\x85Ra" * 5000
    + b".",
}


@pytest.mark.parametrize("name", HEAVY)
def test_the_heavy_are_refused(name):
    with pytest.raises(TooHeavyError):
        weigh(HEAVY[name])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(st.integers(), max_size=4)
        | st.frozensets(st.text(max_size=3), max_size=4)
    ),
)


@given(values, st.sampled_from((0, 1, 2, 3, 4, 5)), st.binary(max_size=3))
def test_every_pickle_is_followed_to_its_end(value, protocol, behind):
    content = pickle.dumps(value, protocol)
    assert weigh(b"xx" + content + behind, 2) == 2 + len(content)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_what_others_write_is_followed(protocol):
    shared = ["a"] * 100
    content = {number: {"feature": np.zeros(4), "tags": shared, "id": np.int64(3)} for number in range(1000)}
    for plain in (content, np.array(content, object), [shared] * 1000):
        pickled = pickle.dumps(plain, protocol)
        assert weigh(pickled) == len(pickled)


def test_no_instruction_is_forgotten():
    """All that Python knows are followed, but for those that need what is not in the file."""
    tables = (_OTHERS, _ONE_MORE, _COUNTED, _LINES, _TUPLES, _TAKEN, _ADDED, _GROUPED, _MADE)
    followed = [code for table in tables for code in table]
    assert len(followed) == len(set(followed))
    every = {ord(known.code.encode("latin-1")): known.name for known in pickletools.opcodes}
    assert {every[code] for code in every.keys() - set(followed)} == {"STOP", "NEXT_BUFFER", "READONLY_BUFFER"}


@pytest.mark.parametrize(
    "content", [b"", b"N", b"\x86.", b"h\x05.", b"t.", b"\xff.", b"a.", b"X\xff\xff\xff\xff.", b"cos."]
)
def test_what_is_no_pickle(content):
    with pytest.raises(pickle.UnpicklingError):
        weigh(content)
