"""Small pickles and arrays that are made to take up time or memory are refused in one line."""

import pickle
import struct

import numpy as np
import pytest
from heavy import as_key, shared_tuples

from backward_search.data import registry
from backward_search.data.report import Findings
from backward_search.errors import DataError
from backward_search.published import plain_pickle
from backward_search.published.bundle.queries import read_queries
from backward_search.published.bundle.tables import read_classes
from backward_search.published.bundle.tags import read_tags
from backward_search.published.embeddings import _stacked

ENTRY = registry.find("CUB", "data")
START, LAST = shared_tuples()


@pytest.mark.parametrize("content", [as_key(), START + b"\x8f(" + LAST + b"\x90.", START + b"(" + LAST + b"\x91."])
def test_tuples_of_tuples_as_keys(content, tmp_path):
    file = tmp_path / "some.pkl"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"some\.pkl holds parts that are used again and again"):
        plain_pickle.load(file)


def grown(levels=24):
    """A pickle of a list of twice the same list, ..., each filled after it was used, so that none weighs much."""
    pickled = b"\x80\x02" + b"".join(b"]q%c0" % level for level in range(levels + 1))
    for level in range(levels):
        pickled += b"h%c(h%ch%ce0" % (level, level + 1, level + 1)
    return pickled + b"h%c(X\x02\x00\x00\x00hae0h\x00" % levels


def test_lists_of_lists_are_never_written_out(tmp_path):
    lists, file = grown(), tmp_path / "some.pkl"
    inner = lists.removeprefix(b"\x80\x02")
    text = {
        name: pickle.dumps(name, 2)[2:-1] for name in ("candidate", "candidate_tags", "condition", "label2num", "a")
    }
    query = b"\x80\x02}K\x00}(" + text["candidate"] + inner + text["candidate_tags"] + inner
    file.write_bytes(query + text["condition"] + b"}us.")
    with pytest.raises(DataError, match="expected"):
        read_queries(file, ENTRY)
    file.write_bytes(b"\x80\x02}" + text["a"] + b"](" + inner + text["a"] + b"es.")
    with pytest.raises(DataError, match="other fields than texts"):
        read_tags(file, ["a"], [], Findings())


@pytest.mark.parametrize("label", [("a", "b"), None, b"a"])
def test_labels_are_texts(label, tmp_path):
    file = tmp_path / "some.pkl"
    file.write_bytes(pickle.dumps({"birds": {"label2num": {label: 0}}}))
    with pytest.raises(DataError, match=r"expected \{attribute"):
        read_classes(file, ENTRY)


def test_an_embedding_is_no_list_of_lists():
    feature = [0.5]
    for _ in range(8):
        feature = [feature, feature]
    with pytest.raises(ValueError, match=r"^$"):
        _stacked([feature], 1, 256)  # NumPy would make 256 numbers of it
    assert _stacked([[0.5] * 256, np.full(256, 0.5)], 2, 256).tolist() == [[0.5] * 256] * 2


@pytest.mark.parametrize(
    "header",
    [b"(" * 9000, b"-" * 9000 + b"1", b"{'descr': '|V0', 'fortran_order': False, 'shape': (99999999999,), }"],
    ids=["brackets", "signs", "no bytes"],
)
def test_headers_of_arrays(header, tmp_path):
    file = tmp_path / "some.npy"
    header = header.ljust(117) + b"\n"
    file.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(DataError, match=r"not a complete \.npy file"):
        plain_pickle.load_npy(file)
