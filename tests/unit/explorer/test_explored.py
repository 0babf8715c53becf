"""The explorer without its page: what a state shows, what E2 draws of it, and what is refused."""

import csv
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest
import torch
from explored import lay_explored, opened
from PIL import Image
from scripts_by_name import script

from backward_search.data.opening import Opening
from backward_search.errors import UserError
from backward_search.explorer.runs import trained_runs
from backward_search.explorer.state import Choice, State, from_link
from backward_search.explorer.uploads import Uploads
from backward_search.images.opening import open_picture
from backward_search.methods.asking import Ask
from backward_search.stages.explore import explorer_of
from backward_search.training import recognition


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return lay_explored(tmp_path_factory.mktemp("explored"))


@pytest.fixture(scope="module")
def engine(options):
    return opened(options)


def own_folder(options):
    return Path(options.result_root) / "explorer"


@pytest.fixture
def state(engine):
    labels = engine.table.classes["birds"]
    return State(engine.run.paths.name, 2, choices={"birds": Choice((labels[0], labels[1]), negated=True)})


def test_without_a_condition_the_query_finds_itself(engine):
    view = engine.view(State("", 5))
    assert view.found[0].row == 5
    assert view.found[0].score == pytest.approx(1)
    assert {hit.meets for hit in view.found} == {None}
    assert view.method == "unchanged"


def test_frames_follow_the_labels_and_shared_tags_are_shared(engine, state):
    for method in engine.methods(state):
        found = engine.view(replace(state, method=method)).found
        assert len(found) == 6
        assert all(hit.meets == (hit.labels[0] not in state.choices["birds"].labels) for hit in found)
    tags, named = engine._task.gallery_tags(), set(engine.table.classes["birds"])
    assert all(set(hit.shared) == (tags[2] & tags[hit.row]) - named for hit in found)
    assert any(hit.shared for hit in found)
    unasked = engine.view(replace(state, choices={})).found
    assert all(set(hit.shared) == tags[2] & tags[hit.row] for hit in unasked)
    assert named & set(unasked[0].shared)  # itself, whose class no condition names


def test_the_slider_weighs_the_condition_against_likeness(engine, state):
    def scores(strength):
        return {hit.row: hit.score for hit in engine.view(replace(state, strength=strength)).found}

    light, heavy = scores(1.0), scores(1.4)  # the query goes the whole way under both
    task = engine._task_of(state)
    ask = Ask(engine.embedding(state), task.conditions.to(torch.device("cpu"), torch.float32), engine._config)
    probable = engine._assembler.knowledge(task.conditioned).probability(ask).block(slice(0, len(engine.rows)))[0]
    both = light.keys() & heavy.keys()
    assert both
    for row in both:
        assert heavy[row] - light[row] == pytest.approx(
            0.4 * float(probable[np.searchsorted(engine.rows, row)]), abs=1e-5
        )


def test_a_larger_lambda_stays_closer_to_the_query(engine, state):
    def length(strength):
        way = engine.way(replace(state, method="teacher", strength=strength)).walk.points
        return float((way[-1] - way[0]).abs().mean())

    assert length(0.0) > length(100.0)
    hits = {
        s: [hit.row for hit in engine.view(replace(state, method="teacher", strength=s)).found] for s in (0.0, 100.0)
    }
    assert hits[0.0] != hits[100.0]


@pytest.mark.parametrize(
    ("method", "strength"),
    [("shift_null", 0.3), ("shift_null", None), ("teacher", 0.2), ("class_shift", 0.3), ("predicted_filter", None)],
)
def test_e2_draws_what_the_page_shows(options, engine, state, method, strength):
    state = replace(state, method=method, strength=strength)
    words = shlex.split(engine.command(state))
    assert words[:2] == ["python", "E2.Model-Query-Visualization.py"]
    picture = script("E2")(words[2:])
    with picture.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    drawn = {name: [row["hit"] for row in rows if row["method"] == name] for name in (method, "unchanged")}
    found = engine.view(state).found
    assert drawn[method] == [engine.keys[hit.row] for hit in found]
    said = [(row["meets"], row["shared"]) for row in rows if row["method"] == method]
    assert said == [(str(hit.meets), ";".join(hit.shared)) for hit in found]
    (own,) = [row for row in rows if row["method"] == "unchanged" and row["hit"] == engine.keys[state.query]]
    assert own["tag_overlap"] == "1.0"
    unmoved = engine.view(replace(state, method="unchanged", strength=None))
    assert drawn["unchanged"] == [engine.keys[hit.row] for hit in unmoved.found]  # whatever the strength
    assert explorer_of(options, picture.parent).figure(state) == picture


def test_best_is_offered_once_there_is_a_context_map_and_the_page_says_how_to_learn_it(options, state, tmp_path):
    shutil.copytree(options.weight_root, tmp_path / "weight")
    engine = opened(replace(options, weight_root=str(tmp_path / "weight")))
    assert (state.method, engine.method(state)) == ("best", "shift_null")
    assert engine.methods(state)[:2] == ["shift_null", "teacher"]
    assert not {"best", "context"} & set(engine.methods(state))
    said = re.fullmatch(r"best and context need a context map: python (C4)\S* (.*) learns it", engine.refusals)
    script(said[1])([*shlex.split(said[2]), "--context_steps", "20"])
    assert engine.refusals == ""
    assert engine.methods(state)[:3] == ["best", "shift_null", "teacher"]
    assert "context" in engine.methods(state)
    views = {name: engine.view(replace(state, method=name)) for name in ("best", "shift_null", "context")}
    assert [view.method for view in views.values()] == list(views)
    picture = script("E2")(shlex.split(engine.command(state))[2:])
    with picture.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        drawn = [row["hit"] for row in csv.DictReader(file) if row["method"] == "best"]
    assert drawn == [engine.keys[hit.row] for hit in views["best"].found]


