"""C4 on a tiny data set: learnt once, refused where embeddings changed, gone on with, and learnt by E1 if missing."""

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from rerecorded import rerecord
from scripts_by_name import script
from tiny_set import tiny_set, words

from backward_search import Searcher, open_run
from backward_search.cli.console import run_script
from backward_search.context.learning import Learner
from backward_search.errors import DataError, MissingError, OptionError, StaleError, UserError
from backward_search.runs import context as runs_context
from backward_search.stages import learn_context
from backward_search.storage.paths import DataPaths

PROJECT = Path(__file__).resolve().parents[2]
STEPS = ("--context_steps", "12", "--context_size", "8", "--context_hidden", "16")
ONE = ("--condition_on", "light")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tiny_set(tmp_path_factory.mktemp("context"))
    script("A2")(["--dataset_name", "tiny", "--data_root", str(folder / "data"), "--num_queries", "60"])
    script("B1")(words(folder, "weight", "--num_epoch", "1"))
    script("C1")(words(folder, "weight", "--num_epoch", "1"))
    return folder


@pytest.fixture
def where(data, tmp_path):
    """The name of a folder with a run whose embeddings are there, for one test alone."""
    shutil.copytree(data / "weight", data / tmp_path.name)
    return tmp_path.name


def options(data, where, *more):
    return words(data, where, "--num_epoch", "1", *more)


def learnt(data, where, *more):
    return script("C4")(options(data, where, *STEPS, *more))


@pytest.fixture
def steps(monkeypatch):
    """How many steps have been made; it may be told when to stop."""
    made = {"count": 0, "stop": None}
    real = Learner.advance

    def advance(self):
        if made["count"] == made["stop"]:
            raise KeyboardInterrupt
        made["count"] += 1
        return real(self)

    monkeypatch.setattr(Learner, "advance", advance)
    return made


def test_it_is_learnt_once_and_says_from_what(data, where, steps, capsys):
    folder = learnt(data, where)
    assert steps["count"] == 12
    assert {file.name for file in folder.iterdir()} >= {"map.safetensors", "context.json", "manifest.json"}
    assert not list(folder.glob("*checkpoint*")) + list(folder.glob("learning.json"))
    facts = json.loads((folder / "context.json").read_text())
    assert facts["map"] == {"embedding": 32, "attributes": ["light", "shade"], "size": 8, "hidden": 16}
    assert facts["sources"].keys() == {"light", "shade"}
    by = {tuple(each["attributes"]): each["by"] for each in facts["held_out"]}
    assert by[("light",)] == "shade and likeness apart from the condition"
    assert by[("light", "shade")] == "likeness apart from the condition"
    before = (folder / "map.safetensors").read_bytes()
    capsys.readouterr()
    assert learnt(data, where) == folder
    said = capsys.readouterr().out
    assert "already done" in said
    assert "E1.Model-Evaluation.py" in said
    assert steps["count"] == 12
    assert learnt(data, where, "--overwrite", "True") == folder
    assert steps["count"] == 24
    assert (folder / "map.safetensors").read_bytes() == before


def test_the_held_out_images_are_those_that_b1_kept_back(data):
    run = script("B1")(options(data, "third", "--holdout", "0.3"))
    script("C1")(options(data, "third"))
    folder = learnt(data, "third")
    manifest, facts = (json.loads((folder / name).read_text()) for name in ("manifest.json", "context.json"))
    count = len(np.load(run / "embeddings" / "train.npy"))
    assert facts["held_out"][0]["images"] == manifest["held_out"] == pytest.approx(0.3 * count, abs=8)
    assert manifest["images"] == facts["images"] == count - manifest["held_out"]


@pytest.mark.parametrize("more", [("--seed", "1"), ("--learn_from", "images"), ("--context_steps", "13")], ids=str)
def test_other_settings_are_refused(data, where, more):
    learnt(data, where)
    with pytest.raises(StaleError, match=more[0].removeprefix("--")):
        learnt(data, where, *more)


