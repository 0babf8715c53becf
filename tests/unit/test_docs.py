"""The programs of docs/vectors.md run, with the model of another package played; links lead somewhere."""

import re
import sys
from types import SimpleNamespace

import pytest
import torch

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
