"""Students and the manifold solver: killed, resumed, calibrated."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from demo_run import words
from rerecorded import rerecord
from scripts_by_name import script
from tiny_set import tiny_set
from tiny_set import words as tiny_words

from backward_search.cli import EvaluateOptions, parse
from backward_search.cli.translation import answer_config, opened_run, run_source, task_of
from backward_search.errors import UserError
from backward_search.methods.assembler import Assembler
from backward_search.methods.registry import METHODS
from backward_search.storage.tensors import load_tensors

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A run on a tiny data set, on which an epoch of distillation takes no time."""
    folder = tiny_set(tmp_path_factory.mktemp("tiny"))
    script("B1")(tiny_words(folder, "weight"))
    script("C1")(tiny_words(folder, "weight"))
    return folder


def test_a_killed_distillation_ends_with_the_same_weights(tiny):
    command = [sys.executable, str(PROJECT / "D1.Train-KD-Model.py")]
    command += tiny_words(tiny, "weight", "--num_condition", "2", "--student_num_epoch", "100")
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    (run,) = (tiny / "weight").iterdir()
    student = run / "students"
    for kill_after in (15,):
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
    rerecord(calibration.parents[1] / "manifest-C1-calibration.json", calibration)
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
