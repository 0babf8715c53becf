"""Arrays that grow in place: what was kept is gone on from, what belongs to others is dropped."""

import errno
import os

import numpy as np
import pytest

from backward_search.console import run_script
from backward_search.files import tensors
from backward_search.files.growing import GrowingArrays


def rows(path, first: int, count: int) -> dict:
    return {path: np.arange(3 * first, 3 * (first + count), dtype=np.float32).reshape(count, 3)}


def test_rows_that_were_kept_are_gone_on_from(tmp_path):
    place = tmp_path / "test.npy"
    first = GrowingArrays({place: (5, 3)}, "same")
    first.write(rows(place, 0, 2))
    first.keep()
    first.write(rows(place, 2, 1))  # written, but not kept: the next process writes it again
    second = GrowingArrays({place: (5, 3)}, "same")
    assert second.done == 2
    second.write(rows(place, 2, 3))
    assert not place.exists()
    second.finish()
    np.testing.assert_array_equal(np.load(place), np.arange(15, dtype=np.float32).reshape(5, 3))
    assert [file.name for file in tmp_path.iterdir()] == ["test.npy"]


@pytest.mark.parametrize(("identity", "shape"), [("other", (5, 3)), ("same", (6, 3))])
def test_rows_of_another_identity_or_shape_are_dropped(tmp_path, identity, shape):
    place = tmp_path / "test.npy"
    first = GrowingArrays({place: (5, 3)}, "same")
    first.write(rows(place, 0, 2))
    first.keep()
    assert GrowingArrays({place: shape}, identity).done == 0


def full(*_arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_noticed_before_anything_is_computed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(SystemExit) as stop:
        run_script(lambda: GrowingArrays({tmp_path / "test.npy": (5, 3)}, "same"))
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line
    assert line.endswith("make room and run the same command again")
    assert not list(tmp_path.iterdir())


def test_weights_that_find_no_room_are_one_line_too(tmp_path, monkeypatch, capsys):
    def refuse(*_arguments):
        raise tensors.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensors, "save_file", refuse)
    with pytest.raises(SystemExit):
        run_script(lambda: tensors.save_tensors(tmp_path / "model.safetensors", {}))
    assert "make room" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
