"""Every E1 command of the description, as written, on small folders in the real formats; and what E1 refuses.

The commands run in a copy of the project whose `data` holds what A1 and A2 make of small raw folders. E1 reads heads,
embeddings and students alone, so the runs and students that B1, C1 and D1 would leave are put in place, untrained.
"""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from raw_apy import write_apy
from raw_cub import write_cub
from raw_wikiart import write_wikiart
from test_description_d1 import lay_run, one_thread
from test_training import script

from backward_search.cli import DistillOptions, parse
from backward_search.cli.console import run_script
from backward_search.cli.translation import opened_run, solver, student_choice
from backward_search.runs.students import student_paths
from backward_search.stages.distill import student_stage
from backward_search.storage.hashing import file_hash
from backward_search.storage.tensors import load_tensors, save_tensors
from backward_search.student.network import Student

PROJECT = Path(__file__).resolve().parents[2]
E1 = "python E1.Model-Evaluation.py --encoder_model convnext_base --encoding_size 256"
WIKIART = f"{E1} --dataset_name wikiart --category_type stylegenre"
TEACHER = [
    f"{E1} --dataset_name CUB --category_type birds --inverse_lambda 0.51",
    f"{E1} --dataset_name APY --category_type category --inverse_lambda 0.7",
    f"{WIKIART} --num_condition 1 --inverse_lambda 1.1",
    f"{WIKIART} --num_condition 2 --inverse_lambda 3.2",
]
STUDENT = [f"{command} --evaluation_distill True" for command in TEACHER]
TASKS = [("CUB", "birds"), ("APY", "category"), ("wikiart", "style"), ("wikiart", "style-genre")]
QUERIES = 30
ALL_IN_ONE = """
import runpy, shlex, sys
for command in sys.argv[1:]:
    words = shlex.split(command)
    assert words[0] == "python"
    print("RUN", command, flush=True)
    sys.argv = words[1:]
    runpy.run_path(words[1], run_name="__main__")
"""
"""Runs commands one after the other, so that torch is imported once."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(PROJECT / "E1.Model-Evaluation.py", folder)
    shutil.copytree(PROJECT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    data = folder / "data"
    write_cub(data / "CUB", classes=4, attributes=40)
    write_apy(data / "APY", classes=4, train=40, test=80)
    write_wikiart(data / "wikiart", images=450, styles=2, genres=2)
    for name in ("CUB", "APY", "wikiart"):
        script(f"A1.Data-Preprocessing-{name}")(["--data_root", str(data)])
        script("A2")(["--dataset_name", name, "--data_root", str(data), "--num_queries", str(QUERIES)])
    for command in TEACHER[:3]:
        lay_run(folder, command)
    for command in TEACHER:
        lay_student(options_of(folder, command))
    return folder


def options_of(project: Path, command: str) -> DistillOptions:
    roots = ["--data_root", str(project / "data"), "--weight_root", str(project / "weight")]
    return parse(DistillOptions, "", [*shlex.split(command)[2:], *roots])


def lay_student(options: DistillOptions) -> Path:
    """What D1 leaves, untrained."""
    run = opened_run(options)
    torch.manual_seed(0)
    classes = [len(run.classes[name]) for name in options.conditioned]
    student = Student(256, classes, student_choice(options).shape)
    paths = student_paths(run, options.conditioned, solver(options), student_choice(options))
    save_tensors(paths.weights, student.state_dict())
    student_stage(run, options).finish()
    return paths.folder


@pytest.fixture(scope="module")
def said(project):
    """By command what it printed."""
    words = [sys.executable, "-c", ALL_IN_ONE, *TEACHER, *STUDENT]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False, env=one_thread())
    assert done.returncode == 0, done.stderr
    parts = [part.partition("\n") for part in done.stdout.split("RUN ")[1:]]
    return {command: text for command, _, text in parts}


@pytest.mark.parametrize(("command", "task"), [*zip(TEACHER, TASKS, strict=True), *zip(STUDENT, TASKS, strict=True)])
def test_its_commands_run_as_written(project, said, command, task):
    name, conditioned = task
    options = options_of(project, command.removesuffix(" --evaluation_distill True"))
    method = "student" if command in STUDENT else "teacher"
    run = opened_run(options).paths
    place = run.folder / "results" / conditioned / f"{method}-lambda{options.inverse_lambda}.json"
    results = json.loads(place.read_text())
    assert (results["dataset"], "-".join(results["task"]), results["method"]) == (name, conditioned, method)
    assert (results["lambda"], results["protocol"], results["num_queries"]) == (
        float(command.split("--inverse_lambda ")[1].split()[0]),
        "paper",
        QUERIES,
    )
    assert {"precision_at_10", "map_at_10", "mts_at_10", "mts_at_10_std"} <= results.keys()
    assert (results["gradient_evaluations"] > 0) == (method == "teacher")
    queries = project / "data" / name / "attributions" / f"query_{conditioned}_{name}_test_random.json"
    assert (
        f"paper protocol; {method} with lambda {options.inverse_lambda:g}; "
        f"weights {run.weights} ({file_hash(run.weights)[:8]}); {QUERIES} queries of {queries}"
    ) in run.log.read_text()
    lines = said[command].splitlines()
    assert lines[0].startswith(
        f"Evaluate {method} on {name}, conditions on {conditioned.replace('-', '+')}: {QUERIES} "
    )
    assert all(len(line) <= 100 for line in lines if "/" not in line and not line.startswith("next: "))
    (row,) = [line for line in lines if line.startswith(f"{method} ")]
    assert f"lambda {options.inverse_lambda}" in row
    assert lines[-1].startswith("next: python E2.Model-Query-Visualization.py ")


@pytest.fixture
def copied(project, tmp_path):
    for part in ("data/APY/attributions", "weight"):
        shutil.copytree(project / part, tmp_path / part, ignore=shutil.ignore_patterns("CIR*CUB*", "CIR*wikiart*"))
    return tmp_path


def refused(folder: Path, capsys, *more: str) -> str:
    """The one line with which E1 refuses aPY's command and further words, with exit code 2."""
    roots = ["--data_root", str(folder / "data"), "--weight_root", str(folder / "weight")]
    words = [*shlex.split(TEACHER[1])[2:], *roots, *more]
    with pytest.raises(SystemExit) as left:
        run_script(lambda: script("E1")(words))
    assert left.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def rewrite_queries(folder: Path, change) -> None:
    file = folder / "data" / "APY" / "attributions" / "query_category_APY_test_random.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_queries_of_another_data_set_are_refused(project, copied, capsys):
    theirs = project / "data" / "CUB" / "attributions" / "query_birds_CUB_test_random.json"
    ours = copied / "data" / "APY" / "attributions" / "query_category_APY_test_random.json"
    shutil.copy(theirs, ours)
    assert "query_category_APY_test_random.json is not as A2 left it" in refused(copied, capsys, "--overwrite", "True")
    ours.with_name(f"manifest-{ours.stem}.json").unlink()
    line = refused(copied, capsys, "--overwrite", "True")
    assert "holds queries of another task: run A2.Query-Generating.py --dataset_name APY" in line


