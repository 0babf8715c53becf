"""Class vectors: read, put into the order of the classes, and refused in one line where they are none."""

import numpy as np
import pytest

from backward_search.data.class_vectors import ClassVectors, named_files
from backward_search.errors import DataError, MissingError, OptionError

NAMES = ["b", "a", "c"]
VECTORS = np.array([[0, 3.0], [2, 0], [-1, -1]])


def saved(folder, **arrays):
    np.savez(folder / "style.npz", **({"names": NAMES, "vectors": VECTORS} | arrays))
    return folder / "style.npz"


def test_they_come_in_the_order_of_the_classes(tmp_path):
    found = ClassVectors.read(saved(tmp_path, temperature=0.05)).of(["a", "b"], "style")
    assert (found.names, found.vectors.tolist(), found.temperature) == (("a", "b"), [[2, 0], [0, 3]], 0.05)
    assert found.vectors.dtype == np.float32


def test_the_nearest_is_that_of_the_largest_cosine(tmp_path):
    found = ClassVectors.read(saved(tmp_path))
    assert found.nearest(np.array([[0.1, 9], [5, 4], [-1, -9], [1, 0.9]])).tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"names": ["a", "b"]}, r"2 names and vectors \(3, 2\)"),
        ({"names": ["a", "b", "a"]}, "names a class twice"),
        ({"names": ["a", "b", " "]}, "names a class twice, or not at all"),
        ({"vectors": VECTORS * [0, np.inf]}, "not finite"),
        ({"vectors": VECTORS * [[0], [1], [1]]}, "zeros alone"),
        ({"temperature": 0.0}, "expected a positive number"),
        ({"vectors": np.array([["x", "y"]] * 3)}, "holds no class vectors"),
        ({"names": np.array([{}, 1, 2], object)}, "holds no class vectors"),
    ],
)
def test_what_is_wrong_is_one_line(arrays, message, tmp_path):
    with pytest.raises(DataError, match=message):
        ClassVectors.read(saved(tmp_path, **arrays))


def test_a_file_that_is_none_and_a_class_without_a_vector(tmp_path):
    with pytest.raises(MissingError, match=r"expected an .npz with names"):
        ClassVectors.read(tmp_path / "style.npz")
    (tmp_path / "style.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="holds no class vectors"):
        ClassVectors.read(tmp_path / "style.npz")
    with pytest.raises(DataError, match="none for 1 of its 2 classes, such as 'd': they have b, a, c"):
        ClassVectors.read(saved(tmp_path)).of(["a", "d"], "style")


def test_an_attribute_has_one_file():
    with pytest.raises(OptionError, match="names style twice"):
        named_files("style.npz,style=other.npz")
