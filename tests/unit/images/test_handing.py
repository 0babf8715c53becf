"""Images from worker processes: through pipes where shared memory is too small, and an error where one dies."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backward_search.data.registry import Preprocessing
from backward_search.errors import UserError
from backward_search.images.handing import has_room, watched
from backward_search.images.loading import ImageLoader, ImageRows

LOOK = Preprocessing(size=8)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    places = [tmp_path / f"{number}.png" for number in range(6)]
    for place in places:
        Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(place)
    return places


def loader(files, workers):
    return ImageLoader(files, {"kind": np.arange(len(files))}, LOOK, batch_size=3, workers=workers, keep=False)


def free(monkeypatch, size):
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(size, 0, size))


def test_room_is_what_is_free_with_some_to_spare(monkeypatch, caplog):
    free(monkeypatch, 100 * 2**20)
    assert has_room(70 * 2**20)
    assert not caplog.records
    assert not has_room(90 * 2**20)
    (record,) = caplog.records
    assert "shared memory has 100 MB free and the images under way need 91" in record.getMessage()


def test_without_room_the_same_images_come_through_pipes(files, monkeypatch, caplog):
    expected = [batch.pixels for batch in loader(files, 0).epoch()]
    free(monkeypatch, 2**10)
    without = loader(files, 1)
    found = [batch.pixels for batch in without.epoch()]
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert without._ring is None
    assert sum("go through pipes" in record.getMessage() for record in caplog.records) == 1


def test_a_process_alone_needs_no_shared_memory(files, monkeypatch, caplog):
    free(monkeypatch, 0)
    assert len(list(loader(files, 0).epoch())) == 2
    assert not caplog.records


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not of Windows")
@pytest.mark.parametrize("death", ["SIGKILL", "SIGBUS"])
def test_a_process_that_dies_is_one_line_within_seconds(files, monkeypatch, death):
    here = os.getpid()

    def die(self, place):
        if os.getpid() != here:
            signal.signal(getattr(signal, death), signal.SIG_DFL) if death != "SIGKILL" else None
            os.kill(os.getpid(), getattr(signal, death))

    monkeypatch.setattr(ImageRows, "__getitem__", die)
    start = time.monotonic()
    with pytest.raises(UserError, match=r"a process that decodes images was killed.*smaller --n_workers"):
        list(loader(files, 1).epoch())
    assert time.monotonic() - start < 10


def test_other_errors_are_not_taken_for_it():
    def fail():
        yield 1
        raise RuntimeError("of another kind")

    with pytest.raises(RuntimeError, match="of another kind"):
        list(watched(fail()))


STARTER = """
import multiprocessing, os, signal, sys, time
from backward_search.images.handing import end_with_parent

def work(delay, place):
    time.sleep(delay)  # the first of them begins when its parent has long been killed
    end_with_parent()
    open(f"{place}{os.getpid()}", "w").close()
    time.sleep(60)

if __name__ == "__main__":
    method, place = sys.argv[1:]
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=work, args=(delay, place)) for delay in (3.0, 0.0)]
    for process in processes:
        process.start()
    print(*(process.pid for process in processes), flush=True)
    while not os.path.exists(f"{place}{processes[1].pid}"):
        time.sleep(0.05)
    time.sleep(1.5)
    assert processes[1].is_alive()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_processes_end_with_the_one_that_started_them_and_not_before(tmp_path, method):
    (tmp_path / "starter.py").write_text(STARTER)
    words = [sys.executable, str(tmp_path / "starter.py"), method, f"{tmp_path}/"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def alive(pid: int) -> bool:
    """Whether a process works; a dead one that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
