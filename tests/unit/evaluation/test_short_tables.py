"""The columns that E1 shows on a terminal."""

from test_result_tables import ROW

from backward_search.evaluation.intervals import Estimate
from backward_search.evaluation.short_tables import heading, short_differences, short_table

OTHER = {name: value for name, value in ROW.items() if not name.startswith("mts")}
OTHER |= {"method": "unchanged", "lambda": None, "gradient_evaluations": 0.0}


def test_a_row_shows_the_knob_and_half_of_each_interval():
    head, first, second = short_table([OTHER, ROW])
    assert head.split() == ["method", "knob", "precision@3", "mTS@3", "ms", "per", "query"]
    assert first.split() == ["unchanged", "-", "0.500", "±0.112", "-", "1.000"]
    assert second.split() == ["teacher", "lambda", "0.51", "0.500", "±0.112", "0.250", "±0.050", "1.000"]
    assert head.index("precision") == first.index("0.500") == second.index("0.500")


def test_the_widest_usual_table_fits_a_hundred_columns():
    measures = ("precision_at_10", "mts_at_10", "context_at_10", "twin_recall_at_10")
    row = {name: value for name, value in ROW.items() if "_at_3" not in name} | {"method": "predicted_filter"}
    row |= dict.fromkeys(measures, 0.5) | {f"{name}_interval": [0.4, 0.6] for name in measures}
    others = [
        {**row, "lambda": 0.123, "seconds_per_query": 0.0123},
        {**row, "lambda": None, "target_probability": 0.95},
    ]
    for names in ([], ["teacher-lambda0.123-a-mark-of-24", "x", "y"]):
        lines = short_table([row, row, *others], [*names, "z"] if names else [])
        assert all(len(part) <= 100 for line in lines for part in line.split("\n"))
    assert "twin@10" in lines[0]


def test_a_long_name_has_a_line_of_its_own():
    name = "teacher-lambda0.51-faiss-hnsw-short200-ef200-top3-train-tagless-strict"
    _, first, second = short_table([ROW, ROW], [name, "teacher-lambda0.51"])
    above, below = first.split("\n")
    assert above == name
    assert below.index("0.500") == second.index("0.500")
    assert second.startswith("teacher-lambda0.51 ")


def test_names_do_nothing_to_a_terminal():
    assert "\x1b" not in "".join(short_table([{**ROW, "method": "red\x1b[2J"}]))


def test_the_heading_names_task_condition_and_counts():
    said = heading({**ROW, "num_queries": 1000, "condition": "birds=a"})
    assert said == (
        "CUB, birds, condition birds=a: 1,000 queries, 9 images (test split), paper protocol; ± half of a 95 % interval"
    )


def test_differences_have_a_sign_and_only_common_measures():
    head, line = short_differences("a", {"b": {"precision_at_3": Estimate(0.1, -0.05, 0.2, 4)}}, "3")
    assert head.split() == ["a", "minus", "precision@3"]
    assert line.split() == ["b", "+0.100", "±0.125"]
