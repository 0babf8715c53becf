"""A0 on files of the published form, and the later scripts on what it makes of them."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import published_files as published
import pytest
import torch
from scripts_by_name import script

from backward_search.cli import DistillOptions, EmbedOptions, parse
from backward_search.cli.translation import opened_run, solver, student_choice
from backward_search.errors import DataError, MissingError, OptionError, StaleError
from backward_search.runs.run import Run
from backward_search.runs.students import load_student

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> Path:
    """The authors' tables in `data`, one whole run of theirs in `model`, and that imported; nothing may change them."""
    folder = tmp_path_factory.mktemp("imported")
    published.write_tables(folder / "data")
    published.write_run(folder / "model", "resnet18")
    take(folder)
    return folder


@pytest.fixture
def place(imported, tmp_path) -> Path:
    """The same with a smaller network, not imported yet, that a test may change."""
    shutil.copytree(imported / "data", tmp_path / "place" / "data")
    published.write_run(tmp_path / "place" / "model")
    return tmp_path / "place"


def roots(place: Path) -> list[str]:
    return ["--data_root", str(place / "data"), "--weight_root", str(place / "weight")]


def take(place: Path, *more: str) -> Path:
    return script("A0")(["--source", str(place / "model"), *roots(place), *more])


def encoder_of(place: Path) -> str:
    return "resnet18" if (place / "model" / published.run_name(encoder="resnet18")).exists() else "small_cnn"


def words(place: Path, *more: str) -> list[str]:
    chosen = ["--dataset_name", "wikiart", "--encoder_model", encoder_of(place)]
    chosen += ["--encoding_size", str(published.SIZE)]
    return [*chosen, *roots(place), "--n_workers", "0", *more]


def run_of(place: Path, *more: str) -> Run:
    return opened_run(parse(EmbedOptions, None, words(place, *more)))


def published_run(place: Path) -> Path:
    return place / "model" / published.run_name(encoder=encoder_of(place))


