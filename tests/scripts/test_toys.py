"""Things from outside the package, one of each kind, through the scripts, the library and the explorer."""

import csv
import importlib
import json
import sys
from types import SimpleNamespace

import pytest
import torch
from scripts_by_name import script

from backward_search import METHODS, SOLVERS, open_run
from backward_search.cli import EvaluateOptions, ExploreOptions, parse
from backward_search.data import registry
from backward_search.explorer.state import Choice, State
from backward_search.gallery.engines.registry import ENGINES
from backward_search.model.encoders import ENCODERS
from backward_search.stages.explore import explorer_of
from backward_search.stages.prepare import prepare
from backward_search.storage.paths import DataPaths


@pytest.fixture(scope="module")
def toys():
    """All of them imported, which registers them, for this module alone."""
    names = ("toy_dataset", "toy_encoder", "toy_engine", "toy_method", "toy_solver")
    yield SimpleNamespace(**{name: importlib.import_module(f"toys.{name}") for name in names})
    for name in names:
        del sys.modules[f"toys.{name}"]
    METHODS.unregister("nearer")
    SOLVERS.unregister("signs")
    ENGINES.unregister("unit")
    ENCODERS.unregister("quarters")
    del registry._REGISTERED["flat"]


@pytest.fixture(scope="module")
def trained(toys, tmp_path_factory):
    folder = tmp_path_factory.mktemp("toys")
    roots = ["--data_root", str(folder / "data"), "--weight_root", str(folder / "weight")]
    paths = DataPaths.of(folder / "data", "flat")
    prepare(toys.toy_dataset.source(paths), paths)
    script("A2")(["--dataset_name", "flat", *roots[:2], "--num_queries", "20"])
    words = ["--dataset_name", "flat", *roots]
    script("B1")([*words, "--batch_size", "16", "--n_workers", "0", "--encoding_size", "12"])
    words += ["--encoding_size", "12"]
    script("C1")([*words, "--n_workers", "0"])
    script("C2")([*words, "--engine", "unit"])
    return folder, words


def hits_of(place):
    with place.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return [row["hit"] for row in csv.DictReader(file)]


def searched(folder, words, k=10, **settings):
    """What a program finds for the queries that E1 asks."""
    more = {name: settings.pop(name) for name in ("engine", "shortlist") if name in settings}
    searcher = open_run("flat", data_root=words[3], weight_root=words[5], encoding_size=12, **more)
    stored = json.loads((folder / "data/flat/attributions/query_colour_flat_test_random.json").read_text())["queries"]
    where = {key: row for row, key in enumerate(searcher.keys)}
    queries = searcher.gallery[[where[query["candidate"]] for query in stored]]
    found = searcher.search(queries, [query["condition"] for query in stored], k=k, **settings)
    return [key for keys in found.keys for key in keys]


@pytest.mark.parametrize(
    ("options", "name", "settings"),
    [
        (["--method", "nearer"], "nearer", {"method": "nearer"}),
        (["--method", "nearer", "--nearer_share", "0.9"], "nearer-share0.9", {"method": "nearer", "nearer_share": 0.9}),
        (["--inverse_solver", "signs"], "teacher-signs5.0", {"solver": "signs"}),
        (
            ["--inverse_solver", "signs", "--signs_steps", "9"],
            "teacher-signs9.0",
            {"solver": "signs", "steps": 9.0},
        ),
        (
            ["--method", "unchanged", "--engine", "unit"],
            "unchanged-unit-short200",
            {"method": "unchanged", "engine": "unit"},
        ),
    ],
)
def test_e1_and_the_library_take_what_others_add(trained, options, name, settings):
    folder, words = trained
    place = script("E1")([*words, "--save_result", "True", *options])
    assert place.stem == name
    result = json.loads(place.read_text())
    assert result["precision_at_10"] > 0
    assert result.get("engine_recall_at_10", 1) == 1
    assert hits_of(place) == searched(folder, words, **settings)


def test_the_knobs_count(trained):
    folder, words = trained
    near, far = (searched(folder, words, method="nearer", nearer_share=share) for share in (0.0, 1.0))
    assert near == searched(folder, words, method="unchanged")
    assert near != far


def test_help_names_them(trained, capsys):
    with pytest.raises(SystemExit):
        parse(EvaluateOptions, None, ["--help-all"])
    said = capsys.readouterr().out
    for word in ("nearer", "--nearer_share", "signs", "--signs_steps", "unit"):
        assert word in said


def test_e2_draws_them(trained):
    folder, words = trained
    more = ["--methods", "unchanged,nearer,teacher", "--inverse_solver", "signs", "--path_rows", "2", "--map", "pca"]
    picture = script("E2")([*words, "--query_key", "1", *more, "--result_root", str(folder / "result")])
    with picture.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"unchanged", "nearer", "teacher", "t_0", "t_5"}


def test_the_explorer_offers_the_method_with_its_slider(toys, trained, tmp_path):
    _, words = trained
    roots = {"data_root": words[3], "weight_root": words[5], "result_root": str(tmp_path)}
    explorer = explorer_of(ExploreOptions(**roots, device="cpu", hits=5), tmp_path)
    run = explorer.loaded(next(iter(explorer.runs)))
    state = State("", 2, choices={"colour": Choice(("blue",))}, method="nearer")
    assert "nearer" in run.methods(state)
    assert run.slider(state) == toys.toy_method.Nearer.knobs[0]
    assert run.strength(state) == 0.5
    moved = run.view(State("", 2, choices=state.choices, method="nearer", strength=1.0))
    assert all(hit.labels[0] == "blue" for hit in moved.found)
    assert "--nearer_share 1.0" in run.command(State("", 2, choices=state.choices, method="nearer", strength=1.0))


def test_a_name_is_given_once(toys):
    for registry_, name in ((METHODS, "best"), (SOLVERS, "adam"), (ENGINES, "milvus"), (ENCODERS, "small_cnn")):
        with pytest.raises(ValueError, match=f"{name} already"):
            registry_.register(name, object())


def test_a_toy_encoder_makes_features(toys):
    assert ENCODERS["quarters"].build(False, False)(torch.ones(2, 3, 8, 8)).shape == (2, 12)
