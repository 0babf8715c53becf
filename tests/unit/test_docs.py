"""The programs of docs/vectors.md run; the model of another package that one of them needs is played."""

import re
import sys
from types import SimpleNamespace

import pytest
import torch

from backward_search.data.class_vectors import ClassVectors
from backward_search.storage.paths import PROJECT

PAGE = (PROJECT / "docs" / "vectors.md").read_text(encoding="utf-8")
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
