"""The options are the interface: each script has those of `interface.txt`, defined once, in groups of depth two."""

import inspect
import os
import re
import subprocess
import sys
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

import pytest

from backward_search import cli
from backward_search.cli.definition import check, option
from backward_search.errors import OptionError
from backward_search.storage.paths import PROJECT

KINDS = [getattr(cli, name) for name in cli.__all__ if name.endswith("Options")]


def described(kind: type) -> list[str]:
    lines = []
    for each in fields(kind):
        if each.metadata.get("further"):
            continue
        default = "" if each.default is MISSING else f"={each.default!r}"
        default = "=<data set>" if each.metadata["of_dataset"] else default
        lines.append(each.name + ("=<cores>" if each.name == "n_workers" else default))
    return lines


def interface() -> dict[str, list[str]]:
    """By class the options that are written down: a line with script and class, then an indented one for each."""
    text = (Path(__file__).parent / "interface.txt").read_text(encoding="utf-8")
    blocks = [block.splitlines() for block in re.split(r"\n(?=\S)", text.strip())]
    return {head.split()[1]: [line.strip() for line in lines] for head, *lines in blocks}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_names_defaults_and_order_are_those_written_down(kind):
    assert described(kind) == interface()[kind.__name__]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_chain_is_deeper_than_two(kind):
    assert all(group.__bases__ == (object,) for group in kind.__bases__)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_option_has_one_definition(kind):
    """Where a script states an option of a group anew, it says something of its own."""
    shared = {each.name: each for group in kind.__bases__ for each in fields(group)}
    again = [each for each in fields(kind) if each.name in inspect.get_annotations(kind) and each.name in shared]
    assert all(each.metadata["help"] != shared[each.name].metadata["help"] for each in again)


def test_every_group_checks_its_own():
    said = []

    @dataclass(frozen=True)
    class First:
        a: int = option("a", 1)

        def check(self):
            said.append("first")

    @dataclass(frozen=True)
    class Second:
        b: float = option("b", 1.0)

        def check(self):
            said.append("second")

    @dataclass(frozen=True)
    class Both(First, Second):
        def check(self):
            said.append("both")

    check(Both())
    assert said == ["second", "first", "both"]
    with pytest.raises(OptionError, match="--b nan is not a finite number"):
        check(Both(b=float("nan")))


def test_the_room_is_light():
    code = "import sys, backward_search.cli; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT / "src", check=True)
    assert said.stdout.strip() == "False"


@pytest.mark.parametrize("before", [None, "ACTIVE"])
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(before):
    program = "import os, sys, backward_search.cli; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    setting = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    setting |= {"OMP_WAIT_POLICY": before} if before else {}
    done = subprocess.run([sys.executable, "-c", program], env=setting, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [before or "PASSIVE", "False"]