def test_embeddings_of_other_weights_are_refused(copied, capsys):
    (weights,) = copied.glob("weight/*/model.safetensors")
    tensors, _ = load_tensors(weights)
    save_tensors(weights, {name: value + 1 for name, value in tensors.items()})
    line = refused(copied, capsys, "--overwrite", "True")
    assert "the weights changed since" in line
    assert "manifest-C1-test.json was written: run C1.ModelTest.py" in line


def test_a_student_of_another_lambda_is_refused(copied, capsys):
    more = ("--method", "student", "--inverse_lambda", "0.9")
    assert "no student of lambda 0.9" in refused(copied, capsys, *more)
    (folder,) = copied.glob("weight/*/students/category-lambda0.7-*")
    folder.rename(folder.with_name(folder.name.replace("0.7", "0.9")))
    line = refused(copied, capsys, *more)
    assert "learnt from a teacher of other lambda_: run D1.Train-KD-Model.py" in line


def test_more_hits_than_images_are_refused(copied, capsys):
    assert "--search_topk 81 is more than the 80 images" in refused(copied, capsys, "--search_topk", "81")


def test_an_unknown_label_is_refused_with_the_nearest_known(copied, capsys):
    line = refused(copied, capsys, "--condition", "category=aeroplan")
    assert "'aeroplan' does not exist: did you mean aeroplane?" in line

    def misspell(content):
        content["queries"][0]["condition"]["category"] = "bycicle"

    rewrite_queries(copied, misspell)
    (manifest,) = (copied / "data" / "APY" / "attributions").glob("manifest-query_category*.json")
    manifest.unlink()  # the queries are the user's own
    assert "'bycicle' does not exist: did you mean bicycle?" in refused(copied, capsys, "--overwrite", "True")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "student", "--search_random", "True"), "disagree: random, student"),
        (("--num_condition", "2"), "the category type has 1 (category)"),
        (("--sweep", "0.1,0.5", "--method", "unchanged"), "--sweep is for the teacher"),
    ],
)
def test_options_that_contradict_are_refused(copied, capsys, words, message):
    assert message in refused(copied, capsys, *words)
