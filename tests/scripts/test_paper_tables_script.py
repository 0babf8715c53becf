"""E3 on a small folder in a real format, with an untrained run that is put in place; another data set is not there.

The encoder is not needed: what E3 measures starts from embeddings.
"""

import csv
import json
import shlex
import shutil

import numpy as np
import pytest
from raw_apy import write_apy
from test_description_d1 import lay_run
from test_description_e1 import TEACHER
from test_training import script

from backward_search.errors import UserError
from backward_search.stages import paper_estimate, paper_results
from backward_search.storage.atomic import MACHINE, write_array
from backward_search.storage.lock import locked

PRECISION = "mAP@10 of the paper (precision@10)"


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    data = ["--data_root", str(folder / "data")]
    write_apy(folder / "data" / "APY", classes=4, train=40, test=80)
    script("A1.Data-Preprocessing-APY")(data)
    script("A2")(["--dataset_name", "APY", *data, "--num_queries", "30"])
    run = lay_run(folder, TEACHER[1])
    for split, count in (("train", 40), ("test", 80)):
        logits = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
        write_array(run / "embeddings" / f"{split}-logits-category.npy", logits)
    return folder


def made(folder, number: str, *words: str) -> list[dict[str, str]]:
    """The rows of a table that E3 makes."""
    roots = [f"--{name}_root={folder / place}" for name, place in (("data", "data"), ("weight", "weight"))]
    roots += [f"--table_root={folder / 'tables'}", "--tables", number]
    place = script("E3")(["--dataset_name", "APY,CUB", *roots, *words])
    (file,) = place.glob(f"table{number}*.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def scripts_of(cell: str) -> list[str]:
    return [shlex.split(command)[1][:2] for command in cell.removeprefix("not run: ").split(" && ")]


def test_data_sets_are_counted(laid):
    ours, theirs = made(laid, "1")
    assert [ours[name] for name in ("classes", "training images", "test images", "queries")] == ["4", "40", "80", "30"]
    assert theirs["queries"].startswith("not run: python A1.Data-Preprocessing-CUB.py")


def test_what_is_cheap_is_measured_and_the_rest_names_its_commands(laid):
    ours, regularised, theirs, _ = made(laid, "2")
    results = [
        json.loads(next(laid.glob(f"weight/*/results/category/teacher-lambda{strength}.json")).read_text())
        for strength in ("0.0", "0.7")
    ]
    for row, result in zip((ours, regularised), results, strict=True):
        assert row[PRECISION].startswith(f"{result['precision_at_10']:.3f} (")
        assert row["lambda"] == f"{result['lambda']:g}"
    assert scripts_of(theirs[PRECISION]) == ["A1", "A2", "B1", "C1", "E1"]
    text = (laid / "tables" / "table2_regularisation.md").read_text()
    assert "Protocol: paper. Tables of APY: " in text


def test_encoders_that_were_not_trained_say_so(laid):
    rows = [row for row in made(laid, "3") if row["data set"] == "APY"]
    assert [row["encoder"] for row in rows[::2]] == ["convnext_base", "resnet50", "vgg16_bn", "vit_b"]
    assert [row["fine-tuned"] for row in rows] == ["yes", "no"] * 4
    assert [row[PRECISION].startswith("not run") for row in rows] == [False, *[True] * 7]
    assert [row[f"best: {PRECISION}"].startswith("not run") for row in rows] == [False, *[True] * 7]
    assert scripts_of(rows[3][PRECISION]) == scripts_of(rows[3][f"best: {PRECISION}"]) == ["B1", "C1", "E1"]
    assert "--method best" in rows[3][f"best: {PRECISION}"]
    assert "--encoder_model resnet50 --enc_update False" in rows[3][PRECISION]


def test_best_ranks_by_a_context_map_which_is_learnt_where_there_is_none(laid):
    (run,) = laid.glob("weight/*")
    shutil.rmtree(run / "context", ignore_errors=True)
    for place in run.glob("results/category/best*"):
        place.unlink()
    row = made(laid, "3")[0]
    assert (run / "context" / "map.safetensors").exists()
    result = json.loads((run / "results" / "category" / "best.json").read_text())
    assert row[f"best: {PRECISION}"].startswith(f"{result['precision_at_10']:.3f} (")
    methods = {each["method"]: each for each in made(laid, "4") if each["data set"] == "APY"}
    assert methods["best"][PRECISION] == row[f"best: {PRECISION}"]
    assert methods["context"][PRECISION][0] in "01"
    assert all("context map that C4 learns" in place.read_text() for place in laid.glob("tables/table[34]*.md"))
    assert row[PRECISION] == methods["teacher"][PRECISION] != row[f"best: {PRECISION}"]


def test_the_command_of_a_cell_fills_it(laid):
    teacher, student, *_ = made(laid, "6")
    assert teacher["times the teacher's speed"] == "1.0"
    commands = student["ms per query"].removeprefix("not run: ").split(" && ")
    assert scripts_of(student["ms per query"]) == ["D1", "E1"]
    for command in commands:
        _, name, *rest = shlex.split(command)
        script(name[:2])(rest)
    filled = made(laid, "6")[1]
    assert float(filled["ms per query"]) > 0
    assert filled[PRECISION].startswith("0.")


def test_steps_are_counted_with_and_without_early_stopping(laid):
    stopping, going_on, *_ = made(laid, "5")
    assert (going_on["gradient evaluations"], going_on["stopped early"]) == ("100.0", "0%")
    (place,) = laid.glob("weight/*/results/category/teacher-lambda0.7.json")
    result = json.loads(place.read_text())
    assert stopping["gradient evaluations"] == f"{result['gradient_evaluations']:.1f}"
    assert stopping["ms per query"] == f"{1000 * result['seconds_per_query']:.3f}"


def test_numbers_of_the_paper_are_marked_and_none_is_invented(laid):
    rows = made(laid, "4")
    assert all(row[PRECISION][0] in "01" for row in rows if row["data set"] == "APY" and " " not in row["method"])
    (blank,) = [row for row in rows if row["data set"] == "CUB" and row["method"] == "composed-retrieval models"]
    assert blank["mTS@10"] == "copy from the paper"
    file = laid / "tables" / "from_paper.csv"
    file.write_text(file.read_text() + "CUB,birds,some model,0.123,\n")
    (copied,) = [row for row in made(laid, "4") if row["method"] == "some model"]
    assert copied[PRECISION] == "0.123 (paper)"
    assert copied["mTS@10"] == "copy from the paper"
    file.write_text("dataset,method\n")
    with pytest.raises(UserError, match=r"from_paper\.csv is no table that begins with"):
        made(laid, "4")
    file.unlink()


def test_results_of_other_weights_are_no_number(laid):
    (weights,) = laid.glob("weight/*/model.safetensors")
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    try:
        row = made(laid, "2")[0]
    finally:
        weights.write_bytes(kept)
    assert row["mTS@10"].startswith("not run: python E1.Model-Evaluation.py")
    assert "the weights changed since" in row["mTS@10"]


@pytest.mark.parametrize("content", ['{"queries": [1, 2, 3]}', "null", "{"])
def test_damaged_queries_are_no_number(laid, content):
    (file,) = laid.glob("data/APY/attributions/query_*.json")
    kept = file.read_text()
    file.write_text(content)
    try:
        (row, _) = made(laid, "1")
    finally:
        file.write_text(kept)
    assert row["queries"].startswith("not run: python A2.Query-Generating.py --dataset_name APY")
    assert f"{file.name} is not as A2 left it" in row["queries"]
    assert row["test images"] == "80"


def test_two_do_not_make_tables_in_one_folder(laid):
    half = laid / "tables" / f".table1_datasets.{MACHINE}-999999999-1.partial.md"
    half.parent.mkdir(exist_ok=True)
    half.touch()  # of a process that was killed
    with locked(laid / "tables" / ".tables.lock", ""), pytest.raises(UserError, match="another process is making"):
        made(laid, "1")
    assert half.exists()
    made(laid, "1")
    assert not list((laid / "tables").glob(".*"))


def test_a_table_that_does_not_exist_is_refused(laid):
    with pytest.raises(UserError, match="--tables 7"):
        made(laid, "7")


def test_what_is_missing_of_prepared_data_is_made_on_request(laid, monkeypatch, caplog):
    done: list[str] = []
    for name in ("train", "embed", "distill"):
        monkeypatch.setattr(
            paper_results, name, lambda options, name=name: done.append(f"{name} {options.encoder_model}")
        )
    monkeypatch.setattr(paper_estimate, "seconds_per_image", lambda *_, **__: 100.0)
    caplog.set_level("INFO")
    made(laid, "3", "--train", "True", "--num_epoch", "27")
    assert done[:3] == ["train convnext_base", "embed convnext_base", "train convnext_base"]
    assert {line.split()[1] for line in done} == {"convnext_base", "resnet50", "vgg16_bn", "vit_b"}
    assert "8 trainings are missing" in caplog.text
    assert "B1 of APY, resnet50, 40 images, 27 epochs: about 30 hours" in caplog.text
    assert "B1 of APY, vit_b, 40 images, the encoder as it is: about 67 minutes" in caplog.text
    assert "in all about 5 days" in caplog.text


def test_images_are_made_of_the_demo_data_set_alone(tmp_path, monkeypatch):
    done: list[str] = []
    monkeypatch.setattr(paper_results, "prepare", lambda source, paths: done.append(f"A1 {paths.name}"))
    monkeypatch.setattr(paper_results, "generate_queries", lambda options: done.append(f"A2 {options.dataset_name}"))
    monkeypatch.setattr(paper_results.glyphs, "source", lambda *_: None)
    roots = [f"--{name}_root={tmp_path / name}" for name in ("data", "weight", "table")]
    table_1 = ["--dataset_name", "glyphs,CUB", *roots, "--tables", "1"]
    script("E3")(table_1)
    assert done == []
    script("E3")([*table_1, "--train", "True"])
    assert done == ["A1 glyphs", "A2 glyphs"] * 2  # once for each task, since these leave nothing behind
