"""Messages name options that exist, and none that the running script does not have."""

import ast
import re
from dataclasses import fields

import pytest

from backward_search import cli
from backward_search.cli.console import skippable
from backward_search.errors import DataError, UnreadableError
from backward_search.storage.paths import PROJECT

OPTIONS = {each.name for name in cli.__all__ if name.endswith("Options") for each in fields(getattr(cli, name))}
OTHERS = {"help", "help-all", "shm-size"}
"""Of argparse, and of containers."""
NOT_SAID = ("look.py",)
"""Modules of other languages' words."""


def said() -> list[tuple[str, str]]:
    """Every option that a string of the package names, with its place; docstrings are not said."""
    found = []
    for file in sorted((PROJECT / "src").rglob("*.py")):
        if file.name in NOT_SAID:
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                found += [(name, f"{file.name}:{node.lineno}") for name in re.findall(r"--([a-z][\w-]*)", node.value)]
    return found


def test_every_option_that_a_message_names_exists():
    names = said()
    assert len(names) > 100
    assert [(name, place) for name, place in names if name not in OPTIONS | OTHERS] == []


def test_leaving_images_out_is_the_advice_of_scripts_that_can():
    assert not [place for name, place in said() if name == "skip_unreadable" and not place.startswith("console")]
    with pytest.raises(DataError, match="image x cannot be read, or pass --skip_unreadable True") as found, skippable():
        raise UnreadableError("image x cannot be read")
    assert type(found.value) is DataError