def published_model(place: Path, epoch: int = 30) -> published.PublishedModel:
    return published.stored_network(
        published_run(place) / f"model_{epoch}.pth", published.PublishedModel(encoder_of(place))
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@torch.no_grad()
def test_network_and_heads_give_the_published_outputs(imported) -> None:
    theirs, run = published_model(imported), run_of(imported)
    ours, images = run.load_model(torch.device("cpu")), torch.rand(3, 3, 64, 64)
    embeddings = theirs.encode(images)
    assert torch.equal(ours.embed(images), embeddings)
    for name, head in theirs.attr_clssifiers.items():
        assert torch.equal(ours.classify(embeddings)[name], head(embeddings))
    assert run.classes == published.LABELS
    assert json.loads(run.paths.config.read_text())["look"]["size"] == 224


@torch.no_grad()
@pytest.mark.parametrize(("strength", "conditions", "classes"), [(1.1, 1, 3), (3.2, 2, 5)])
def test_students_give_the_published_outputs(imported, strength, conditions, classes) -> None:
    file = published.student_file(published_run(imported), strength, conditions=conditions)
    theirs = published.stored_network(file, published.PublishedStudent(classes))
    task = words(imported, "--num_condition", str(conditions), "--inverse_lambda", str(strength))
    options = parse(DistillOptions, None, task)
    teacher, choice = solver(options), student_choice(options)
    ours = load_student(run_of(imported), options.conditioned, teacher, choice, torch.device("cpu"))
    queries, targets = torch.rand(6, published.SIZE), torch.tensor([[2, 0], [0, 1], [1, 1], [2, 1], [0, 0], [1, 0]])
    one_hot = torch.cat([torch.eye(3)[targets[:, 0]], torch.eye(2)[targets[:, 1]]], dim=1)[:, :classes]
    assert torch.equal(ours.move(queries, targets[:, :conditions]), theirs(torch.cat([queries, one_hot], dim=1)))


@torch.no_grad()
@pytest.mark.parametrize("split", ["train", "test"])
def test_embeddings_are_joined_to_the_table_and_have_their_logits(imported, split) -> None:
    folder = run_of(imported).paths.folder / "embeddings"
    stored = np.load(folder / f"{split}.npy")
    assert np.array_equal(stored, published.features(split))
    keys = [row["key"] for row in csv.DictReader((folder / f"{split}.csv").open(encoding="utf-8"))]
    assert keys == [published.key(row) for row in published.rows_of(split)]
    for name, head in published_model(imported).attr_clssifiers.items():
        wanted = head(torch.from_numpy(stored)).numpy()
        np.testing.assert_allclose(np.load(folder / f"{split}-logits-{name}.npy"), wanted, rtol=1e-5, atol=1e-6)


def test_later_stages_take_it_as_finished(imported) -> None:
    folder = run_of(imported).paths.folder
    before = contents(folder)
    script("C1")(words(imported))
    script("D1")(words(imported))
    script("D1")(words(imported, "--num_condition", "2", "--inverse_lambda", "3.2"))
    after = contents(folder)
    assert {name for name in after if after[name] != before.get(name)} <= {"run.log"}
    with pytest.raises(StaleError, match="overwrite"):
        script("B1")(words(imported))


@torch.no_grad()
def test_it_is_evaluated_and_drawn_without_training(imported) -> None:
    task = words(imported, "--num_condition", "2", "--inverse_lambda", "3.2")
    teacher = json.loads(script("E1")(task).read_text())
    assert (teacher["num_queries"], teacher["gallery_size"]) == (24, 120)
    place = script("E1")([*task, "--evaluation_distill", "True", "--save_result", "True"])
    hits = [line[3] for line in csv.reader(place.with_suffix(".csv").open(encoding="utf-8"))][1:]
    assert hits == expected_hits(imported)
    picture = script("E2")([*task, "--result_root", str(imported / "result")])
    assert picture.stat().st_size > 10_000


def expected_hits(place: Path) -> list[str]:
    """What the published student finds among the published embeddings, query by query."""
    file = published.student_file(published_run(place), 3.2, conditions=2)
    student = published.stored_network(file, published.PublishedStudent(5))
    gallery = torch.from_numpy(published.features("test"))
    found = []
    for number in range(24):
        condition = torch.cat([torch.eye(3)[number % 3], torch.eye(2)[number % 2]])
        moved = student(torch.cat([gallery[5 * number], condition])[None])
        best = torch.cosine_similarity(moved, gallery).topk(10).indices
        found += [published.key(60 + row) for row in best.tolist()]
    return found


def test_a_second_import_changes_nothing(imported) -> None:
    folder = run_of(imported).paths.folder
    before = contents(folder)
    take(imported)
    assert contents(folder) == before


def test_other_content_is_refused_unless_told(place) -> None:
    take(place)
    published.write_run(place / "model", seed=1)
    with pytest.raises(StaleError, match="overwrite"):
        take(place)
    take(place, "--overwrite", "True")
    ours, images = run_of(place).load_model(torch.device("cpu")), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours.embed(images), published_model(place).encode(images))
        script("E1")(words(place, "--method", "student"))


def test_what_was_trained_here_is_refused(place) -> None:
    take(place)
    manifest = run_of(place).paths.manifest("B1")
    manifest.write_text(json.dumps({k: v for k, v in json.loads(manifest.read_text()).items() if k != "imported"}))
    with pytest.raises(StaleError, match="was made here"):
        take(place)


def test_several_epochs(place) -> None:
    run = published_run(place)
    torch.manual_seed(5)
    published.write_weights(run / "model_10.pth", published.used(published.PublishedModel(), 5), old_form=True)
    published.write_weights(run / "model_4.pth", published.used(published.PublishedModel(), 6))
    take(place)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(
            run_of(place).load_model(torch.device("cpu")).embed(images), published_model(place).encode(images)
        )
        take(place, "--epoch", "10")
        early = run_of(place, "--num_epoch", "10")
        wanted = published_model(place, 10).encode(images)
        assert torch.equal(early.load_model(torch.device("cpu")).embed(images), wanted)
    assert not early.paths.embedding_manifest("test").exists()  # the embeddings and students are those of epoch 30
    assert not (early.paths.folder / "students").exists()
    with pytest.raises(MissingError, match="epoch 20 are not there, only those of epoch 4, 10, 30"):
        take(place, "--epoch", "20")


