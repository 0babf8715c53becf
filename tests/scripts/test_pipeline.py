"""The numbered scripts, in order, on the demo data set with a short training."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from extras import needs
from scripts_by_name import script

from backward_search.cli import DistillOptions, EmbedOptions, EvaluateOptions, next_command, parse
from backward_search.cli.translation import answer_config, opened_run, run_source, task_of
from backward_search.errors import StaleError, UserError
from backward_search.evaluation.result_tables import result_table
from backward_search.methods.assembler import Assembler
from backward_search.methods.registry import METHODS
from backward_search.storage.tensors import load_tensors

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    return folder, ["--data_root", str(folder / "data")]


def words(roots, *more: str) -> list[str]:
    folder, data = roots
    return ["--dataset_name", "glyphs", *data, "--weight_root", str(folder / "weight"), "--num_epoch", "2", *more]


@pytest.fixture(scope="module")
def trained(roots):
    script("A1.Data-Preprocessing-glyphs")(roots[1])
    script("A2")(["--dataset_name", "glyphs", *roots[1]])
    script("B1")(words(roots, "--batch_size", "256"))
    script("C1")(words(roots))
    return roots


def test_tables_and_queries_have_the_promised_form(trained):
    folder = trained[0] / "data" / "glyphs" / "attributions"
    assert (folder / "preprocessed_glyphs_test.csv").read_text().startswith("path,family,variant,letter\n")
    content = json.loads((folder / "query_family-variant_glyphs_test_random.json").read_text())
    assert len(content["queries"]) == 1000
    assert set(content["queries"][0]["condition"]) == {"family", "variant"}


def test_embeddings_lie_inside_the_cube_with_their_rows(trained):
    (run,) = (trained[0] / "weight").iterdir()
    embeddings = np.load(run / "embeddings" / "test.npy", mmap_mode="r")
    assert embeddings.shape == (1792, 256)
    assert embeddings.dtype == np.float32
    assert np.abs(embeddings).max() <= 1
    assert len((run / "embeddings" / "test.csv").read_text().splitlines()) == 1793
    assert np.load(run / "embeddings" / "test-logits-letter.npy").shape[0] == 1792


def test_every_method_is_evaluated_and_drawn(trained):
    task = words(trained, "--num_condition", "2")
    script("D1")([*task, "--student_num_epoch", "3", "--inverse_max_itr", "20"])
    results = {}
    for method in ("unchanged", "random", "teacher", "student"):
        place = script("E1")([*task, "--method", method, "--student_num_epoch", "3", "--inverse_max_itr", "20"])
        results[method] = json.loads(place.read_text())
    assert results["teacher"]["precision_at_10"] > results["unchanged"]["precision_at_10"]
    assert results["student"]["precision_at_10"] > results["unchanged"]["precision_at_10"]
    assert abs(results["random"]["precision_at_10"] - 1 / 16) < 0.02
    settings = json.loads((trained[0] / "data/glyphs/attributions/manifest-A1.json").read_text())["settings"]
    assert settings == results["teacher"]["tables"] != {}
    expected = {"dataset", "task", "method", "lambda", "num_queries", "gallery_size", "precision_at_10", "map_at_10"}
    expected |= {"mts_at_10", "mts_at_10_std", "twin_recall_at_10", "seconds_per_query"}
    assert expected <= results["teacher"].keys()
    picture = script("E2")(
        [*task, "--result_root", str(trained[0] / "result"), "--student_num_epoch", "3", "--inverse_max_itr", "20"]
    )
    assert picture.name == "query_10.png"
    assert picture.stat().st_size > 10_000


def test_the_strict_protocol_leaves_the_query_out(trained):
    script("A2")(["--dataset_name", "glyphs", *trained[1], "--protocol", "strict"])
    place = script("E1")(words(trained, "--method", "unchanged", "--protocol", "strict", "--save_result", "True"))
    hits = [line.split(",") for line in place.with_suffix(".csv").read_text().splitlines()[1:]]
    assert len(hits) == 10_000
    assert all(candidate != hit for _, candidate, _, hit in hits)


def test_a_second_run_does_nothing_and_other_settings_are_refused(trained):
    (run,) = (trained[0] / "weight").iterdir()
    before = (run / "model.safetensors").stat().st_mtime_ns
    script("B1")(words(trained, "--batch_size", "256"))
    assert (run / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(StaleError, match="batch_size"):
        script("B1")(words(trained, "--batch_size", "128"))


def test_what_is_missing_is_named_with_its_remedy(roots, tmp_path):
    with pytest.raises(UserError, match="run A1"):
        script("A2")(["--dataset_name", "glyphs", "--data_root", str(tmp_path)])
    with pytest.raises(UserError, match="run B1"):
        script("C1")(["--dataset_name", "glyphs", "--weight_root", str(tmp_path)])


def test_results_of_other_weights_are_refused(trained):
    folder, data = trained
    options = ["--dataset_name", "glyphs", *data, "--num_epoch", "1", "--weight_root", str(folder / "stale")]
    script("B1")([*options, "--batch_size", "512"])
    script("C1")(options)
    script("E1")([*options, "--method", "unchanged"])
    script("B1")([*options, "--batch_size", "512", "--lr", "0.01", "--overwrite", "True"])
    with pytest.raises(StaleError, match="weights"):
        script("E1")([*options, "--method", "teacher"])


def test_results_of_other_settings_are_other_files(trained):
    task = words(trained, "--method", "teacher")
    usual, slower = script("E1")(task), script("E1")([*task, "--inverse_lr", "0.05"])
    assert (usual.name, slower.name) == ("teacher-lambda0.5.json", "teacher-lambda0.5-lr0.05.json")
    numbers = [json.loads(place.read_text()) for place in (usual, slower)]
    assert numbers[0]["precision_at_10"] != numbers[1]["precision_at_10"]


def test_a_sweep_gives_the_results_of_each_lambda(trained):
    task = words(trained, "--method", "teacher", "--inverse_max_itr", "30")
    alone = script("E1")([*task, "--inverse_lambda", "2"])
    number = json.loads(alone.read_text())
    last = script("E1")([*task, "--sweep", "0.1,2.0", "--overwrite", "True"])
    assert last == alone
    again = json.loads(alone.read_text())
    other = json.loads(alone.with_name(alone.name.replace("2.0", "0.1")).read_text())
    for name in ("precision_at_10", "mts_at_10", "gradient_evaluations", "share_stopped_early"):
        assert again[name] == pytest.approx(number[name], abs=0.002)
    assert 0 < other["gradient_evaluations"] <= 30
    assert other["precision_at_10"] > again["precision_at_10"]
    with pytest.raises(UserError, match="for the teacher"):
        script("E1")(words(trained, "--method", "unchanged", "--sweep", "0.1,2"))
    lines = [line.split(",") for line in (alone.parent / "sweep-itr30.csv").read_text().splitlines()]
    at = lines[0].index("precision_at_10")
    assert [line[0] for line in lines] == ["lambda", "0.1", "2.0"]
    assert [float(line[at]) for line in lines[1:]] == [row["precision_at_10"] for row in (other, again)]
    assert (alone.parent / "sweep-itr30.png").stat().st_size > 10_000


def test_a_list_of_lambdas_is_a_sweep(trained):
    task = words(trained, "--inverse_max_itr", "5")
    assert script("E1")([*task, "--inverse_lambda", "0.3,0.2"]).name == "teacher-lambda0.2-itr5.json"
    options = parse(EvaluateOptions, "", [*task, "--inverse_lambda", "0.3,0.2,0.3"])
    assert options.lambdas == [0.3, 0.2]
    with pytest.raises(UserError, match="pass one of them"):
        parse(EvaluateOptions, "", [*task, "--inverse_lambda", "0.3,0.2", "--sweep", "1"])
    with pytest.raises(UserError, match=r"--sweep 0\.3,x is not a list"):
        parse(EvaluateOptions, "", [*task, "--inverse_lambda", "0.3,x"])


def test_one_condition_stands_in_for_the_queries_own(trained):
    def results(condition, *more):
        return json.loads(script("E1")(words(trained, "--condition", condition, *more)).read_text())

    away = results("family!=STIX General")
    assert away["condition"] == "family!=STIX General"
    assert away["precision_at_10"] > results("family!=STIX General", "--method", "unchanged")["precision_at_10"] + 0.02
    mixed = results("variant=0.6*bold+0.4*italic; family=DejaVu Sans|DejaVu Serif:0.5")
    assert mixed["task"] == ["family", "variant"]  # whatever the order of the clauses
    assert 0 < mixed["expected_weight_at_10"] < mixed["precision_at_10"]
    for condition, message in (("family!=STIX", "did you mean STIX General"), ("famly=STIX", "did you mean family")):
        with pytest.raises(UserError, match=message):
            results(condition)
    with pytest.raises(UserError, match="trained on family"):
        results("variant=bold", "--method", "student")
    picture = script("E2")(
        [*words(trained, "--condition", "variant!=bold"), "--result_root", str(trained[0] / "conditions")]
    )
    small = picture.stat().st_size
    assert small > 10_000
    task = words(trained, "--condition", "variant!=bold", "--path_rows", "3")
    assert script("E2")([*task, "--result_root", str(trained[0] / "conditions")]).stat().st_size > small * 1.4


def test_a_query_file_may_want_more_than_one_class_and_its_own_lambda(copied):
    file = copied[0] / "data" / "glyphs" / "attributions" / "query_family_glyphs_test_random.json"
    content = json.loads(file.read_text())
    for index, query in enumerate(content["queries"]):
        query["condition"]["family"] = ("!STIX General", "DejaVu Sans|DejaVu Serif")[index % 2]
        query["lambda"] = 0.1 + index % 3
    file.write_text(json.dumps(content))
    task = words(copied, "--overwrite", "True")
    file.with_name(f"manifest-{file.stem}.json").unlink()
    found = json.loads(script("E1")(task).read_text())
    assert found["lambda"] == "per query"
    unmoved = json.loads(script("E1")([*task, "--method", "unchanged"]).read_text())
    assert found["precision_at_10"] > unmoved["precision_at_10"]
    with pytest.raises(UserError, match="leave --sweep out"):
        script("E1")([*task, "--sweep", "1,2"])


def test_the_image_size_of_a_run_is_that_of_its_embeddings(trained):
    folder, data = trained
    options = ["--dataset_name", "glyphs", *data, "--num_epoch", "1", "--weight_root", str(folder / "small")]
    run = script("B1")([*options, "--batch_size", "512", "--image_size", "24"])
    assert json.loads((run / "config.json").read_text())["look"]["size"] == 24
    script("C1")(options)
    assert np.load(run / "embeddings" / "test.npy", mmap_mode="r").shape == (1792, 256)
    with pytest.raises(StaleError, match="look"):
        script("B1")([*options, "--batch_size", "512"])


def test_a_user_error_is_one_line_and_exit_code_2(tmp_path):
    words = [
        sys.executable,
        str(PROJECT / "C1.ModelTest.py"),
        "--dataset_name",
        "glyphs",
        "--weight_root",
        str(tmp_path),
    ]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "run B1.BuildModel.py" in done.stderr


@pytest.fixture
def copied(trained, tmp_path):
    for folder in ("data", "weight"):
        shutil.copytree(trained[0] / folder, tmp_path / folder)
    return tmp_path, ["--data_root", str(tmp_path / "data")]


DAMAGE = {
    "queries": ("data/glyphs/attributions/query_family_glyphs_test_random.json", '{"queries": 5}'),
    "query list": ("data/glyphs/attributions/query_family_glyphs_test_random.json", "[]"),
    "manifest": ("weight/*/manifest-C1-test.json", "[]"),
    "configuration": ("weight/*/config.json", "{}"),
    "embeddings": ("weight/*/embeddings/test.npy", ""),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_file_is_named(copied, what):
    pattern, content = DAMAGE[what]
    (file,) = copied[0].glob(pattern)
    file.write_text(content)
    with pytest.raises(UserError, match=file.name):
        script("E1")(words(copied, "--method", "unchanged", "--overwrite", "True"))


@pytest.mark.parametrize("condition", [{"family": 7}, {"family": None}, "DejaVu Sans"])
def test_a_query_whose_condition_is_no_text_is_named(copied, condition):
    file = copied[0] / "data" / "glyphs" / "attributions" / "query_family_glyphs_test_random.json"
    content = json.loads(file.read_text())
    content["queries"][3]["condition"] = condition
    file.write_text(json.dumps(content))
    file.with_name(f"manifest-{file.stem}.json").unlink()
    with pytest.raises(UserError, match=file.name):
        script("E1")(words(copied, "--method", "unchanged", "--overwrite", "True"))


@pytest.mark.parametrize("cut", [0, 60, 5000])
def test_damaged_logits_are_named(copied, cut):
    (file,) = (copied[0] / "weight").glob("*/embeddings/test-logits-family.npy")
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"test-logits-family\.npy is damaged"):
        script("E1")(words(copied, "--method", "predicted_filter"))


@pytest.mark.parametrize("content", ["{}", "[]", '{"family": 3}'])
def test_a_damaged_class_list_is_named(copied, content):
    (copied[0] / "data" / "glyphs" / "attributions" / "classes.json").write_text(content)
    with pytest.raises(UserError, match=r"classes\.json"):
        script("A2")(["--dataset_name", "glyphs", *copied[1], "--overwrite", "True"])


def test_a_finished_stage_notices_that_its_output_was_changed(copied):
    (weights,) = copied[0].glob("weight/*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(StaleError, match=r"model\.safetensors"):
        script("B1")(words(copied, "--batch_size", "256"))


def test_a_refused_overwrite_leaves_what_was_finished(copied):
    (manifest,) = copied[0].glob("weight/*/manifest-C1-test.json")
    with pytest.raises(UserError, match="--device"):
        script("C1")(words(copied, "--device", "nonsense", "--overwrite", "True"))
    assert manifest.exists()


def test_a_missing_image_is_named_and_a1_makes_it_again(copied):
    image = copied[0] / "data" / "glyphs" / "images" / "DejaVuSans" / "U+0041.png"
    pixels = image.read_bytes()
    image.unlink()
    with pytest.raises(UserError) as failure:
        script("C1")(words(copied, "--overwrite", "True", "--n_workers", "2"))
    assert str(failure.value).startswith(f"image {image} does not exist")
    script("A1.Data-Preprocessing-glyphs")(copied[1])
    assert image.read_bytes() == pixels


def test_the_hint_names_what_is_not_a_default():
    options = parse(EmbedOptions, "", ["--dataset_name", "glyphs", "--num_epoch", "2", "--batch_size", "9"])
    hint = next_command(options, "D1.Train-KD-Model.py", DistillOptions)
    assert hint == "python D1.Train-KD-Model.py --dataset_name glyphs --num_epoch 2"


def test_a_run_on_other_classes_is_refused(copied):
    file = copied[0] / "data" / "glyphs" / "attributions" / "classes.json"
    classes = json.loads(file.read_text())
    file.write_text(json.dumps(classes | {"family": classes["family"][::-1]}))
    with pytest.raises(StaleError, match="classes"):
        script("E1")(words(copied, "--method", "unchanged", "--overwrite", "True"))


def test_a_student_of_another_teacher_is_refused(copied):
    task = words(copied, "--student_num_epoch", "2")
    script("D1")([*task, "--inverse_max_itr", "3", "--overwrite", "True"])
    with pytest.raises(StaleError, match="max_itr"):
        script("E1")([*task, "--method", "student"])


def test_saving_the_hits_later_is_no_other_result(copied):
    task = words(copied, "--method", "unchanged")
    place = script("E1")(task)
    assert not place.with_suffix(".csv").exists()
    script("E1")([*task, "--save_result", "True"])
    assert len(place.with_suffix(".csv").read_text().splitlines()) == 10_001


def test_tables_without_their_manifest_are_not_finished(copied):
    (copied[0] / "data" / "glyphs" / "attributions" / "manifest-A1.json").unlink()
    with pytest.raises(UserError, match="no finished preprocessing"):
        script("A2")(["--dataset_name", "glyphs", *copied[1], "--overwrite", "True"])


def test_a2_without_a_name_serves_what_is_prepared(copied, tmp_path_factory):
    attributions = copied[0] / "data" / "glyphs" / "attributions"
    before = (attributions / "query_family_glyphs_test_random.json").read_bytes()
    for file in attributions.glob("*query*"):
        file.unlink()
    assert script("A2")(copied[1]) == attributions
    assert (attributions / "query_family_glyphs_test_random.json").read_bytes() == before
    with pytest.raises(UserError, match="no data set is prepared"):
        script("A2")(["--data_root", str(tmp_path_factory.mktemp("empty"))])


@pytest.mark.parametrize(
    "wrong",
    [["--weight_decay", "-1"], ["--image_size", "2"], ["--seed", str(2**70)], ["--lr", "nan"]],
)
def test_values_that_cannot_work_are_refused(copied, wrong):
    with pytest.raises(UserError):
        script("B1")(words(copied, "--overwrite", "True", *wrong))


@pytest.mark.parametrize("content", ["", "path,family,variant,letter\nx.png,0,0\n", "path,family\n1,2,3,4,5\n6\n"])
def test_a_damaged_table_is_named(copied, content):
    (copied[0] / "data" / "glyphs" / "attributions" / "preprocessed_glyphs_test.csv").write_text(content)
    with pytest.raises(UserError, match="preprocessed_glyphs_test"):
        script("A2")(["--dataset_name", "glyphs", *copied[1], "--overwrite", "True"])


def test_an_engine_answers_as_the_exact_search_does_and_its_recall_is_reported(copied):
    needs("faiss")
    task = words(copied, "--method", "unchanged")
    engine = ["--engine", "faiss-hnsw"]
    with pytest.raises(UserError, match=r"C2\.Build-Index\.py .*--engine faiss-hnsw"):
        script("E1")([*task, *engine])
    folder = script("C2")(words(copied, *engine))
    built = (folder / "gallery.json").read_bytes()
    script("C2")(words(copied, *engine))
    assert (folder / "gallery.json").read_bytes() == built
    (folder / "gallery.json").unlink()
    script("C2")(words(copied, *engine))  # which the message of a damaged gallery says
    shutil.rmtree(next(folder.glob("faiss-hnsw-*")))
    script("C2")(words(copied, *engine))
    with pytest.raises(StaleError, match="hnsw_m"):
        script("C2")(words(copied, *engine, "--hnsw_m", "8"))
    exact, place = script("E1")(task), script("E1")([*task, *engine])
    assert place.name == "unchanged-faiss-hnsw-short200-ef200.json"
    results, expected = json.loads(place.read_text()), json.loads(exact.read_text())
    assert results["engine_recall_at_10"] > 0.99
    assert f"| unchanged, faiss-hnsw (recall {results['engine_recall_at_10']:.3f}) |" in result_table([results])
    assert abs(results["precision_at_10"] - expected["precision_at_10"]) < 0.002
    assert "engine" not in expected
    wider = words(copied, "--method", "best", "--strength", "0.1", *engine, "--shortlist", "400")
    assert json.loads(script("E1")(wider).read_text())["engine_recall_at_10"] > 0.98
    picture = script("E2")([*task[:-2], *engine, "--result_root", str(copied[0] / "result")])
    assert picture.stat().st_size > 10_000


def test_the_library_searches_a_run_through_an_engine(copied):
    needs("faiss")
    from backward_search import open_run

    script("C2")(words(copied, "--engine", "faiss-flat"))
    roots = {"data_root": str(copied[0] / "data"), "weight_root": str(copied[0] / "weight")}
    exact, through = (
        open_run("glyphs", num_epoch=2, **roots, **more) for more in ({}, {"engine": "faiss-flat", "shortlist": 20})
    )
    wish = f"family={exact.labels['family'][0]}"
    for method in ("class_shift", "best"):
        asked = {"method": method} | ({"strength": 0.2} if method == "best" else {})
        expected, found = (one.search(exact.gallery[:20], wish, **asked) for one in (exact, through))
        assert (expected.rows == found.rows).double().mean() > (0.99 if method == "class_shift" else 0.5)
    assert expected.rows.tolist() != found.rows.tolist()  # so few candidates cannot serve best
    picture = next((copied[0] / "data" / "glyphs").rglob("*.png"))
    assert exact.search(exact.embed([picture]), wish, method="best", strength=0.2).rows.shape == (1, 10)


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
    ("best", ["--strength", "0.5", "--shift", "0.8"], {"strength": 0.5, "shift": 0.8}),
    ("best", ["--aim", "context=0.9"], {"aim": "context=0.9"}),
    ("concept_null", ["--strength", "auto"], {"strength": "auto"}),
    ("random", ["--seed", "3"], {"seed": 3}),
]


@pytest.mark.parametrize(("method", "options", "settings"), LIKE_E1, ids=lambda value: str(value))
def test_a_program_finds_the_very_hits_that_e1_writes(trained, opened, method, options, settings):
    searcher, stored = opened
    where = {key: row for row, key in enumerate(searcher.keys)}
    for number, task in enumerate(stored, 1):
        asked = [*words(trained, "--num_condition", str(number)), *options]
        if method == "student":  # that of D1's defaults, but for its epochs
            asked += ["--student_num_epoch", "3"]
            script("D1")(asked)
            searcher.usual = replace(searcher.usual, student=replace(searcher.usual.student, epochs=2))
        place = script("E1")([*asked, "--method", method, "--save_result", "True"])
        with place.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
            written = [row["hit"] for row in csv.DictReader(file)]
        queries = searcher.gallery[[where[query["candidate"]] for query in stored[task]]]
        conditions = [query["condition"] for query in stored[task]]
        found = searcher.search(queries, conditions, method=method, k=10, **settings)
        assert [key for keys in found.keys for key in keys] == written


def test_images_are_added_to_a_gallery_and_removed(copied):
    needs("faiss")
    from backward_search.gallery.engines.index import EngineSettings
    from backward_search.gallery.stored import StoredGallery

    folder = script("C2")(words(copied, "--engine", "faiss-flat"))
    new = copied[0] / "coming" / "new"
    new.mkdir(parents=True)
    test = (copied[0] / "data/glyphs/attributions/preprocessed_glyphs_test.csv").read_text().splitlines()[1:4]
    sources = [copied[0] / "data" / line.split(",")[0].removeprefix("./data/") for line in test]
    for number, source in enumerate(sources):
        shutil.copy(source, new / f"{number}.png")
    leaving = copied[0] / "leaving.txt"
    leaving.write_text("/".join(sources[0].parts[-2:]) + "\n")
    change = words(copied, "--add", str(new.parent), "--remove", str(leaving), "--n_workers", "0")
    assert script("C3")(change) == folder
    stored = StoredGallery.open(folder)
    assert len(stored) == 1792 + 3 - 1
    same = stored.vectors().block(slice(0, 3))
    hits = stored.gallery("faiss-flat", EngineSettings()).search(same, 2)
    assert stored.keys[hits.rows[0, 0]] == "new/0.png"
    assert {stored.keys[row] for row in hits.rows[1].tolist()} >= {"new/1.png"}
    assert hits.similarity[1, 0] > 1 - 1e-5
    with pytest.raises(UserError, match="already"):
        script("C3")(words(copied, "--add", str(new.parent), "--n_workers", "0"))
    leaving.write_text("/".join(sources[1].parts[-2:]) + "\n")
    with pytest.raises(UserError, match="already"):
        script("C3")(change)
    assert len(StoredGallery.open(folder)) == len(stored)  # nothing left, since nothing came
    with pytest.raises(UserError, match=r"0\.png is no text file"):
        script("C3")(words(copied, "--add", str(new / "0.png")))
    with pytest.raises(StaleError, match="3 images added and 1 removed"):
        script("E1")(words(copied, "--method", "unchanged", "--engine", "faiss-flat"))


def test_a_killed_distillation_ends_with_the_same_weights(trained, tmp_path):
    folder, _ = trained
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    task = words(trained, "--num_condition", "2", "--student_num_epoch", "9", "--inverse_max_itr", "10")
    (source,) = (folder / "weight").iterdir()
    shutil.copytree(source, tmp_path / "weight" / source.name, ignore=shutil.ignore_patterns("students", "results"))
    task[task.index("--weight_root") + 1] = str(tmp_path / "weight")
    command = [sys.executable, str(PROJECT / "D1.Train-KD-Model.py"), *task]
    student = tmp_path / "weight" / source.name / "students"
    for kill_after in (1, 3):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=alone) as process:
            while process.poll() is None and epochs_done(student) < kill_after:
                time.sleep(0.01)
            process.kill()
        assert process.returncode == -9
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=alone)
    assert "going on after epoch" in done.stdout
    (resumed,) = student.iterdir()
    assert sorted(file.name for file in resumed.iterdir() if ".partial" not in file.name) == [
        "manifest.json",
        "student.safetensors",
    ]
    weights = (resumed / "student.safetensors").read_bytes()
    losses = json.loads((resumed / "manifest.json").read_text())["losses"]
    shutil.rmtree(student)
    subprocess.run(command, capture_output=True, check=True, env=alone)
    assert (resumed / "student.safetensors").read_bytes() == weights
    assert json.loads((resumed / "manifest.json").read_text())["losses"] == losses


def epochs_done(student: Path) -> int:
    """Finished epochs of the only student under way."""
    for file in student.glob("*/checkpoint.safetensors"):
        return len(load_tensors(file)[0]["losses"])
    return 0


def test_the_manifold_solver_is_evaluated_distilled_and_drawn(trained):
    task = words(trained, "--num_condition", "2", "--inverse_solver", "manifold", "--target_probability", "0.7")
    student = [*task, "--student_num_epoch", "3"]
    script("D1")(student)
    places = [script("E1")(task), script("E1")([*student, "--method", "student"])]
    assert [place.name for place in places] == [
        "teacher-manifold0.7.json",
        "student-manifold0.7-epoch2-hidden256-outputresidual-l1.json",
    ]
    result = json.loads(places[0].read_text())
    manifest = json.loads(places[0].with_name("teacher-manifold0.7.manifest.json").read_text())
    assert (result["solver"], result["target_probability"], result["lambda"]) == ("manifold", 0.7, None)
    assert (manifest["settings"]["target_probability"], "train" in manifest["inputs"]) == (0.7, True)
    assert result["share_stopped_early"] > 0.5
    picture = script("E2")([*student, "--path_rows", "2", "--result_root", str(trained[0] / "along")])
    with picture.with_suffix(".csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert {row["method"] for row in rows} >= {"teacher", "student"}
    assert {row["lambda"] for row in rows} == {""}
    with pytest.raises(UserError, match="--sweep is for"):
        script("E1")([*task, "--sweep", "0.1,1"])


def test_the_calibration_that_the_manifold_solver_wants_counts_once_in_the_other_methods(copied):
    (calibration,) = (copied[0] / "weight").glob("*/embeddings/calibration.json")
    content = json.loads(calibration.read_text())
    for each in content.values():
        each["temperature"] = 5.0
    calibration.write_text(json.dumps(content))
    moved, wanted = [], []
    for solver in ("adam", "manifold"):
        task_words = words(copied, "--num_condition", "2", "--inverse_solver", solver)
        options = parse(EvaluateOptions, None, task_words)
        source = run_source(options, opened_run(options))
        task, assembler = task_of(options, source), Assembler(source)
        queries, config = task.query_embeddings(), answer_config(options, "class_shift")
        asked = assembler.asked("class_shift", task.conditioned, queries, task.conditions, config)
        known, ask = asked.known, asked.ask
        moved.append(METHODS["class_shift"]().move(known, ask).embeddings)
        heads = known.calibrated_heads if config.solver.needs_training else known.heads
        wanted.append(heads.logits(queries)[:, :, :4])
    assert torch.equal(moved[0], moved[1])
    assert torch.allclose(wanted[0], wanted[1] * 5, atol=1e-4)


def test_a_calibration_is_that_of_these_weights_or_none(copied):
    (calibration,) = (copied[0] / "weight").glob("*/embeddings/calibration.json")
    before = calibration.read_bytes()
    assert set(json.loads(before)["family"]) == {"temperature", "images", "error", "calibrated_error"}
    calibration.unlink()
    script("C1")(words(copied, "--split", "train"))
    assert calibration.read_bytes() == before  # whether the test split is there or not
    calibration.with_name("train.csv").write_text("key\n")
    script("C1")(words(copied, "--split", "test"))
    assert not calibration.exists()
