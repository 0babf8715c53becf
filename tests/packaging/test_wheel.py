"""The wheel: it holds the whole package, runs what the README shows, and is typed, where nothing else is."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from backward_search.storage.paths import PROJECT

pytestmark = pytest.mark.slow
PACKAGE = PROJECT / "src"

OUTSIDE = """
import numpy as np
import torch
from backward_search import Adam, Condition, Found, Manifold, Not, Searcher, Weighted, open_run

head = torch.nn.Linear(8, 2)
searcher = Searcher({"style": head}, {"style": ["a", "b"]}, np.zeros((3, 8), np.float32) + 1, keys=["x", "y", "z"])
condition: Condition = {"style": Weighted(Not("a"), 2)}
found: Found = searcher.search(np.ones(8), condition, method="teacher", solver=Adam(0.5), k=2)
scores: torch.Tensor = found.scores
names: list[str] = searcher.methods()
solver = Manifold(0.9)
opened: Searcher = open_run("glyphs", num_epoch=2)
"""
WRONG = """
from backward_search import Searcher

def ask(searcher: Searcher) -> int:
    return searcher.search([0.0], "a=b", k="ten")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=PROJECT, capture_output=True, text=True
    )
    if tracked.returncode:
        pytest.skip("the project is no git checkout, whose files a wheel is made of")
    for name in tracked.stdout.splitlines():
        if name.startswith(("src/", "README", "LICENSE", "pyproject", "requirements")) and (PROJECT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((PROJECT / name).read_bytes())
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(source),
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(folder),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "No module named 'setuptools'" in done.stderr or "Cannot import 'setuptools" in done.stderr:
        pytest.skip("needs setuptools, which builds the wheel: pip install setuptools")
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel):
    """A folder with the unpacked wheel, and nothing else of the project."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "installed")
    return wheel.parent / "installed"


def alone(installed: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(installed), "MYPYPATH": str(installed)}


def test_it_holds_every_module_and_says_that_it_is_typed(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert "backward_search/py.typed" in held
    assert {file.relative_to(PACKAGE).as_posix() for file in PACKAGE.glob("backward_search/**/*.py")} <= held


def test_the_extras_are_those_of_the_readme(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        text = archive.read(name).decode()
    extras = set(re.findall(r"^Provides-Extra: (.+)$", text, re.MULTILINE))
    for_some = {"faiss", "milvus", "onnx", "timm", "lite", "photos", "heic", "web", "download"}
    assert extras == for_some | {"all", "dev", "browser", "docs", "fuzz", "release"}
    assert "Requires-Python: >=3.11" in text


def test_the_programs_of_the_readme_run_on_it(installed, tmp_path):
    programs = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert programs
    for program in programs:
        where = "import backward_search\nassert 'installed' in backward_search.__file__\n"
        words = [sys.executable, "-c", where + program]
        done = subprocess.run(words, cwd=tmp_path, env=alone(installed), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_an_outside_project_is_checked_against_its_types(installed, tmp_path):
    pytest.importorskip("mypy", reason="needs mypy: pip install '.[dev]'")
    for name, text in (("good.py", OUTSIDE), ("bad.py", WRONG)):
        (tmp_path / name).write_text(text)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache")]
    words = [*mypy, "good.py", "bad.py"]
    done = subprocess.run(words, cwd=tmp_path, env=alone(installed), capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert not [line for line in lines if line.startswith("good.py")], done.stdout
    said = [line for line in lines if line.startswith("bad.py:5")]
    assert any("k" in line and "int" in line for line in said), done.stdout
    assert any("Incompatible return value" in line for line in said), done.stdout