def test_one_run_in_several_places(place) -> None:
    run, elsewhere = published_run(place), place / "model" / "more" / published.run_name()
    elsewhere.mkdir(parents=True)
    for split in ("train", "test"):
        file = published.embeddings_file(run, split)
        file.rename(elsewhere / file.name)
    shutil.copy(run / "model_30.pth", elsewhere)
    take(place)
    script("C1")(words(place))
    assert np.array_equal(np.load(run_of(place).paths.embeddings("test")), published.features("test"))
    (elsewhere / "model_30.pth").write_bytes(b"another")
    with pytest.raises(DataError, match="differ"):
        take(place)


def test_published_files_may_lie_where_our_runs_go(place) -> None:
    (place / "model").rename(place / "weight")
    command = ["--source", str(place / "weight"), *roots(place)]
    script("A0")(command)
    script("C1")(words(place))
    before = contents(run_of(place).paths.folder)
    script("A0")(command)
    assert contents(run_of(place).paths.folder) == before


def test_an_unfinished_training_is_not_replaced(place) -> None:
    folder = place / "weight" / published.run_name()
    folder.mkdir(parents=True)
    (folder / "training.json").write_text("{}")
    with pytest.raises(StaleError, match="unfinished training"):
        take(place)
    assert [path.name for path in folder.iterdir()] == ["training.json"]


def test_the_splits_and_their_student_may_come_one_after_the_other(place) -> None:
    late = published.embeddings_file(published_run(place), "train")
    late.rename(place / late.name)
    take(place)
    script("E1")(words(place, "--method", "student"))
    (place / late.name).rename(late)
    take(place)
    before = contents(run_of(place).paths.folder)
    take(place)
    assert contents(run_of(place).paths.folder) == before
    script("D1")(words(place))
    script("C1")(words(place))


def test_the_splits_may_come_from_separate_sources(place) -> None:
    files = [published.embeddings_file(published_run(place), split) for split in ("test", "train")]
    for now, other in (files, files[::-1]):
        if other.exists():
            other.rename(place / other.name)
        if not now.exists():
            (place / now.name).rename(now)
        take(place)
    script("C1")(words(place))
    paths = run_of(place).paths
    assert [np.array_equal(np.load(paths.embeddings(s)), published.features(s)) for s in ("test", "train")] == [
        True
    ] * 2


def test_what_cannot_be_imported_is_listed_and_the_rest_goes_on(place, capsys) -> None:
    model = place / "model"
    unknown = {"dataset": "sculptures", "encoder": "resnet9", "category": "artist"}
    for kind, value in unknown.items():
        published.write_run(model, **{kind: value})
    published.write_run(model, dataset="CUB", category="birds")
    (model / "odd").mkdir()
    (model / "odd" / "model_30.pth").write_bytes(b"")
    (model / published.run_name(size=8)).mkdir()
    shutil.copy(published.embeddings_file(published_run(place), "test"), model / published.run_name(size=8))
    take(place)
    said = capsys.readouterr().out.replace("\n  ", " ")  # folded lines are indented
    refused = [line for line in said.splitlines() if line.startswith("warning: not imported")]
    for part in ("sculptures is not known", "resnet9 is not known", "artist does not exist", "run A1.Data-Pre", "odd"):
        assert any(part in line for line in refused), part
    assert any("get its model_<epoch>.pth" in line for line in refused)
    assert "imported 1 runs" in said
    assert [path.name for path in (place / "weight").iterdir() if path.is_dir()] == [published.run_name()]


def hostile(file: Path, mark: Path, how: str) -> None:
    bomb = published.Hostile(mark)
    with file.open("wb") as stream:
        if how == "array":
            np.save(stream, np.array({0: bomb}, dtype=object), allow_pickle=True)
        else:
            torch.save({"model_state_dict": {"a": bomb}}, stream, _use_new_zipfile_serialization=how == "zip")


@pytest.mark.parametrize(
    ("part", "how"),
    [("weights", "zip"), ("weights", "old"), ("student", "zip"), ("student", "old"), ("embeddings", "array")],
)
def test_nothing_in_a_hostile_file_is_run(part, how, place, tmp_path) -> None:
    run, mark = published_run(place), tmp_path / "mark"
    files = {"weights": run / "model_30.pth", "embeddings": published.embeddings_file(run, "test")}
    file = {**files, "student": published.student_file(run)}[part]
    hostile(file, mark, how)
    with pytest.raises(DataError, match=f"{file.name} .*is not read"):
        take(place)
    assert not mark.exists()
    assert (place / "weight" / published.run_name() / "model.safetensors").exists() == (part != "weights")


