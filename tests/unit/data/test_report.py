"""The report of a data set: counts are of what was kept, and what cannot be learnt is said."""

import numpy as np
import pytest

from backward_search.data.report import Findings, lines, summary
from backward_search.data.tables import Samples
from backward_search.errors import MissingError


def samples(labels, train, test, tags=None):
    paths = [f"./data/x/images/a/{row}.png" for row in range(len(labels))]
    return Samples(paths, {"kind": labels}, {"train": np.array(train), "test": np.array(test)}, tags)


def report(labels, train, test, tags=None):
    content = summary("x", samples(labels, train, test, tags), Findings())
    return content, lines(content)


def test_classes_are_counted_among_the_images_that_are_kept():
    content, shown = report(["a", "a", "b", "c"], [0, 2], [1], ["x,y", "x", "", "x,y,z"])
    assert content["classes"] == {"kind": 2}
    assert content["images_of_class"] == {"kind": {"a": 2, "b": 1}}
    assert content["tags_per_image"] == {"min": 0, "mean": 1.0, "max": 2}
    assert "images of each kind: a 2, b 1" in shown
    assert samples(["a", "a", "b", "c"], [0, 2], [1]).classes() == {"kind": ["a", "b"]}


def test_of_many_classes_the_most_the_least_and_the_small_are_shown():
    labels = [f"k{number:02d}" for number in range(20) for _ in range(number + 1)]
    _, shown = report(labels, range(len(labels)), [])
    (line,) = (line for line in shown if line.startswith("images of each kind"))
    assert line.startswith("images of each kind: k19 20, k18 19, k17 18, k16 17, k15 16, ..., k04 5, k03 4,")
    assert line.endswith("k00 1; 4 classes have fewer than 5")


def test_classes_of_the_test_split_that_training_lacks_are_said():
    content, shown = report(["a", "b", "b", "c"], [0, 1], [2, 3])
    assert content["classes_without_training_images"] == {"kind": ["c"]}
    assert "WARNING: 1 of kind have no training image: c" in shown
    assert not report(["a", "b"], [0, 1], [0])[0]["classes_without_training_images"]


def test_a_list_without_images_is_an_error_unless_lists_are_asked_for():
    with pytest.raises(MissingError, match="none of 3"):
        Findings().none_there("none of 3 images")
    findings = Findings(lists_alone=True)
    findings.none_there("none of 3 images")
    assert findings.facts == {"WARNING: counts are of the lists": "none of 3 images"}
