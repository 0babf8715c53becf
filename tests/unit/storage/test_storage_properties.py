"""Files of any content: what is written is what is read, and nothing lies beside it afterwards."""

import csv
import io
import math
import string
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from nasty import CHARACTERS, texts

from backward_search.errors import DataError, UserError
from backward_search.storage.atomic import read_json, write_array, write_csv, write_json
from backward_search.storage.mapped import mapped
from backward_search.storage.naming import LONGEST_OF_OURS, storable
from backward_search.storage.tensors import load_tensors, save_tensors

TEXTS = texts() | st.text(CHARACTERS | st.just("\0"))
FILES = st.builds(
    lambda stem, suffix: storable(stem, LONGEST_OF_OURS - 16) + suffix,
    texts(1) | st.integers(1, 400).map(lambda count: "é" * count),
    st.sampled_from((".json", ".csv", ".npy")),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
NUMBERS = st.sampled_from((np.float32, np.float64, np.int64, np.bool_, np.uint8, np.float16, "<f4", ">f4"))
SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


@given(FILES, JSON)
def test_json_is_read_as_it_was_written(name, content):
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "below" / name
        for _ in range(2):  # the second takes the place of the first
            assert read_json(write_json(place, content)) == content
        assert [file.name for file in place.parent.iterdir()] == [name]


@given(JSON, st.sampled_from((math.nan, math.inf, -math.inf, object(), {1, 2})))
def test_what_is_no_json_is_not_written_and_what_was_there_stays(content, wrong):
    with tempfile.TemporaryDirectory() as folder:
        place = write_json(Path(folder) / "a.json", content)
        with pytest.raises((ValueError, TypeError)):
            write_json(place, {"a": [wrong]})
        assert read_json(place) == content
        assert len(list(place.parent.iterdir())) == 1


@given(st.binary(max_size=40) | TEXTS.map(lambda text: text.encode()))
def test_any_bytes_are_json_or_refused_with_what_to_do(content):
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "a.json"
        place.write_bytes(content)
        try:
            read_json(place)
        except UserError as refused:
            message = str(refused)
        else:
            message = "is not a JSON file"
        assert "is not a JSON file" in message


CELLS = texts().filter(lambda text: "\r" not in text) | st.integers() | st.floats(allow_nan=False)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=5)))
def test_a_table_of_any_cells_is_read_as_it_was_written(rows):
    with tempfile.TemporaryDirectory() as folder:
        place = write_csv(Path(folder) / "a.csv", [str(cell) for cell in rows[0]], rows[1:])
        text = place.read_bytes().decode("utf-8")
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert found == [[str(cell) for cell in row] for row in rows]


@given(arrays.arrays(NUMBERS, SHAPES))
def test_arrays_are_mapped_as_they_were_written(array):
    with tempfile.TemporaryDirectory() as folder:
        place = write_array(Path(folder) / "a.npy", array.T)
        found = mapped(place, "write it again")
        assert found.dtype == array.dtype
        assert np.array_equal(found, array.T, equal_nan=array.dtype.kind == "f")
        assert found.shape == array.T.shape


@given(arrays.arrays(np.float32, st.tuples(*[st.integers(0, 4)] * 2)), st.integers(0, 5), st.integers(0, 5))
def test_arrays_of_another_shape_are_refused(array, count, width):
    with tempfile.TemporaryDirectory() as folder:
        place = write_array(Path(folder) / "a.npy", array)
        assert mapped(place, "again", shape=(None, array.shape[1])).shape == array.shape
        if (count or len(array), width) != array.shape:
            with pytest.raises(DataError, match="has the shape"):
                mapped(place, "again", shape=(count, width))


@given(
    st.dictionaries(
        st.text(string.printable, min_size=1, max_size=9) | texts(1),
        arrays.arrays(NUMBERS, SHAPES),
        min_size=1,
        max_size=4,
    ),
    st.dictionaries(TEXTS, TEXTS, max_size=3),
    st.booleans(),
)
def test_tensors_and_facts_are_read_as_they_were_written(content, facts, turned):
    native = {name: torch.from_numpy(array.astype(array.dtype.newbyteorder("="))) for name, array in content.items()}
    tensors = {name: tensor.mT if turned and tensor.ndim > 1 else tensor for name, tensor in native.items()}
    with tempfile.TemporaryDirectory() as folder:
        found, said = load_tensors(save_tensors(Path(folder) / "a.safetensors", tensors, facts))
    assert said == facts
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name].nan_to_num(7.0), tensor.nan_to_num(7.0))


@given(texts(most=400) | st.integers(1, 400).map(lambda count: "語" * count), st.integers(60, 255))
def test_a_name_fits_and_only_one_that_a_disk_cannot_hold_is_changed(name, room):
    cut = storable(name, room)
    assert 0 < len(cut.encode()) <= room
    assert storable(cut, room) == cut
    if len(name.encode()) > room:
        assert storable(name + "x", room) != cut
