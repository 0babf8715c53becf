"""Disks that are full, read-only, linked or gone: one line, nothing lost, and the same results once they are back."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pipeline import PIPELINE, READERS, content

pytestmark = pytest.mark.faults
KIB = 1024


def mount(place: Path, *words: str) -> bool:
    return subprocess.run(["mount", *words, str(place)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() or not mount(place, "-t", "tmpfs", "-o", "size=64m", "tmpfs"):
        pytest.skip("only root can mount a disk here")
    yield place
    mount(place, "-o", "remount,rw")
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def used(place: Path) -> int:
    found = os.statvfs(place)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def resized(place: Path, size: int) -> None:
    assert mount(place, "-o", f"remount,size={max(size // KIB, 4)}k")


@pytest.mark.parametrize("name", PIPELINE)
def test_a_full_disk_is_one_line_and_nothing_is_lost(laid, disk, name, thorough, record_property):
    stage, folder = PIPELINE[name], disk / "run"
    laid.copy(name, folder)
    before = used(disk)
    assert laid.workshop.run(stage.name, stage.words(folder)).code == 0
    wanted, written = content(folder), used(disk) - before
    full, room = 0, 0
    for number in range(times := 20 if thorough else 3):
        shutil.rmtree(folder)
        laid.copy(name, folder)
        resized(disk, used(disk) + written * number // times)
        done = laid.workshop.run(stage.name, stage.words(folder))
        assert done.refused or done.code == 0, (number, done)
        if done.refused:
            assert "make room and run the same command again" in done.errors[0], done
        full, room = full + done.refused, room + (done.code == 0)
        resized(disk, 64 * KIB * KIB)
        again = laid.workshop.run(stage.name, stage.words(folder))
        assert again.code == 0, (number, again)
        assert content(folder) == wanted
    assert full
    record_property("faults: full disks", full)


def test_a_read_only_disk_is_one_line_where_a_stage_writes_and_none_where_it_reads(laid, disk, tmp_path):
    folder = laid.copy("end", disk / "run")
    before = content(folder)
    assert mount(disk, "-o", "remount,ro")
    for name, stage in READERS.items():
        words = stage.words(folder, *(["--overwrite", "True"] if stage.name not in ("LIB", "E2") else []))
        if name == "E2":
            words[words.index("--result_root") + 1] = str(tmp_path / "result")
        done = laid.workshop.run(stage.name, words)
        if name in ("E2", "LIB"):
            assert done.code == 0, done
        else:
            assert done.refused, done
            assert "Read-only file system" in done.errors[0], done
    assert content(folder) == before


def test_what_is_done_is_found_done_on_a_read_only_disk(laid, disk):
    folder = laid.copy("end", disk / "run")
    assert mount(disk, "-o", "remount,ro")
    for name in ("A2", "B1", "C1", "C4", "D1", "E1"):
        done = laid.workshop.run(PIPELINE[name].name, PIPELINE[name].words(folder))
        assert done.code == 0, done


def test_data_on_a_read_only_disk_serve(laid, disk, tmp_path):
    folder = laid.copy("B1", disk / "run")
    assert mount(disk, "-o", "remount,ro")
    for name in ("B1", "C1", "E1"):
        words = PIPELINE[name].words(folder) + (["--method", "unchanged"] if name == "E1" else [])
        words[words.index("--weight_root") + 1] = str(tmp_path / "weight")
        done = laid.workshop.run(PIPELINE[name].name, words)
        assert done.code == 0, done


def test_folders_may_be_links(laid, tmp_path):
    """Data, weights and the run itself lie elsewhere."""
    folder = laid.copy("end", tmp_path / "run")
    before = content(folder)
    (run,) = (folder / "weight").iterdir()
    for place in (run, folder / "weight", folder / "data" / "tiny", folder / "data"):
        real = tmp_path / f"real {place.name}"[:40]
        shutil.move(place, real)
        place.symlink_to(real)
    for name, stage in PIPELINE.items():
        if name == "A1":  # its source lies elsewhere now
            continue
        assert laid.workshop.run(stage.name, stage.words(folder, "--overwrite", "True")).code == 0
    for place in (folder / "data", folder / "data" / "tiny", folder / "weight", run):
        real = place.resolve()
        assert place.is_symlink()
        place.unlink()
        shutil.move(real, place)
    assert content(folder) == before


ASLEEP = """
import time
import backward_search.images.handing as handing
import backward_search.images.loading as loading
handing.SOON, handing.PATIENCE = 0.5, 2
before = loading.open_picture
def asleep(file, **more):
    if file.name == "000303.png":
        time.sleep(3600)
    return before(file, **more)
loading.open_picture = asleep
"""


@pytest.mark.parametrize("name", ["B1", "C1"])
def test_an_image_that_is_never_read_is_noticed(laid, tmp_path, name):
    folder = laid.copy(name, tmp_path / "run")
    stage = PIPELINE[name]
    job = laid.workshop.start(stage.name, stage.words(folder, "--n_workers", "2"), ASLEEP)
    done = job.wait()
    assert done.refused, done
    assert "no image came for 2 seconds" in done.errors[0]
    assert "no image has come for" in done.said
    assert not job.company
    assert laid.workshop.run(stage.name, stage.words(folder)).code == 0


def test_a_pipe_in_place_of_an_image_is_no_image(laid, tmp_path):
    folder = laid.copy("C1", tmp_path / "run")
    image = sorted((folder / "data").rglob("*.png"))[5]
    image.unlink()
    os.mkfifo(image)
    done = laid.workshop.run("C1", PIPELINE["C1"].words(folder))
    assert done.refused
    assert image.name in done.errors[0]


def test_data_that_vanish_under_a_stage_are_one_line(laid, tmp_path):
    folder = laid.copy("C1", tmp_path / "run")
    gone = "import backward_search.images.loading as l, shutil\n" + (
        f"before = l.open_picture\ndef going(file, **more):\n"
        f"    if file.name == '000303.png': shutil.rmtree({str(folder / 'data' / 'tiny' / 'images')!r})\n"
        f"    return before(file, **more)\nl.open_picture = going"
    )
    done = laid.workshop.run("C1", PIPELINE["C1"].words(folder), gone)
    assert done.refused, done
    assert "does not exist" in done.errors[0]
