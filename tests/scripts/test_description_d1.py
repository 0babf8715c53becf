"""Every D1 command of the description, as written, on small folders in the real formats.

The commands run in a copy of the project whose `data` holds what A1 makes of small raw folders. D1 reads heads and
embeddings alone, so the runs that B1 and C1 would leave are put in place with random ones.
"""

import json
import os
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

from backward_search.cli import EmbedOptions, parse
from backward_search.cli.translation import run_name, run_paths
from backward_search.data.prepared import load_table
from backward_search.model.network import Head, ModelConfig
from backward_search.runs.run import config_json
from backward_search.storage.atomic import write_array, write_csv, write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.tensors import load_tensors, save_tensors

PROJECT = Path(__file__).resolve().parents[2]
COMMON = "python D1.Train-KD-Model.py --encoder_model convnext_base --encoding_size 256"
COMMANDS = {
    "CUB": [f"{COMMON} --dataset_name CUB --category_type birds --inverse_lambda 0.51"],
    "APY": [f"{COMMON} --dataset_name APY --category_type category --inverse_lambda 0.7"],
    "wikiart": [
        f"{COMMON} --dataset_name wikiart --category_type stylegenre --inverse_lambda 1.1",
        f"{COMMON} --dataset_name wikiart --category_type stylegenre --num_condition 2 --inverse_lambda 3.2",
    ],
}
SMALL = "--student_num_epoch 3"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    copy = tmp_path_factory.mktemp("project")
    for script in PROJECT.glob("[A-E][0-9].*.py"):
        shutil.copy(script, copy)
    shutil.copytree(PROJECT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def run(project: Path, command: str) -> str:
    words = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False, env=one_thread())
    assert done.returncode == 0, done.stderr
    return done.stdout


def one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}  # these tensors are small, and other tests run beside


def lay_run(project: Path, command: str) -> Path:
    """What B1 and C1 leave, with random heads and embeddings."""
    words = [word for word in shlex.split(command)[2:] if word != "--inverse_lambda"]
    kept = words[: words.index("--category_type") + 2]
    roots = ["--data_root", str(project / "data"), "--weight_root", str(project / "weight")]
    options = parse(EmbedOptions, "", [*kept, *roots])
    paths, entry = run_paths(options), options.entry
    tables = {split: load_table(options.data, entry, split) for split in ("train", "test")}
    classes = {name: tables["train"].classes[name] for name in options.attributes}
    torch.manual_seed(0)
    heads = torch.nn.ModuleDict({name: Head(256, len(labels)) for name, labels in classes.items()})
    save_tensors(paths.weights, {f"heads.{name}": value for name, value in heads.state_dict().items()})
    sizes = {name: len(labels) for name, labels in classes.items()}
    model = ModelConfig(options.encoder_model, options.encoding_size, sizes, 224)
    write_json(paths.config, config_json(run_name(options), model, entry.preprocessing, classes))
    for split, table in tables.items():
        write_array(paths.embeddings(split), torch.tanh(torch.randn(len(table), 256)).numpy())
        write_csv(paths.rows(split), ["key"], ([key] for key in table.keys))
    inputs = {split: options.data.table(split) for split in tables} | {"classes": options.data.classes}
    Stage("B1", paths.manifest("B1"), {}, inputs, [paths.weights]).finish()
    for split in tables:
        place = paths.embedding_manifest(split)
        Stage("C1", place, {}, {"weights": paths.weights}, [paths.embeddings(split)]).finish()
    return paths.folder


RAW = {
    "CUB": lambda folder: write_cub(folder, classes=5, images_per_class=10),
    "APY": lambda folder: write_apy(folder, classes=4, train=30, test=20),
    "wikiart": lambda folder: write_wikiart(folder, images=90),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_its_commands_run_as_written(project, name):
    RAW[name](project / "data" / name)
    run(project, f"python A1.Data-Preprocessing-{name}.py")
    folder = lay_run(project, COMMANDS[name][0])
    for command in COMMANDS[name]:
        assert "next: python E1.Model-Evaluation.py" in run(project, f"{command} {SMALL}")
    students = sorted((folder / "students").iterdir(), key=lambda student: settings_of(student)["lambda_"])
    assert len(students) == len(COMMANDS[name])
    classes = json.loads((folder / "config.json").read_text())["model"]["classes"]
    for student, command in zip(students, COMMANDS[name], strict=True):
        settings = settings_of(student)
        assert settings["lambda_"] == float(command.split()[-1])
        assert settings["epochs"] == 2
        width = 256 + sum(classes[attribute] for attribute in settings["conditioned"])
        assert load_tensors(student / "student.safetensors")[0]["0.weight"].shape == (128, width)
        assert not (student / "checkpoint.safetensors").exists()


def settings_of(student: Path) -> dict:
    return json.loads((student / "manifest.json").read_text())["settings"]
