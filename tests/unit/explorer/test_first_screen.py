"""What a page begins with, what its menus offer, and what stands beside a method's hits, on the page and in a sheet."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from explored import lay_explored, opened
from hostile import FORMULA

from backward_search.errors import UserError
from backward_search.explorer import menus
from backward_search.explorer.comparison import COLUMNS, others, sheet_of
from backward_search.explorer.exploration import BROWSED
from backward_search.explorer.explored import FoundImage, View
from backward_search.explorer.sample import sample
from backward_search.explorer.state import Choice, State
from backward_search.stages.explore import explorer_of


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return lay_explored(tmp_path_factory.mktemp("explored"))


@pytest.fixture(scope="module")
def explorer(options):
    return explorer_of(options, Path(options.result_root) / "thumbnails")


@pytest.fixture(scope="module")
def engine(options):
    return opened(options)


@pytest.fixture
def state(engine):
    return State(engine.run.paths.name, 2, choices={"birds": Choice((engine.table.classes["birds"][0],))})


def test_the_sample_asks_for_another_label_than_the_querys_and_is_the_best_answered(engine):
    first = sample(engine, "r")
    ((name, choice),) = first.choices.items()
    assert (first.run, first.query in engine.rows, name) == ("r", True, "birds")
    assert choice.labels != engine.labels(first.query)
    met = [sum(bool(hit.meets) for hit in engine.view(replace(first, query=int(row))).found) for row in engine.rows]
    assert sum(bool(hit.meets) for hit in engine.view(first).found) >= np.median(met)


def test_a_link_that_says_what_is_searched_gets_no_sample(explorer):
    assert explorer.start("").choices
    assert explorer.start("method=teacher&way=1").choices == explorer.start("").choices
    for link in ("query=4", f"query=4&run={explorer.first}"):
        assert (explorer.start(link).query, explorer.start(link).choices) == (4, {})
    assert list(explorer.start("not.birds=001.Kind_of_Bird_1").choices["birds"].labels) == ["001.Kind_of_Bird_1"]


def test_a_set_with_one_label_begins_without_a_condition():
    one = SimpleNamespace(attributes=("a",), rows=np.array([3, 4]), labels=lambda row: ("x",))
    one.table = SimpleNamespace(classes={"a": ["x"]}, ids={"a": np.zeros(5, int)})
    assert sample(one, "r") == State("r", 3)


def test_menus_count_the_images_of_the_gallery(engine):
    labels = engine.table.classes["birds"]
    offered = menus.choices(engine, "birds", frequent_first=False)
    found = [sum(engine.labels(int(row)) == (label,) for row in engine.rows) for label in labels]
    assert offered == [(f"{label} ({count})", label) for label, count in zip(labels, found, strict=True)]
    sorted_ = menus.choices(engine, "birds", frequent_first=True)
    assert sorted(offered) == sorted(sorted_)
    counts = [found[labels.index(label)] for _, label in sorted_]
    assert counts == sorted(counts, reverse=True) != found


def test_a_long_menu_says_that_one_can_type():
    run = SimpleNamespace(table=SimpleNamespace(classes={"birds": [str(i) for i in range(200)], "b": ["x"]}))
    assert [menus.title(run, name) for name in ("birds", "b")] == ["birds: type to find one of 200", "b"]


def test_one_method_stands_beside_another_or_the_usual_ones_do(engine, state):
    def named(**change):
        return [view.method for view in others(engine, replace(state, **change))]

    assert named() == named(beside="teacher", choices={}) == []
    assert named(beside="teacher") == ["teacher"]
    assert named(beside="teacher", method="teacher") == named(beside="best") == []
    assert named(beside="1") == ["unchanged", "teacher"]
    with pytest.raises(UserError, match="'x' does not exist"):
        engine.checked(replace(state, beside="x"))


def test_the_sheet_holds_the_hits_of_the_page(engine, state):
    state = replace(state, beside="teacher", method="shift_null", strength=0.4)
    rows = list(csv.DictReader(io.StringIO(sheet_of(engine, state))))
    assert tuple(rows[0]) == (*COLUMNS, "birds")
    for method in ("shift_null", "teacher"):
        strength = 0.4 if method == "shift_null" else None
        found = engine.view(replace(state, method=method, strength=strength)).found
        own = [row for row in rows if row["method"] == method]
        assert [row["hit"] for row in own] == [engine.keys[hit.row] for hit in found]
        assert [(float(row["score"]), row["meets"]) for row in own] == [(hit.score, str(hit.meets)) for hit in found]
        assert [row["rank"] for row in own] == [str(place + 1) for place in range(6)]
    assert {row["strength"] for row in rows if row["method"] == "shift_null"} == {"0.4"}
    assert {row["condition"] for row in rows} == {state.condition}
    assert {row["meets"] for row in csv.DictReader(io.StringIO(sheet_of(engine, State("", 2))))} == {""}


def test_the_sheet_holds_no_formula():
    hit = FoundImage(0, -0.5, (FORMULA,), ("a", FORMULA), None)
    run = SimpleNamespace(attributes=(FORMULA,), keys=(FORMULA,), query_text=lambda state: (FORMULA, ()))
    run.view = lambda state: View("best", [hit], None, 0.0)
    (line,) = list(csv.reader(io.StringIO(sheet_of(run, State("r")))))[1:]
    assert line == ["best", "", "", f"'{FORMULA}", "1", f"'{FORMULA}", "-0.5", "", f"a;'{FORMULA}", f"'{FORMULA}"]


def test_the_gallery_is_paged(explorer):
    total, state = len(explorer.loaded(explorer.first).rows), explorer.start("query=0&gallery=0")
    assert BROWSED < total < 2 * BROWSED
    assert explorer.place(state, 0) == f"images 1 to {BROWSED} of {total}"
    last = explorer.start("query=0&gallery=100000000")
    assert last.gallery == BROWSED
    assert explorer.place(last, last.gallery) == f"images {BROWSED + 1} to {total} of {total}"
    assert len(explorer.browsed(last, last.gallery)) == total - BROWSED
    assert explorer.start("query=0&gallery=-3").gallery == 0
    with pytest.raises(UserError, match="gallery have to be numbers"):
        explorer.start("gallery=x")


def test_what_a_first_condition_needs_is_made_ready(explorer, caplog):
    with caplog.at_level("INFO"):
        explorer.warm_up()
    assert "conditions on birds are ready" in caplog.text
    assert explorer.loaded(explorer.first)._assembler.strengths
