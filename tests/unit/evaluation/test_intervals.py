"""Bootstrap intervals: their width, what they leave out, and pairing."""

import numpy as np
import pytest

from backward_search.evaluation.intervals import differences, estimates

RANDOM = np.random.default_rng(3)


def test_the_interval_is_that_of_the_normal_approximation_for_many_queries():
    values = RANDOM.normal(5, 2, 4000)
    found = estimates({"m": values})["m"]
    half = 1.96 * values.std() / np.sqrt(4000)
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=half / 8)
    assert found.high == pytest.approx(values.mean() + half, abs=half / 8)


def test_it_covers_the_true_mean_about_as_often_as_it_says():
    hits = 0
    for trial in range(200):
        sample = np.random.default_rng(trial).binomial(10, 0.3, 80) / 10
        found = estimates({"m": sample}, seed=trial)["m"]
        hits += found.low <= 0.3 <= found.high
    assert 0.89 <= hits / 200 <= 0.99


def test_queries_without_a_value_do_not_count():
    values = np.array([1.0, np.nan, 3.0, np.nan])
    found = estimates({"m": values, "none": np.full(4, np.nan)})
    assert list(found) == ["m"]
    assert (found["m"].mean, found["m"].count) == (2.0, 2)
    assert found["m"].low >= 1
    assert found["m"].high <= 3


def test_pairing_takes_the_common_part_out():
    common = RANDOM.normal(0, 10, 500)
    first, second = common + RANDOM.normal(0.5, 0.1, 500), common
    paired = differences({"m": first, "alone": first}, {"m": second})
    assert list(paired) == ["m"]
    assert paired["m"].low > 0.4
    apart = estimates({"m": first})["m"].low - estimates({"m": second})["m"].high
    assert apart < 0


def test_the_same_seed_gives_the_same_interval():
    values = {"m": RANDOM.random(50)}
    assert estimates(values, 1) == estimates(values, 1) != estimates(values, 2)
