"""The list of attributes, with the lines that are malformed where they are published."""

import numpy as np
import pytest

from backward_search.data.report import Findings
from backward_search.errors import DataError
from backward_search.readers.cub import images, lists


def presence(tmp_path, text, images=2, attributes=2, findings=None):
    file = tmp_path / "labels.txt"
    file.write_bytes(text.encode())
    names = [f"image{number}" for number in range(1, images + 1)]
    ids = np.arange(1, images + 1), np.arange(1, attributes + 1)
    return lists.read_presence(file, *ids, names, findings if findings is not None else Findings()).tolist()


def test_malformed_attribute_lines_keep_their_first_fields(tmp_path):
    findings = Findings()
    text = "1 1 1 3 27.708\n1 2 0 1 0  1.509\n2 1 0 3 0  1.5 7 8 9\r\n 2  2 1 4 0.5 \n"
    assert presence(tmp_path, text, findings=findings) == [[True, False], [False, True]]
    (names,) = findings.repaired.values()
    assert names == ["image1", "image2"]


def test_attribute_lines_come_in_any_order_and_the_first_may_be_malformed(tmp_path):
    text = "2 2 1 1 0  1.5\n1 1 1 1 0.5\n2 1 0 1 0.5\n1 2 0 1 0.5\n"
    assert presence(tmp_path, text) == [[True, False], [False, True]]


def test_images_without_all_lines_are_reported(tmp_path):
    findings = Findings()
    assert presence(tmp_path, "1 1 1 3 27.7\n1 2 1 3 1\n2 1 1 3 1\n", findings=findings) == [
        [True, True],
        [True, False],
    ]
    assert findings.repaired == {"images without a line for every attribute, taken as absent": ["image2"]}
    assert findings.expected["attribute lines"] == (3_677_856, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("1 1 1 3 2\n1 2", "cannot be read"),
        ("1 1 yes 3 2\n", "cannot be read"),
        ("1 1 2 3 2\n", "expected 0 or 1"),
        ("3 1 1 3 2\n", "speaks of image 3"),
        ("1 0 1 3 2\n", "speaks of attribute 0"),
        ("<html>\n", "cannot be read"),
    ],
)
def test_a_wrong_label_file_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as caught:
        presence(tmp_path, text)
    assert "labels.txt" in str(caught.value)
    assert images.REMEDY in str(caught.value)
