"""The explorer with --engine: the hits of an index, what it cannot serve, and runs that have none."""

import csv
import json
import logging
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from explored import lay_explored
from explored import opened as opened_run
from extras import needs
from rerecorded import rerecord
from scripts_by_name import script

needs("faiss")

from backward_search.errors import MissingError, UserError
from backward_search.explorer.pictures import Map
from backward_search.explorer.runs import trained_runs
from backward_search.explorer.state import Choice, State
from backward_search.stages.explore import explorer_of

KIND = "faiss-flat"


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    """Two runs under the same options; only the second one has an index, built by the command that the page names."""
    options = lay_explored(tmp_path_factory.mktemp("explored"))
    (first,) = (Path(options.weight_root) / name for name in trained_runs(options.weight_root, options.data_root))
    second = first.with_name(first.name.replace("num_epoch1", "num_epoch2"))
    shutil.copytree(first, second)
    config = json.loads((second / "config.json").read_text())
    config["name"]["num_epoch"] = 2
    (second / "config.json").write_text(json.dumps(config))
    rerecord(second / "manifest-B1.json", second / "config.json")
    with pytest.raises(MissingError) as missing:
        opened(options, engine=KIND)
    name, *words = shlex.split(str(missing.value).partition(": run python ")[2])
    assert name == "C2.Build-Index.py"
    script("C2")(words)
    return options


def opened(options, **changes):
    """The run with an index."""
    return opened_run(replace(options, **changes), 1)


@pytest.fixture(scope="module")
def exact(laid):
    return opened(laid)


@pytest.fixture(scope="module")
def indexed(laid):
    return opened(laid, engine=KIND, shortlist=6)


@pytest.fixture
def state(exact):
    return State(exact.run.paths.name, 2, choices={"birds": Choice((exact.table.classes["birds"][0],))})


def shown(engine, state):
    return [(hit.row, pytest.approx(hit.score, abs=1e-6)) for hit in engine.view(state).found]


@pytest.mark.parametrize("query", [0, 2, 9])
def test_what_is_nearest_is_found_as_without_an_index(exact, indexed, state, query):
    for asked in (replace(state, choices={}), replace(state, method="teacher"), replace(state, method="class_shift")):
        asked = replace(asked, query=query)
        assert len(indexed.view(asked).found) == 6
        assert shown(indexed, asked) == shown(exact, asked)


def test_hits_are_candidates_of_the_index_with_exact_scores(laid, indexed, state):
    everything = opened(laid, hits=len(indexed.rows))
    cut = []
    for query in range(len(indexed.table)):
        asked = replace(state, query=query, strength=2.0)
        scores = {hit.row: hit.score for hit in everything.view(asked).found}
        found = indexed.view(asked).found
        assert [hit.score for hit in found] == pytest.approx([scores[hit.row] for hit in found], abs=1e-6)
        assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
        cut.append([hit.row for hit in found] != list(scores)[:6])
    assert any(cut)  # so few candidates cannot serve a method that ranks by more than one likeness
    wide = opened(laid, engine=KIND)
    assert all(shown(wide, replace(state, query=i)) == shown(everything, replace(state, query=i))[:6] for i in (0, 5))


def test_a_filter_is_not_offered_behind_an_index_and_the_page_says_why(exact, indexed, state):
    filtered = replace(state, method="predicted_filter")
    assert exact.method(filtered) == "predicted_filter"
    assert "use the exact engine" not in exact.refusals
    assert "predicted_filter" not in indexed.methods(filtered)
    assert indexed.view(filtered).method == "shift_null"  # the first one, for want of a context map
    assert "predicted_filter wants those that pass first, however unlike: use the exact engine" in indexed.refusals
    assert set(exact.methods(state)) - set(indexed.methods(state)) == {"predicted_filter"}


def test_way_map_and_images_of_ones_own_are_as_without_an_index(exact, indexed, state):
    state = replace(state, method="teacher")
    ways = [engine.way(state) for engine in (exact, indexed)]
    assert torch.equal(ways[0].walk.points, ways[1].walk.points)
    dots = [Map(engine).draw(state, way) for engine, way in zip((exact, indexed), ways, strict=True)]
    assert len(dots[0].axes) == len(dots[1].axes) > 0
    mine = replace(state, upload=indexed._uploads.take(indexed.image(4)), query=0)
    assert shown(indexed, mine) == shown(exact, mine)
    assert indexed.view(mine).found[0].score > 0


def test_e2_draws_what_the_page_shows_through_the_same_index(indexed, state):
    state = replace(state, strength=2.0)
    command = indexed.command(state)
    assert f"--engine {KIND} --shortlist 6" in command
    picture = script("E2")(shlex.split(command)[2:])
    with picture.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        drawn = [row["hit"] for row in csv.DictReader(file) if row["method"] == "shift_null"]
    assert drawn == [indexed.keys[hit.row] for hit in indexed.view(state).found]


def test_a_run_without_an_index_leaves_the_others_working(laid, tmp_path, caplog):
    explorer = explorer_of(replace(laid, engine=KIND), tmp_path)
    without, with_one = explorer.runs
    with caplog.at_level(logging.WARNING):
        state = explorer.start("")
    assert state.run == with_one
    assert f"{without} cannot be explored: no finished {KIND} index" in caplog.text
    with pytest.raises(MissingError, match=rf"run python C2\.Build-Index\.py .*--num_epoch 1 .*--engine {KIND}$"):
        explorer.start(f"run={without}")
    assert explorer.loaded(with_one).view(explorer.start("query=0")).found[0].row == 0


def test_where_no_run_has_an_index_the_explorer_does_not_start(laid, tmp_path):
    with pytest.raises(UserError, match="no finished faiss-hnsw index"):
        _ = explorer_of(replace(laid, engine="faiss-hnsw"), tmp_path).first


def test_the_page_keeps_the_run_it_has_when_one_without_an_index_is_chosen(laid, tmp_path):
    needs("web", "gradio")
    from backward_search.explorer.handlers import Handlers

    explorer = explorer_of(replace(laid, engine=KIND), tmp_path)
    without, with_one = explorer.runs
    handlers, old = Handlers(explorer), explorer.start("")
    with pytest.warns(UserWarning, match=r"C2\.Build-Index\.py"):
        parts = handlers.run(old, without)
    assert parts[:2] == [old, with_one]
    assert any(f" ms by {KIND})" in part for part in parts if isinstance(part, str))
    assert any(isinstance(part, dict) and "use the exact engine" in str(part.get("info")) for part in parts)
