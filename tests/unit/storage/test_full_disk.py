"""A disk that is full is one line, where possible before anything is computed."""

import shutil
from types import SimpleNamespace

import pytest

from backward_search.cli.console import run_script
from backward_search.storage import tensors
from backward_search.storage.shards import Shards


def free(monkeypatch, count: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=count))


def test_embeddings_that_find_no_room_are_noticed_before_anything_is_computed(tmp_path, monkeypatch, capsys):
    whole = Shards(tmp_path / "shards", (5, 3), batch=2)
    needed = 2 * 5 * 3 * 4  # the shards, and the arrays that they are cut into
    free(monkeypatch, needed)
    whole.claim("same")
    free(monkeypatch, needed - 1)
    with pytest.raises(SystemExit) as stop:
        run_script(lambda: whole.claim("same"))
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line
    assert line.endswith("make room and run the same command again")


def test_weights_that_find_no_room_are_one_line_too(tmp_path, monkeypatch, capsys):
    def refuse(*_arguments):
        raise tensors.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensors, "save_file", refuse)
    with pytest.raises(SystemExit):
        run_script(lambda: tensors.save_tensors(tmp_path / "model.safetensors", {}))
    assert "make room" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
