"""Splits of data sets that come without one."""

import numpy as np
import pytest

from backward_search.data import splits
from backward_search.errors import DataError


def whole(parts, total):
    assert sorted([*parts["train"].tolist(), *parts["test"].tolist()]) == list(range(total))
    return parts["test"].tolist()


def test_each_combination_has_its_share():
    labels = {"a": ["x", "y"] * 50, "b": ["1"] * 60 + ["2"] * 40}
    parts, how = splits.stratified(labels, 0.2, 0)
    test = whole(parts, 100)
    combinations = [(labels["a"][row], labels["b"][row]) for row in test]
    counts = {pair: combinations.count(pair) for pair in set(combinations)}
    assert counts == {("x", "1"): 6, ("y", "1"): 6, ("x", "2"): 4, ("y", "2"): 4}
    assert how == "stratified by a and b, seed 0"


def test_the_seed_decides():
    labels = {"a": ["x", "y"] * 50}
    first, again, other = (splits.stratified(labels, 0.2, seed)[0]["test"].tolist() for seed in (3, 3, 4))
    assert first == again != other
    assert first == sorted(first)


def test_images_are_held_out_by_group_or_in_proportion():
    labels = {"a": ["x", "y"] * 50}
    rows = splits.held_out(labels, None, 0.1, 0)
    assert sorted(labels["a"][row] for row in rows) == ["x"] * 5 + ["y"] * 5
    groups = [str(row // 4) for row in range(100)]
    rows = splits.held_out(labels, groups, 0.2, 0)
    assert len(rows) == 20
    assert all(rows.tolist().count(row // 4 * 4 + place) == 1 for row in rows.tolist() for place in range(4))
    for nothing in ((labels, None, 0.0), (labels, ["same"] * 100, 0.2), ({"a": ["x"]}, None, 0.2)):
        assert not len(splits.held_out(*nothing, 0))


def test_an_image_alone_with_its_labels_goes_into_train():
    parts, how = splits.stratified({"a": ["x"] * 10 + ["y"] * 10 + ["alone"]}, 0.2, 0)
    assert 20 in parts["train"]
    assert len(whole(parts, 21)) == 4
    assert "1 images are alone with their labels, in train" in how


def test_too_many_combinations_fall_back_to_the_first_attribute():
    labels = {"a": ["x", "y"] * 10, "b": [str(row // 2) for row in range(20)]}
    parts, how = splits.stratified(labels, 0.2, 0)
    assert how.startswith("stratified by a, seed 0")
    assert [row % 2 for row in whole(parts, 20)].count(0) == 2


def test_too_many_classes_fall_back_to_chance():
    parts, how = splits.stratified({"a": [str(row) for row in range(10)]}, 0.2, 0)
    assert len(whole(parts, 10)) == 2
    assert how.startswith("at random")


@pytest.mark.parametrize(("total", "share", "test"), [(2, 0.01, 1), (2, 0.99, 1), (3, 0.5, 2), (10, 0.25, 2)])
def test_neither_part_is_empty(total, share, test):
    parts, _ = splits.stratified({"a": ["x"] * total}, share, 0)
    assert len(whole(parts, total)) == test


def test_a_single_row():
    with pytest.raises(DataError, match="two are the least"):
        splits.stratified({"a": ["x"]}, 0.2, 0)


def test_no_group_is_on_both_sides():
    groups = [f"g{row % 7}" for row in range(50)]
    parts, how = splits.grouped(groups, 0.3, 1)
    test = whole(parts, 50)
    assert not {groups[row] for row in test} & {groups[row] for row in parts["train"]}
    assert len({groups[row] for row in test}) == 2
    assert how == "by 7 groups, seed 1"
    with pytest.raises(DataError, match="one group"):
        splits.grouped(["g"] * 5, 0.3, 1)


@pytest.mark.parametrize(
    ("values", "test", "how"),
    [
        (["train", "Test", "training"], [1], "as given"),
        (["train", "val", "validation"], [1, 2], "as given, validation is the test split"),
        (["train", "val", "test"], [2], "as given, validation joins train"),
    ],
)
def test_a_given_split(values, test, how):
    parts, said = splits.given(values)
    assert whole(parts, 3) == test
    assert said == how


@pytest.mark.parametrize(
    ("values", "message"),
    [(["train", ""], "''"), (["train", "dvelopment"], "dvelopment"), (["train"], "no test"), (["test"], "no train")],
)
def test_a_given_split_that_cannot_be_used(values, message):
    with pytest.raises(DataError, match=message):
        splits.given(np.array(values))
