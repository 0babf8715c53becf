"""What the README shows runs, and what it names exists."""

import re

import pytest

from backward_search.storage.paths import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_program_of_the_readme_runs(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(program, {})
    assert capsys.readouterr().out.startswith("[17, ")  # as the program says


def test_the_readme_is_short():
    assert len(README.split()) <= 1200


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"\b[A-F]\d\.[\w.-]+?\.py\b|\brequirements[\w-]*\.(?:txt|lock)\b", README)))
)
def test_scripts_and_requirements_of_the_readme_exist(name):
    assert (PROJECT / name).exists()


def test_every_script_is_in_the_readme():
    for script in PROJECT.glob("[A-Z][0-9].*.py"):
        assert script.name in README or script.name.startswith("A1."), script.name
