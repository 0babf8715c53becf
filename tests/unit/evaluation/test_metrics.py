"""Metrics against cases worked out by hand."""

import numpy as np
import pytest

from backward_search.evaluation import metrics


def test_average_precision_by_hand():
    relevant = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]], dtype=bool)
    total = np.array([2, 0, 1, 9])
    expected = [(1 + 2 / 3) / 2, 0.0, 0.25, 1.0]
    assert metrics.average_precision(relevant, total) == pytest.approx(expected)


def test_precision_counts_missing_relevant_images_against_the_method():
    assert metrics.precision(np.array([[True] * 3 + [False] * 7])) == pytest.approx([0.3])


def test_tag_similarity_of_sets_with_and_without_an_empty_tag():
    assert metrics.tag_similarity({"", "a"}, [{"a"}]) == 0.5
    assert metrics.tag_similarity(set(), [set(), {"a"}]) == 0