def test_a_map_of_other_embeddings_is_refused(data, where):
    folder = learnt(data, where)
    script("E1")(options(data, where, "--method", "context", *ONE))
    file = folder.parent / "embeddings" / "train.npy"
    np.save(file, np.load(file) + np.float32(0.01))
    rerecord(folder.parent / "manifest-C1-train.json", file)
    with pytest.raises(StaleError):
        learnt(data, where)
    with pytest.raises(StaleError):
        script("E1")(options(data, where, "--method", "context", *ONE, "--overwrite", "True"))
    command = [sys.executable, str(PROJECT / "C4.Learn-Context.py"), *options(data, where, *STEPS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_map_that_is_being_replaced_is_no_finished_one(data, where, steps):
    folder = learnt(data, where)
    steps["stop"] = steps["count"] + 3
    with pytest.raises(KeyboardInterrupt):
        learnt(data, where, "--overwrite", "True")
    assert not (folder / "manifest.json").exists()


@pytest.mark.parametrize("stop", [3, 5, 8, 10])
def test_a_stopped_learning_goes_on_to_the_same_map(data, where, steps, monkeypatch, stop):
    whole = learnt(data, where)
    expected = (whole / "map.safetensors").read_bytes()
    monkeypatch.setattr(learn_context, "CHECKPOINT", 5)
    shutil.rmtree(whole)
    steps.update(count=0, stop=stop)
    with pytest.raises(KeyboardInterrupt):
        learnt(data, where)
    assert not (whole / "manifest.json").exists()
    steps.update(count=0, stop=None)
    assert (learnt(data, where) / "map.safetensors").read_bytes() == expected
    assert steps["count"] == 12 - stop // 5 * 5
    assert not list(whole.glob("*checkpoint*")) + list(whole.glob("learning.json"))


def test_a_stopped_learning_of_other_settings_is_dropped_when_told_to(data, where, steps, monkeypatch):
    monkeypatch.setattr(learn_context, "CHECKPOINT", 5)
    steps["stop"] = 7
    with pytest.raises(KeyboardInterrupt):
        learnt(data, where)
    steps.update(count=0, stop=None)
    with pytest.raises(StaleError, match="unfinished learning of other settings"):
        learnt(data, where, "--seed", "1")
    assert steps["count"] == 0
    learnt(data, where, "--seed", "1", "--overwrite", "True")
    assert steps["count"] == 12


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--learn_from", "captions"), "the images of tiny have no captions"),
        (("--learn_from", "words"), "--learn_from words: expected auto"),
        (("--context_steps", "0"), "--context_steps 0"),
        (("--views", "-1"), "--views -1 must not be negative"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_an_option_error(data, where, more, message):
    with pytest.raises(OptionError, match=message):
        learnt(data, where, *more)


def test_without_embeddings_it_says_what_to_run(data, where):
    (manifest,) = (data / where).glob("*/manifest-C1-train.json")
    manifest.unlink()
    with pytest.raises(MissingError, match=r"finished embeddings of train.*run C1\.ModelTest\.py"):
        learnt(data, where)


def test_views_of_images_are_learnt_from(data, where):
    folder = learnt(data, where, "--learn_from", "images", "--views", "40")
    facts = json.loads((folder / "context.json").read_text())
    assert {each["by"] for each in facts["held_out"]} == {"views of one image, and likeness apart from the condition"}
    assert facts["sources"] == {"nothing": 0}
    plain = json.loads(
        (learnt(data, where, "--learn_from", "images", "--overwrite", "True") / "context.json").read_text()
    )
    assert plain["images"] < facts["images"] <= plain["images"] + 40


def test_e1_learns_a_missing_map_by_itself(data, where, steps, monkeypatch, capsys):
    real = learn_context.LearningConfig
    monkeypatch.setattr(learn_context, "LearningConfig", lambda size, hidden, _, seed: real(8, 16, 12, seed=seed))
    script("E1")(options(data, where, "--method", "unchanged", *ONE))
    assert steps["count"] == 0
    capsys.readouterr()
    found = script("E1")(options(data, where, "--method", "best", *ONE))
    assert "there is none yet: it is learnt now, as C4.Learn-Context.py does" in capsys.readouterr().out
    assert steps["count"] == 12
    (folder,) = (data / where).glob("*/context")
    assert (folder / "manifest.json").exists()
    assert found.exists()
    script("E1")(options(data, where, "--method", "context", *ONE))
    assert steps["count"] == 12


def test_a_program_learns_the_map_that_c4_learns_and_writes_nothing(data, where, monkeypatch):
    (run,) = (data / where).iterdir()
    named = {"data_root": data / "data", "weight_root": data / where, "encoder_model": "small_cnn"}
    named |= {"encoding_size": 32, "num_epoch": 1}
    monkeypatch.setattr(runs_context, "LearningConfig", partial(runs_context.LearningConfig, 8, 16, 12))
    ask = partial(Searcher.search, condition="light=0", method="best", strength=0.3)
    one, refusing = open_run("tiny", **named), open_run("tiny", **named, learn_context=False)
    with pytest.raises(UserError, match=r"no context map .*run C4\.Learn-Context\.py"):
        ask(refusing, one.gallery[:5])
    found = ask(one, one.gallery[:5])
    assert not (run / "context").exists()
    learnt(data, where)
    monkeypatch.setattr(runs_context, "LearningConfig", None)  # now it is there, and nothing is learnt
    again = ask(open_run("tiny", **named), one.gallery[:5])
    assert torch.equal(again.rows, found.rows)
    assert torch.equal(again.scores, found.scores)


def test_a_result_is_stale_when_its_map_has_changed(data, where):
    learnt(data, where)
    asked = {name: options(data, where, "--method", name, *ONE) for name in ("best", "unchanged")}
    for each in asked.values():
        script("E1")(each)
    learnt(data, where, "--seed", "1", "--overwrite", "True")
    with pytest.raises(StaleError, match="changed: input context:"):
        script("E1")(asked["best"])
    script("E1")(asked["unchanged"])
    script("E1")([*asked["best"], "--overwrite", "True"])


@pytest.mark.parametrize("changed", ["weights", "tags", "table"])
def test_a_map_of_another_training_or_table_is_refused(data, where, changed):
    folder = learnt(data, where)
    paths = DataPaths.of(data / "data", "tiny")
    files = {"weights": folder.parent / "model.safetensors", "tags": paths.tags, "table": paths.table("train")}
    before = files[changed].read_bytes()
    try:
        files[changed].write_bytes(before + b"\n")
        with pytest.raises(StaleError, match="changed"):
            learnt(data, where)
    finally:
        files[changed].write_bytes(before)
    learnt(data, where)


def test_a_source_that_is_not_there_is_one_line_and_code_2(data, where, capsys):
    with pytest.raises(SystemExit) as stop:
        run_script(lambda: learnt(data, where, "--learn_from", "captions"))
    said = capsys.readouterr()
    assert stop.value.code == 2
    assert "Traceback" not in said.out + said.err
    assert "the images of tiny have no captions: there are none" in said.err.splitlines()[-1]


@pytest.mark.parametrize("holdout", ["0.1", "0"])
def test_a_handful_of_images_is_enough_to_learn_a_map_though_not_to_judge_it(tmp_path, capsys, holdout):
    images = np.random.default_rng(0).integers(0, 255, (12, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "few.npz", images=images, light=np.arange(12) % 2)
    where = ["--data_root", str(tmp_path / "data"), "--image_size", "16", "--source", str(tmp_path / "few.npz")]
    script("A1.Data-Preprocessing-custom")(["--dataset_name", "tiny", *where])
    script("B1")(options(tmp_path, "weight", "--holdout", holdout))
    script("C1")(options(tmp_path, "weight"))
    folder = learnt(tmp_path, "weight")
    assert json.loads((folder / "context.json").read_text())["held_out"] == []
    assert "too few images were held out to judge the map" in capsys.readouterr().out


def test_a_damaged_map_is_one_line(data, where):
    folder = learnt(data, where)
    (folder / "map.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match=r"map\.safetensors is not as C4 left it"):
        script("E1")(options(data, where, "--method", "context", *ONE))
    with pytest.raises(StaleError, match=r"map\.safetensors in another state than C4 left it"):
        learnt(data, where)
    learnt(data, where, "--overwrite", "True")
    script("E1")(options(data, where, "--method", "context", *ONE))


def test_keeping_tags_is_of_the_modern_recipe_and_recorded(data):
    with pytest.raises(OptionError, match="--keep_tags is part of --recipe modern"):
        script("B1")(options(data, "kept", "--keep_tags", "1"))
    modern = ["--recipe", "modern", "--category_type", "light"]
    with pytest.raises(OptionError, match="--keep_tags -1"):
        script("B1")(options(data, "kept", *modern, "--keep_tags", "-1"))
    run = script("B1")(options(data, "kept", *modern, "--keep_tags", "1"))
    manifest = json.loads((run / "manifest-B1.json").read_text())
    assert manifest["settings"]["keep_tags"] == 1
    assert "tags" in manifest["inputs"]
    assert "keeping what 3 tokens need (shade)" in (run / "run.log").read_text()
    with pytest.raises(StaleError, match="keep_tags"):
        script("B1")(options(data, "kept", *modern))


@pytest.mark.parametrize("size", ["0", "32"])
def test_an_embedding_that_is_not_trained_can_keep_nothing(data, size):
    more = ["--recipe", "modern", "--category_type", "light", "--enc_update", "False", "--keep_tags", "1"]
    asked = options(data, f"still-{size}", *more, "--encoding_size", size)
    if size == "0":
        with pytest.raises(OptionError, match="which --encoding_size 0 --enc_update False leaves as it is"):
            script("B1")(asked)
    else:
        assert (script("B1")(asked) / "manifest-B1.json").exists()


def test_there_must_be_something_to_keep(data):
    with pytest.raises(OptionError, match="tiny has no tags, captions or further labels to keep"):
        script("B1")(options(data, "nothing", "--recipe", "modern", "--keep_tags", "1"))
