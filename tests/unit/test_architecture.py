"""The rooms of the package are those of docs/architecture.md, and imports go down its table."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from backward_search.storage.paths import PROJECT

PACKAGE = PROJECT / "src" / "backward_search"
PAGE = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
FLOORS = [re.findall(r"`(\w+)`", row) for row in ROWS]
"""From the top."""
ROOMS = {room: number for number, floor in enumerate(FLOORS) for room in floor}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(file: Path) -> list[tuple[int, str]]:
    """The modules of the package that a module imports, wherever in it, with the line."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "backward_search":
            found += [(node.lineno, f"backward_search.{name.name}") for name in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("backward_search."):
            found.append((node.lineno, node.module))
        elif isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names if name.name.startswith("backward_search")]
    return found


def test_every_room_is_in_the_table():
    assert {room_of(file) for file in MODULES} - {"__init__"} == set(ROOMS)


def test_imports_go_down_the_table():
    wrong = []
    for file in MODULES:
        own = room_of(file)
        for line, module in imported(file):
            room = module.split(".")[1]
            if own in ("__init__", room) or room == "__version__":
                continue
            if ROOMS[room] <= ROOMS[own]:
                wrong.append(f"{file.relative_to(PROJECT)}:{line} imports {module}, from a room above or beside it")
    assert not wrong


def test_no_modules_import_each_other_in_a_circle():
    edges = defaultdict(set)
    for file in MODULES:
        name = ".".join(("backward_search", *file.relative_to(PACKAGE).with_suffix("").parts))
        edges[name] = {module for _, module in imported(file) if module != name}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"a circle: {' -> '.join((*above[above.index(name) :], name))}"
        if name not in done:
            for following in sorted(edges.get(name, ())):
                visit(following, (*above, name))
            done.add(name)

    for name in sorted(edges):
        visit(name, ())


@pytest.mark.parametrize("room", sorted(set(ROOMS) - {"cli", "stages"}))
def test_no_room_but_two_knows_options(room):
    for file in (file for file in MODULES if room_of(file) == room):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.arg):
                annotation = "" if node.annotation is None else ast.unparse(node.annotation)
                assert node.arg != "options", f"{file}:{node.lineno}"
                assert not re.search(r"\w+Options\b", annotation), f"{file}:{node.lineno}"


def test_nobody_asks_for_a_solver_a_method_or_an_engine_by_its_name():
    """Where something depends on which one it is, the object says so; an option may speak of one that it belongs to."""
    names = "adam|manifold|teacher|student|best|concept_null|class_shift|faiss-flat|faiss-ivfpq|faiss-hnsw|milvus"
    asking = re.compile(rf"(?:==|!=) \"(?:{names})\"|\"(?:{names})\" (?:==|!=)")
    allowed = {"cli", "stages"}
    found = [
        f"{file.relative_to(PROJECT)}:{number}"
        for file in MODULES
        if room_of(file) not in allowed and "engines" not in file.parts
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if asking.search(line)
    ]
    assert not found


@pytest.mark.parametrize("room", ["methods", "solvers", "conditions", "gallery", "student", "library", "runs"])
def test_what_answers_does_not_time_itself(room):
    for file in (file for file in MODULES if room_of(file) == room):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"^import time|perf_counter|cuda\.synchronize", text, re.MULTILINE), file
