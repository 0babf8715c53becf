"""`python -m backward_search`, and the folder of the package run in its place."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backward_search.__main__ import main
from backward_search.cli.console import NEXT, run_script
from backward_search.errors import DataError, OptionError
from backward_search.stages import demo
from backward_search.storage.paths import PROJECT


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_it_lists_its_commands(words, capsys):
    main(words)
    assert re.search(r"^  demo  ", capsys.readouterr().out, re.MULTILINE)


def test_another_command_is_refused():
    with pytest.raises(OptionError, match="there is no command train: demo is one"):
        main(["train"])


def test_the_folder_of_a_clone_can_be_run_without_an_installation(tmp_path):
    setting = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [sys.executable, str(PROJECT / "src" / "backward_search"), "demo", "--help"]
    done = subprocess.run(words, cwd=tmp_path, env=setting, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: python -m backward_search demo [options]\n")


def test_make_calls_it():
    (recipe,) = re.findall(r"^demo:.*\n((?:\t.*\n)+)", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe == "\t$(BIN)/python src/backward_search demo\n"


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """What each step was asked, in place of its work; the third can be made to fail."""
    asked, failing = [], []

    def work(options):
        asked.append(options)
        demo.LOG.info("next: python X1.py", extra=NEXT)
        if len(asked) == 3 and failing:
            raise failing[0]
        return Path("x.png")

    monkeypatch.setattr(demo, "STEPS", tuple(replace(step, work=work) for step in demo.STEPS))
    return asked, failing


def words_of(folder, *more):
    roots = [word for name in ("data", "weight", "result") for word in (f"--{name}_root", str(folder / name))]
    return ["demo", *roots, *more]


def test_the_steps_are_the_scripts_with_the_roots_of_the_demo(steps, tmp_path, capsys):
    main(words_of(tmp_path, "--quick"))
    asked, _ = steps
    assert len(asked) == len(demo.STEPS)
    assert all((PROJECT / step.script).is_file() for step in demo.STEPS)
    assert {each.data_root for each in asked} == {str(tmp_path / "data")}
    assert {each.num_epoch for each in asked if hasattr(each, "num_epoch")} == {2}
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said if re.match(r"\d+ of 12: ", line)] == [
        f"{n} of 12" for n in range(1, 13)
    ]
    assert f"python A1.Data-Preprocessing-glyphs.py --data_root {tmp_path}/data" in said  # which has no --dataset_name
    assert f"python A2.Query-Generating.py --dataset_name glyphs --data_root {tmp_path}/data" in said
    (following,) = [line for line in said if line.startswith("next: ")]
    assert following == said[-1]
    assert following.startswith("next: python F1.Search-Explorer.py --data_root ")
    assert "E1.Model-Evaluation.py --dataset_name glyphs" in next((tmp_path / "weight").rglob("run.log")).read_text()


def test_it_stops_at_the_first_failure_with_its_exit_code(steps, tmp_path, capsys):
    asked, failing = steps
    failing.append(DataError("three is bad"))
    with pytest.raises(SystemExit) as ended:
        run_script(lambda: main(words_of(tmp_path)))
    assert ended.value.code == 2
    assert len(asked) == 3
    said = capsys.readouterr()
    assert said.err == "error: three is bad\n"
    assert "4 of 12" not in said.out


def test_without_the_scripts_it_names_none_of_them(steps, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "PROJECT", tmp_path)
    main(words_of(tmp_path))
    said = capsys.readouterr().out
    assert "12 of 12: Draw what is found" in said
    assert ".py" not in said


@pytest.mark.slow
def test_an_installed_package_runs_it_and_skips_what_is_done(tmp_path):
    """With the package alone: without the scripts, below the working directory."""
    here = tmp_path / "here"
    here.mkdir()
    shutil.copytree(PROJECT / "src", tmp_path / "lib" / "site", ignore=shutil.ignore_patterns("__pycache__"))
    setting = {**os.environ, "PYTHONPATH": str(tmp_path / "lib" / "site"), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "backward_search", "demo", "--quick"]
    first, second = (
        subprocess.run(words, cwd=here, env=setting, capture_output=True, text=True, check=False) for _ in range(2)
    )
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert list(here.glob("result/*/query_3.png"))
    assert "nothing to do" not in first.stdout
    assert second.stdout.count("nothing to do") >= len(demo.STEPS) - 1  # the figure is drawn again
    assert [line for line in first.stdout.splitlines() if len(line) > 100 and "/" not in line] == []
