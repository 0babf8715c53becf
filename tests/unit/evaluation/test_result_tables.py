"""The tables that E1 prints."""

from backward_search.evaluation.intervals import Estimate
from backward_search.evaluation.result_tables import difference_table, result_table

ROW = {
    "dataset": "CUB",
    "tables": {"as_published": True},
    "task": ["birds"],
    "method": "teacher",
    "lambda": 0.51,
    "protocol": "paper",
    "split": "test",
    "num_queries": 4,
    "gallery_size": 9,
    "precision_at_3": 0.5,
    "precision_at_3_interval": [0.4, 0.625],
    "mts_at_3": 0.25,
    "mts_at_3_interval": [0.2, 0.3],
    "mts_at_3_std": 0.125,
    "gradient_evaluations": 21.5,
    "share_stopped_early": 0.75,
    "seconds_per_query": 0.001,
}


def test_a_row_shows_means_intervals_deviation_and_cost():
    other = {name: value for name, value in ROW.items() if not name.startswith("mts")}
    other |= {"method": "unchanged", "lambda": None, "gradient_evaluations": 0.0}
    head, *_, first, second = result_table([other, ROW]).strip().split("\n")
    assert "as_published True" in head
    assert first == "| unchanged | - | 0.500 (0.400 to 0.625) | - | - | - | 1.000 |"
    assert second == (
        "| teacher | lambda 0.51 | 0.500 (0.400 to 0.625) | 0.250 (0.200 to 0.300, std 0.125) | 21.5 | 75% | 1.000 |"
    )


def test_differences_have_a_sign_and_only_common_measures():
    found = difference_table("a", {"b": {"precision_at_3": Estimate(0.1, -0.05, 0.2, 4)}}, "3")
    assert found.split("\n")[-1] == "| b | +0.100 (-0.050 to +0.200) |"
    assert "mTS" not in found


def test_a_method_shows_its_own_slider():
    row = {**ROW, "method": "class_shift", "lambda": None, "shift": 0.7}
    assert "| class_shift | shift 0.7 |" in result_table([row])
    assert "| of_others | - |" in result_table([{**row, "method": "of_others"}])
