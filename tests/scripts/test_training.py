"""B1 and C1 on a tiny data set: resumption, checkpoints, recipes, several processes, and what they refuse."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).resolve().parents[2]
TESTS = PROJECT / "tests"


def script(prefix: str):
    file = next(PROJECT.glob(f"{prefix}*.py"))
    spec = importlib.util.spec_from_file_location(f"script_{prefix[:2]}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set of 150 images of 16 pixels, 120 for training: bright or dark (light) in one of three colours (shade)."""
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    light, shade = rng.integers(2, size=150), rng.integers(3, size=150)
    images = rng.integers(0, 60, (150, 16, 16, 3), dtype=np.uint8)
    for image, bright, colour in zip(images, light, shade, strict=True):
        image[..., colour] += 60 + 120 * bright
    np.savez(folder / "tiny.npz", images=images, light=light, shade=shade)
    look = ["--image_size", "16", "--augment", "True", "--source", str(folder / "tiny.npz")]
    script("A1.Data-Preprocessing-custom")(["--dataset_name", "tiny", "--data_root", str(folder / "data"), *look])
    return folder


def words(data: Path, where: str, *more: str) -> list[str]:
    roots = ["--data_root", str(data / "data"), "--weight_root", str(data / where)]
    usual = ["--encoder_model", "small_cnn", "--encoding_size", "32", "--num_epoch", "3", "--n_workers", "0"]
    return ["--dataset_name", "tiny", *roots, *usual, *more]


QUICK = ("--batch_size", "20", "--checkpoint_step", "2")


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
    for name in ("model.safetensors", "best.safetensors", "history.csv", "config.json"):
        assert (again / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(again.glob("*checkpoint*")) + list(again.glob("*.partial*"))
