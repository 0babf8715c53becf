"""B1 and C1 on a tiny data set: resumption, checkpoints, recipes, several processes, and what they refuse."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from rerecorded import rerecord
from safetensors.torch import load_file
from scripts_by_name import script
from tiny_set import tiny_set, words

from backward_search.errors import DataError, OptionError, StaleError, TooFewQueriesError, UserError
from backward_search.storage.tensors import load_tensors, save_tensors

PROJECT = Path(__file__).resolve().parents[2]
TESTS = PROJECT / "tests"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_set(tmp_path_factory.mktemp("tiny"))


QUICK = ("--batch_size", "64", "--checkpoint_step", "2")


@pytest.fixture(scope="module")
def run(data):
    return script("B1")(words(data, "whole", *QUICK))


@pytest.mark.parametrize("recipe", ["paper", "modern"])
def test_a_training_killed_at_many_moments_ends_with_the_same_bits(data, run, recipe):
    whole = run if recipe == "paper" else script("B1")(words(data, "whole", *QUICK, "--recipe", recipe))
    moments = "1,2,5,8,13,17,6" if recipe == "paper" else "9,23,14"
    driver = [sys.executable, str(TESTS / "killed_training.py"), str(PROJECT), moments]
    subprocess.run([*driver, *words(data, "killed", *QUICK, "--recipe", recipe)], check=True, timeout=300)
    again = data / "killed" / whole.name
    for name in ("model.safetensors", "best.safetensors", "history.csv", "config.json", "heads.csv"):
        assert (again / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(again.glob("*checkpoint*")) + list(again.glob("*.partial*"))


def test_last_and_best_are_kept_and_named(data, run):
    training = json.loads((run / "config.json").read_text())["training"]
    rows = np.genfromtxt(run / "history.csv", delimiter=",", names=True)
    means = (rows["test_accuracy_light"] + rows["test_accuracy_shade"]) / 2
    assert training["best_epoch"] == 1 + int(means.argmax())
    assert training["test_accuracy"]["shade"] == rows["test_accuracy_shade"][-1]
    assert training["weights_of_epoch"] == training["epochs"] == 3
    assert (run / "history.png").stat().st_size > 10_000
    with pytest.raises(StaleError, match="use_epoch"):
        script("B1")(words(data, "whole", *QUICK, "--use_epoch", "best"))
    best = script("B1")(words(data, "best", *QUICK, "--use_epoch", "best"))
    weights = {name: load_tensors(best / f"{name}.safetensors")[0] for name in ("model", "best", "last")}
    same = {
        other: all(bool((weights["model"][key] == weights[other][key]).all()) for key in weights["model"])
        for other in ("best", "last")
    }
    assert same == {"best": True, "last": training["best_epoch"] == 3}
    assert load_tensors(run / "model.safetensors")[0].keys() == weights["last"].keys()


def test_a_small_set_gets_as_many_queries_as_there_are(data):
    task = ["--dataset_name", "tiny", "--data_root", str(data / "data")]
    with pytest.raises(TooFewQueriesError, match=r"at most 160 queries on light .* 500 are asked for"):
        script("A2")([*task, "--num_queries", "500"])
    folder = script("A2")(task)
    queries = json.loads((folder / "query_light_tiny_test_random.json").read_text())["queries"]
    assert len(queries) == len({(each["candidate"], each["condition"]["light"]) for each in queries}) == 160
    assert "light has 160 queries in all, instead of the usual 1000" in (folder.parent / "run.log").read_text()


def test_results_of_other_weights_are_refused(data):
    script("A2")(["--dataset_name", "tiny", "--data_root", str(data / "data")])
    script("B1")(words(data, "stale", *QUICK))
    embedded(data, "stale")
    script("E1")(words(data, "stale", "--method", "unchanged"))
    script("B1")(words(data, "stale", *QUICK, "--lr", "0.02", "--overwrite", "True"))
    with pytest.raises(StaleError, match="weights"):
        script("E1")(words(data, "stale", "--method", "teacher"))


def test_a_recipe_is_part_of_the_name_and_its_own_rates(data):
    run = script("B1")(words(data, "modern", *QUICK, "--recipe", "modern"))
    assert run.name.endswith("-num_epoch3-recipemodern-final")
    settings = json.loads((run / "manifest-B1.json").read_text())["settings"]
    assert (settings["lr"], settings["weight_decay"], settings["encoder_rate"]) == (0.005, 0.2, 1.0)


def torchrun(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a script as two processes, and say what both said."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    file = next(PROJECT.glob(f"{name}*.py"))
    return subprocess.run([*command, str(file), *options], capture_output=True, text=True, timeout=300, check=False)


def test_two_processes_train_and_embed_like_one(data):
    options = ["--num_epoch", "8", "--batch_size", "24", "--recipe", "modern"]
    one = script("B1")(words(data, "one", *options))
    done = torchrun("B1", *words(data, "two", *options))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 8/8") == 1  # the leading process alone speaks
    two = data / "two" / one.name
    accuracy = [json.loads((run / "config.json").read_text())["training"]["test_accuracy"] for run in (one, two)]
    for name in ("light", "shade"):
        assert accuracy[0][name] > 0.9
        assert abs(accuracy[0][name] - accuracy[1][name]) <= 0.02
    heads = [np.genfromtxt(run / "heads.csv", delimiter=",", names=True) for run in (one, two)]
    assert heads[0]["test_images"].tolist() == heads[1]["test_images"].tolist()
    embedded(data, "one", "--num_epoch", "8", "--recipe", "modern")
    expected = {file.name: np.load(file) for file in (one / "embeddings").glob("*.npy")}
    done = torchrun(
        "C1", *words(data, "one", *options[:2], "--recipe", "modern", "--batch_size", "31", "--overwrite", "True")
    )
    assert done.returncode == 0, done.stderr
    assert len(expected) == 6
    for name, array in expected.items():
        np.testing.assert_allclose(np.load(one / "embeddings" / name), array, atol=1e-5)
    student = [*options[:2], "--recipe", "modern", "--student_num_epoch", "3"]
    folder = script("D1")(words(data, "one", *student))
    alone = load_file(folder / "student.safetensors")
    done = torchrun("D1", *words(data, "one", *student, "--overwrite", "True"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("distilled 2 epochs") == 1
    for name, tensor in load_file(folder / "student.safetensors").items():
        torch.testing.assert_close(tensor, alone[name], atol=1e-3, rtol=0)


def embedded(data: Path, where: str, *more: str) -> Path:
    return script("C1")(words(data, where, *more))


def test_embeddings_do_not_depend_on_the_batch(data, run):
    embedded(data, "whole")
    folder = run / "embeddings"
    usual = {name: np.load(folder / f"{name}.npy") for name in ("train", "test", "test-logits-shade")}
    embedded(data, "whole", "--batch_size", "7", "--n_workers", "2", "--overwrite", "True")
    for name, array in usual.items():
        np.testing.assert_allclose(np.load(folder / f"{name}.npy"), array, atol=1e-5)


def test_one_split_alone(data, run):
    shutil.rmtree(run / "embeddings", ignore_errors=True)
    for manifest in run.glob("manifest-C1-*"):
        manifest.unlink()
    folder = embedded(data, "whole", "--split", "test")
    assert sorted(file.name for file in folder.iterdir()) == [
        "test-logits-light.npy",
        "test-logits-shade.npy",
        "test.csv",
        "test.npy",
    ]
    with pytest.raises(OptionError, match="--split valid"):
        embedded(data, "whole", "--split", "valid")


def test_a_folder_of_images_gets_embeddings_of_its_own(data, run):
    embedded(data, "whole")
    table = (run / "embeddings" / "test.csv").read_text().splitlines()[1:]
    images = data / "data" / "tiny" / "images"
    folder = embedded(data, "whole", "--image_folder", str(images))
    (file,) = folder.glob("folder-images-*[0-9a-f].csv")
    rows = {key: row for row, key in enumerate(file.read_text().splitlines()[1:])}
    assert len(rows) == 400
    of_folder, of_split = np.load(file.with_suffix(".npy")), np.load(folder / "test.npy")
    by_name = {key.split("/")[-1]: row for key, row in rows.items()}
    order = [by_name[key.split("/")[-1]] for key in table]
    np.testing.assert_allclose(of_folder[order], of_split, atol=1e-5)
    with pytest.raises(UserError, match="is not a folder"):
        embedded(data, "whole", "--image_folder", str(data / "nowhere"))


def test_weights_of_other_attributes_are_refused(data, run):
    shutil.copytree(run, data / "other" / run.name)
    file = data / "other" / run.name / "model.safetensors"
    tensors, _ = load_tensors(file)
    save_tensors(file, {name.replace("heads.shade", "heads.style"): value for name, value in tensors.items()})
    with pytest.raises(DataError, match=r"model\.safetensors is not as B1 left it"):
        embedded(data, "other", "--overwrite", "True")
    rerecord(file.with_name("manifest-B1.json"), file)
    with pytest.raises(DataError, match="heads"):
        embedded(data, "other", "--overwrite", "True")


def test_an_unreadable_image_is_named_or_left_out_counted_and_listed(data, tmp_path):
    shutil.copytree(data / "data", tmp_path / "data")
    broken = sorted((tmp_path / "data" / "tiny" / "images").rglob("*.png"))[7]
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(DataError, match=f"{broken.name}.*--skip_unreadable True"):
        script("B1")(words(tmp_path, "weight", *QUICK, "--num_epoch", "1", "--holdout", "0"))
    skip = ["--num_epoch", "1", "--skip_unreadable", "True"]
    run = script("B1")(words(tmp_path, "weight", *QUICK, *skip, "--overwrite", "True"))
    assert f"image {broken} cannot be read" in (run / "run.log").read_text()
    embedded(tmp_path, "weight", *skip)
    (listed,) = run.glob("embeddings/*-unreadable.csv")
    assert broken.name in listed.read_text()
    split = listed.name.removesuffix("-unreadable.csv")
    table = (tmp_path / "data" / "tiny" / "attributions" / f"preprocessed_tiny_{split}.csv").read_text().splitlines()
    assert np.load(run / "embeddings" / f"{split}.npy").shape == (len(table) - 2, 32)
    script("A2")(["--dataset_name", "tiny", "--data_root", str(tmp_path / "data")])
    script("E1")([*words(tmp_path, "weight", "--num_epoch", "1"), "--method", "unchanged"])


def test_too_small_a_batch_for_the_processes_is_one_line(data):
    with pytest.raises(OptionError, match="--batch_size 1"):
        script("B1")(words(data, "whole", "--batch_size", "1"))


def test_a_file_of_weights_starts_the_encoder(data, run, tmp_path, monkeypatch):
    file = shutil.copy(run / "model.safetensors", tmp_path)

    def start(file):
        return words(data, "started", *QUICK, "--enc_update", "False", "--pretrained", str(file))

    started = script("B1")(start(file))
    assert "loaded 26 of 26 tensors of small_cnn from" in (started / "run.log").read_text()
    given, kept = (load_file(folder / "model.safetensors") for folder in (run, started))
    assert all(torch.equal(kept[name], given[name]) for name in given if name.startswith("encoder."))
    manifest = (started / "manifest-B1.json").read_text()
    assert json.loads(manifest)["settings"]["pretrained"] == "a file"
    monkeypatch.chdir(tmp_path)
    Path(file).rename(tmp_path / "moved.safetensors")  # the content counts, not the place
    script("B1")(start("moved.safetensors"))
    assert (started / "manifest-B1.json").read_text() == manifest
    tensors, _ = load_tensors(tmp_path / "moved.safetensors")
    other = save_tensors(
        tmp_path / "other.safetensors", tensors | {"encoder.0.weight": tensors["encoder.0.weight"] * 2}
    )
    with pytest.raises(StaleError, match=r"changed: input pretrained: pass --overwrite"):
        script("B1")(start(other))
    with pytest.raises(StaleError, match=r"pretrained \(a file stored, True asked for\)"):
        script("B1")(start("True"))
    tuned = script("B1")(
        words(data, "tuned", *QUICK, "--recipe", "modern", "--pretrained", str(other), "--num_epoch", "1")
    )
    assert json.loads((tuned / "manifest-B1.json").read_text())["settings"]["encoder_rate"] < 1


def test_a_file_that_does_not_fit_is_one_line_and_code_2(data, tmp_path):
    torch.save({"0.weight": torch.ones(16, 1, 3, 3)}, tmp_path / "grey.pth")
    for file, line in (
        (
            "grey.pth",
            "grey.pth does not fit small_cnn: 0.weight is (16, 1, 3, 3) there and (16, 3, 3, 3) here",
        ),
        ("none.pth", "--pretrained none.pth is neither True nor False, nor a file that is there"),
    ):
        command = [sys.executable, str(PROJECT / "B1.BuildModel.py"), *words(data, "refused", "--pretrained", file)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {line}")
        assert done.stderr.count("\n") == 1
        assert not list(data.glob("refused/*/model.safetensors"))