def test_doubts_are_of_the_classes_asked_for_that_the_head_hardly_knows(engine, state, monkeypatch):
    given, labels = np.load(engine.run.paths.logits("test", "birds")).argmax(1), engine.table.classes["birds"]
    right = [(given[engine.table.ids["birds"] == number] == number).mean() for number in range(len(labels))]
    poor = [label for label, share in zip(labels, right, strict=True) if share < 0.5]
    assert 0 < len(poor) < len(labels)

    def said(choice):
        return {one.label for one in engine.doubts(replace(state, choices={"birds": choice}))}

    assert said(Choice(tuple(labels))) == set()  # too few images say so
    monkeypatch.setattr(recognition, "FEWEST", 1)
    assert said(Choice(tuple(labels))) == set(poor)
    assert all(said(Choice((label,))) == {label} & set(poor) for label in labels)
    assert said(Choice((labels[0], labels[1]), negated=True)) == set()
    assert engine.doubts(replace(state, choices={})) == []


def test_a_link_restores_the_state(engine, state):
    state = replace(state, method="teacher", strength=0.25)
    assert engine.checked(from_link(parse_qsl(state.link()))) == state


def test_the_probabilities_begin_with_the_query_and_sum_to_one(engine, state):
    way = engine.way(state)
    chances = way.values["birds"]
    assert torch.allclose(chances.sum(1), torch.ones(len(chances)), atol=1e-5)
    allowed = [i for i, name in enumerate(way.labels["birds"]) if name not in state.choices["birds"].labels]
    assert chances[-1, allowed].sum() > chances[0, allowed].sum()
    assert torch.equal(way.walk.points[0], engine.embedding(state)[0])
    assert engine.way(replace(state, choices={})) is None


@pytest.mark.parametrize(
    "change",
    [
        {"query": 10**6},
        {"query": -1},
        {"method": "x"},
        {"strength": -1.0},
        {"upload": "../../x"},
        {"strength": float("nan")},
    ],
)
def test_what_does_not_exist_is_refused(engine, state, change):
    with pytest.raises(UserError):
        engine.checked(replace(state, **change))


def test_a_condition_that_names_nothing_known_is_refused(engine, state):
    for choices in ({"birds": Choice(("x",))}, {"x": Choice(("y",))}):
        with pytest.raises(UserError):
            engine.checked(replace(state, choices=choices))
    everything = Choice(tuple(engine.table.classes["birds"]), negated=True)
    with pytest.raises(UserError, match="leaves no label"):
        engine.checked(replace(state, choices={"birds": everything}))


def test_an_image_of_ones_own_is_embedded_as_c1_would(engine, state, options, tmp_path):
    file = tmp_path / "mine.png"
    with Image.open(engine.image(2)) as image:
        image.convert("RGB").save(file)
    upload = Uploads(own_folder(options), 1).take(file)
    mine = engine.checked(replace(state, upload=upload, query=0))
    assert torch.allclose(engine.embedding(mine), engine.embedding(state), atol=1e-4)
    assert [hit.row for hit in engine.view(mine).found] == [hit.row for hit in engine.view(state).found]
    assert not any(hit.shared for hit in engine.view(replace(mine, query=2)).found)  # of its tags nothing is known
    assert f"--query_image {engine.query_image(mine)}" in engine.command(mine)


def test_an_upload_stays_transparent_for_the_background_of_each_run(tmp_path):
    Image.new("LA", (2000, 1000), (0, 0)).save(tmp_path / "clear.png")
    uploads = Uploads(tmp_path / "kept", 1)
    kept = uploads.find(uploads.take(tmp_path / "clear.png"))
    for ground, level in (("#ffffff", 255), ("#808080", 128)):
        shown = open_picture(kept, opening=Opening(ground))
        assert shown.size == (1024, 512)
        assert shown.getpixel((9, 9)) == (level, level, level)


def test_bad_uploads_are_refused(tmp_path):
    uploads = Uploads(tmp_path / "kept", 1, max_pixels=10**6)
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "large.png").write_bytes(b"0" * 1_000_001)
    Image.new("L", (1001, 1000)).save(tmp_path / "bomb.png")
    for name, message in (
        ("text", "not an image"),
        ("large", "MB"),
        ("bomb", "the most is --max_pixels 1000000, pass more"),
    ):
        with pytest.raises(UserError, match=message):
            uploads.take(tmp_path / f"{name}.png")
    assert not (tmp_path / "kept").exists()
    for name in ("../text", "a" * 64, "", str(tmp_path / "text.png")):
        with pytest.raises(UserError, match="not here"):
            uploads.find(name)


def test_runs_that_cannot_be_read_are_left_out(options, tmp_path):
    stray = Path(options.weight_root) / "anything"
    stray.mkdir()
    (stray / "manifest-C1-test.json").write_text("{}")
    assert len(trained_runs(options.weight_root, options.data_root)) == 1
    assert trained_runs(tmp_path, options.data_root) == {}
