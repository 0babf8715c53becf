"""The numbered scripts, in order, on the demo data set with a short training."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from demo_run import words
from scripts_by_name import script

from backward_search.cli import EvaluateOptions, parse
from backward_search.errors import StaleError, UserError

PROJECT = Path(__file__).resolve().parents[2]


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
    assert all(candidate != hit for _, candidate, _, hit, *_ in hits)


def test_a_second_run_does_nothing_and_other_settings_are_refused(trained):
    (run,) = (trained[0] / "weight").iterdir()
    before = (run / "model.safetensors").stat().st_mtime_ns
    script("B1")(words(trained, "--batch_size", "256"))
    assert (run / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(StaleError, match="batch_size"):
        script("B1")(words(trained, "--batch_size", "128"))


def test_what_is_missing_is_named_with_its_remedy(tmp_path):
    with pytest.raises(UserError, match="run A1"):
        script("A2")(["--dataset_name", "glyphs", "--data_root", str(tmp_path)])
    with pytest.raises(UserError, match="run B1"):
        script("C1")(["--dataset_name", "glyphs", "--weight_root", str(tmp_path)])


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