def test_the_hostile_object_is_one(tmp_path) -> None:
    hostile(tmp_path / "bad.pth", tmp_path / "mark", "zip")
    torch.load(tmp_path / "bad.pth", weights_only=False)
    assert (tmp_path / "mark").exists()


def damaged(some: list[dict], how: str) -> list:
    missing = dict(some[0])
    del missing["style_id"]
    changes = {
        "fewer": some[2:],
        "others": [*some[1:], some[0] | {"path": "./data/wikiart/images/Rococo/new.jpg"}, some[0]],
        "twice": [*some, some[4]],
        "label": [some[0] | {"style_id": str((int(some[0]["style_id"]) + 1) % 3)}, *some[1:]],
        "size": [some[0] | {"feature": [0.5]}, *some[1:]],
        "nan": [some[0] | {"feature": [float("nan")] * published.SIZE}, *some[1:]],
        "text": [some[0] | {"feature": "none"}, *some[1:]],
        "field": [missing, *some[1:]],
        "form": [1, *some[1:]],
    }
    return changes[how]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("fewer", "2 of the table's 120 are not in it, 0 of its own 118"),
        ("others", "0 of the table's 120 are not in it, 1 of its own 121 are not in the table, 0 occur twice"),
        ("twice", "1 occur twice"),
        ("label", "1 images have another style"),
        ("size", "feature of 16 finite numbers"),
        ("nan", "feature of 16 finite numbers"),
        ("text", "feature of 16 finite numbers"),
        ("field", "style_id"),
        ("form", "one entry per image"),
    ],
)
def test_embeddings_of_other_images_are_refused(how, message, place) -> None:
    file = published.embeddings_file(published_run(place), "test")
    published.write_embeddings(file, damaged(published.entries("test"), how))
    with pytest.raises(DataError, match=message):
        take(place)
    run = run_of(place)  # weights and students are there
    assert not run.paths.embedding_manifest("test").exists()
    assert len(list((run.paths.folder / "students").iterdir())) == 2


def test_names_in_another_encoding_are_the_same_images(place) -> None:
    some = published.entries("test")
    for entry in some:
        entry["path"] = entry["path"].replace(published.MISENCODED, "joaqu#U00e3#U00adn")
    published.write_embeddings(published.embeddings_file(published_run(place), "test"), some)
    take(place)
    assert np.array_equal(np.load(run_of(place).paths.embeddings("test")), published.features("test"))


@pytest.mark.parametrize("labels", [{**published.LABELS, "genre": ["a", "b", "c"]}, {"style": published.STYLES}])
def test_weights_of_other_classes_are_refused(labels, place) -> None:
    model = published.used(published.PublishedModel(labels=labels), 0)
    published.write_weights(published_run(place) / "model_30.pth", model)
    with pytest.raises(DataError, match=r"model_30\.pth does not fit .*heads\.genre\."):
        take(place)
    assert not (place / "weight" / published.run_name()).exists()


def test_a_student_of_other_conditions_is_refused(place) -> None:
    published.write_student(published.student_file(published_run(place)), published.PublishedStudent(4))
    with pytest.raises(DataError, match=r"0\.weight is \(128, 20\) instead of \(128, 19\)"):
        take(place)


def test_a_source_without_runs(tmp_path) -> None:
    with pytest.raises(DataError, match="no published run"):
        script("A0")(["--source", str(tmp_path), "--weight_root", str(tmp_path)])
    with pytest.raises(MissingError, match="unpack"):
        script("A0")(["--source", str(tmp_path / "a.zip"), "--weight_root", str(tmp_path)])
    with pytest.raises(OptionError, match="epoch"):
        script("A0")(["--source", str(tmp_path), "--epoch", "-1"])


def test_one_line_and_exit_code_2(place) -> None:
    (published_run(place) / "model_30.pth").write_bytes(b"<html>quota exceeded</html>")
    file = next(PROJECT.glob("A0*.py"))
    command = [sys.executable, str(file), "--source", str(place / "model"), *roots(place)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "model_30.pth" in done.stderr
