"""What the project asks for of others: bounded, declared where it is imported, and pinned in the lock file."""

import ast
import importlib.metadata
import re
import sys

import pytest
from audit import PIN
from lowest import bound, of_extras, pins, required
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from backward_search.storage.paths import PROJECT

LOCK = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
PINS = {canonicalize_name(name): version for name, version in PIN.findall(LOCK)}
EXTRAS = [each for asked in of_extras().values() for each in asked]
NAMED_OTHERWISE = {"faiss": "faiss-cpu"}
"""Packages that are named otherwise than their module: what is not installed cannot be asked."""


def imported(folder: str) -> set[str]:
    """The modules outside the standard library that the files below a folder import, wherever in them."""
    found = set()
    for file in (PROJECT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {"backward_search"}


def declared(asked: list[Requirement]) -> set[str]:
    return {canonicalize_name(each.name) for each in asked}


@pytest.mark.parametrize("asked", [*required(), *EXTRAS], ids=str)
def test_everything_has_a_lower_bound_which_it_admits(asked):
    assert asked.specifier.contains(bound(asked))


def test_nothing_is_asked_for_by_two_bounds():
    stated = {}
    for each in [*required(), *EXTRAS]:
        assert stated.setdefault(canonicalize_name(each.name), bound(each)) == bound(each), each


def test_what_is_admitted_at_least_is_pinned_once():
    asked = list(map(Requirement, pins([*required(), *EXTRAS])))
    assert declared(asked) == declared([*required(), *EXTRAS])
    assert len(asked) == len(declared(asked))


@pytest.mark.parametrize("folder", ["src", "tests", "bench"])
def test_what_is_imported_is_asked_for(folder):
    by_module = importlib.metadata.packages_distributions()
    asked = declared([*required(), *EXTRAS])
    own = {file.stem for file in (PROJECT / folder).rglob("*.py")}
    for module in imported(folder) - own:
        given = {canonicalize_name(name) for name in by_module.get(module, [NAMED_OTHERWISE.get(module, module)])}
        assert given & asked, f"{folder} imports {module}, which neither requirements.txt nor an extra asks for"


@pytest.mark.parametrize("asked", required(), ids=str)
def test_the_lock_pins_what_is_required(asked):
    assert asked.specifier.contains(PINS[canonicalize_name(asked.name)])


def test_every_pin_has_hashes_and_no_address():
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", LOCK, flags=re.MULTILINE).strip())
    assert len(entries) == len(PINS) > 30
    for entry in entries:
        assert re.search(r" --hash=sha256:[0-9a-f]{64}$", entry), entry
    assert "://" not in LOCK
    assert "--index" not in LOCK
    assert all(Version(version).local is None for version in PINS.values())
