"""A program finds what E1 finds, by every method and setting."""

import csv
import json
from dataclasses import replace

import pytest
from demo_run import words
from scripts_by_name import script

from backward_search.methods.registry import METHODS


@pytest.fixture(scope="module")
def opened(trained):
    """The run as a program has it, and the queries of its two tasks."""
    from backward_search import open_run

    folder, data = trained
    searcher = open_run("glyphs", num_epoch=2, data_root=data[1], weight_root=folder / "weight", device="cpu")
    stored = {}
    for task in ("family", "family-variant"):
        file = folder / "data" / "glyphs" / "attributions" / f"query_{task}_glyphs_test_random.json"
        stored[task] = json.loads(file.read_text())["queries"]
    return searcher, stored


LIKE_E1 = [
    *((name, [], {}) for name in METHODS),
    ("teacher", ["--inverse_solver", "manifold"], {"solver": "manifold"}),
    ("teacher", ["--inverse_lambda", "0.2", "--rerank", "0.1"], {"lambda_": 0.2, "rerank": 0.1}),
    (
        "teacher",
        ["--inverse_earlystopping", "False", "--inverse_max_itr", "9"],
        {"early_stopping": False, "max_itr": 9},
    ),
    ("shift_null", ["--strength", "0.5", "--shift", "0.8"], {"strength": 0.5, "shift": 0.8}),
    ("shift_null", ["--aim", "context=0.9"], {"aim": "context=0.9"}),
    ("concept_null", ["--strength", "auto"], {"strength": "auto"}),
    ("random", ["--seed", "3"], {"seed": 3}),
]


@pytest.mark.parametrize(("method", "options", "settings"), LIKE_E1, ids=lambda value: str(value))
def test_a_program_finds_the_very_hits_that_e1_writes(trained, opened, method, options, settings):
    searcher, stored = opened
    where = {key: row for row, key in enumerate(searcher.keys)}
    for number, task in list(enumerate(stored, 1))[1 if options else 0 :]:  # settings under both conditions alone
        asked = [*words(trained, "--num_condition", str(number)), *options]
        if method == "student":  # that of D1's defaults, but for its epochs
            asked += ["--student_num_epoch", "3", "--overwrite", "True"]
            script("D1")(asked)
            searcher.usual = replace(searcher.usual, student=replace(searcher.usual.student, epochs=2))
        place = script("E1")([*asked, "--method", method, "--save_result", "True"])
        with place.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
            written = [row["hit"] for row in csv.DictReader(file)]
        queries = searcher.gallery[[where[query["candidate"]] for query in stored[task]]]
        conditions = [query["condition"] for query in stored[task]]
        found = searcher.search(queries, conditions, method=method, k=10, **settings)
        assert [key for keys in found.keys for key in keys] == written
