"""The programs of the pages run, with the model of another package played; links and errors are those that exist."""

import ast
import importlib
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from doc_pages import programs_of

from backward_search.data.class_vectors import ClassVectors
from backward_search.storage.paths import PROJECT

PAGE = (PROJECT / "docs" / "vectors.md").read_text(encoding="utf-8")
PAGES = [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").rglob("*.md"))]
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def open_clip(monkeypatch):
    """What the page uses of open_clip, with texts of eight numbers."""
    model = SimpleNamespace(encode_text=lambda tokens: torch.eye(8)[: len(tokens)])
    model.eval = lambda: model
    played = SimpleNamespace(
        create_model_and_transforms=lambda name, pretrained: (model, None, None),
        get_tokenizer=lambda name: list,
    )
    monkeypatch.setitem(sys.modules, "open_clip", played)


def test_the_class_vectors_of_the_page_can_be_read(open_clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(PROGRAMS[0], {})
    found = ClassVectors.read(tmp_path / "style.npz")
    assert found.names == ("Baroque", "Rococo", "Cubism")
    assert found.vectors.shape == (3, 8)


def test_the_search_of_the_page_runs(capsys):
    exec(PROGRAMS[1], {})
    assert len(eval(capsys.readouterr().out)[0]) == 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_links_lead_to_what_is_there(page):
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_promise_names_its_tests():
    promised = (PROJECT / "SECURITY.md").read_text(encoding="utf-8").split("## Promised")[1].split("\n## ")[0]
    promises = re.split(r"\n- ", promised)[1:]
    assert len(promises) > 5
    for promise in promises:
        assert re.search(r"\]\(tests/", promise), promise


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_the_programs_of_a_page_name_what_exists(page):
    for program in programs_of(page):
        for node in ast.walk(ast.parse(program)):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "backward_search":
                module = importlib.import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names), f"{page.name}: {ast.unparse(node)}"


SELF_CONTAINED = ["docs/tutorials/in-my-service.md", "CONTRIBUTING.md"]


@pytest.mark.parametrize(
    ("name", "program"),
    [(name, text) for name in SELF_CONTAINED for text in programs_of(PROJECT / name) if "open_run(" not in text],
)
def test_programs_that_need_no_files_run(name, program, monkeypatch):
    from backward_search.model.encoders import ENCODERS

    monkeypatch.setattr(ENCODERS, "_things", dict(ENCODERS._things))
    exec(program, {})


def anchors(page: Path) -> set[str]:
    """The places within a page, as GitHub and the site name them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_links_lead_to_headings_that_are_there(page):
    for link, part in re.findall(r"\]\((?!https?:)([^)#]*\.md)?#([^)]+)\)", page.read_text(encoding="utf-8")):
        assert part in anchors(page.parent / link if link else page), f"{page.name}: {link}#{part}"


def spoken() -> str:
    """All that the package can say, a line for each piece between what is filled in."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in sorted((PROJECT / "src").rglob("*.py"))]
    constants = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return "\n".join(each.value for each in constants if isinstance(each.value, str))


def threes(line: str) -> list[str]:
    """Three words that follow one another, wherever in a line, but not over what `...` stands for."""
    found = []
    for piece in re.split(r"\S*\.\.\.\S*", line):
        words = piece.split()
        found += [" ".join(words[i : i + 3]) for i in range(len(words) - 2)]
    return found


def test_the_errors_of_the_page_are_those_of_the_code():
    page = (PROJECT / "docs" / "how-to" / "troubleshooting.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(lines) > 25
    said = spoken()
    for line in lines:
        words = threes(line.removeprefix("error: "))
        known = [each for each in words if each in said]
        assert len(known) >= max(1, 0.67 * len(words)), f"{line}: {set(words) - set(known)}"
