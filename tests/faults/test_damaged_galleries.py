"""Galleries and their indexes, damaged in any way: one line and nothing changed, or the same results as without."""

import shutil

import numpy as np
import pytest
from damages import damages_of
from extras import needs
from PIL import Image
from pipeline import TASK, Stage, content

pytestmark = pytest.mark.faults
faiss = needs("faiss", "faiss")

ENGINE = ("--engine", "faiss-hnsw")
READERS = {
    "E1": Stage("E1", (*TASK, "--method", "teacher", *ENGINE, "--overwrite", "True")),
    "C2": Stage("C2", (*ENGINE, "--overwrite", "True")),
    "C3": Stage("C3"),
}


@pytest.fixture(scope="module")
def indexed(laid, tmp_path_factory):
    """The run with a gallery that has changed once, so that it has several shards and segments."""
    folder = laid.copy("end", tmp_path_factory.mktemp("indexed") / "run")
    for number in range(3):
        place = folder / "new" / f"new{number}.png"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 40 * number, np.uint8)).save(place)
    (folder / "keys.txt").write_text("new/new1.png\n")
    done = laid.workshop.run("C2", READERS["C2"].words(folder))
    assert done.code == 0, done
    return folder


def words_of(name: str, folder) -> list[str]:
    words = READERS[name].words(folder)
    return [*words, "--add", str(folder / "new")] if name == "C3" else words


@pytest.fixture(scope="module")
def clean(laid, indexed, tmp_path_factory):
    """By reader what is there after it."""
    found = {}
    for name in READERS:
        folder = tmp_path_factory.mktemp("clean") / "run"
        shutil.copytree(indexed, folder)
        done = laid.workshop.run(name, words_of(name, folder))
        assert done.code == 0, done
        found[name] = content(folder)
    return found


@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_gallery_is_one_line_or_without_effect(
    laid, indexed, clean, reader, chance, thorough, tmp_path, record_property
):
    files = [file for file in sorted(indexed.glob("weight/*/galleries/**/*")) if file.is_file()]
    trials = [(file, way) for file in files for way in [*damages_of(file), "removed"]]
    ends, wrong = {0: 0, 2: 0}, []
    for file, way in trials if thorough else [(file, chance.choice([*damages_of(file), "removed"])) for file in files]:
        folder = tmp_path / "run"
        shutil.copytree(indexed, folder)
        place = folder / file.relative_to(indexed)
        if way == "removed":
            place.unlink()
        else:
            place.write_bytes(damages_of(place)[way](place.read_bytes()))
        before = content(folder)
        done = laid.workshop.run(reader, words_of(reader, folder))
        after = content(folder)
        wanted = before if done.code == 2 else clean[reader]
        changed = [key for key in after.keys() | wanted.keys() if after.get(key) != wanted.get(key)]
        name = place.relative_to(folder).as_posix()
        if done.code == 0 and after.get(name) == before.get(name) and name in changed:
            changed.remove(name)  # it was not read
        begun_anew = (file.name, way, done.code) == ("gallery.json", "removed", 0)
        if not begun_anew and (changed or not (done.refused or done.code == 0)):
            wrong.append((file.name, way, done.code, done.errors[-3:], changed))
        ends[done.code] = ends.get(done.code, 0) + 1
        shutil.rmtree(folder)
    assert not wrong, "\n".join(map(str, wrong))
    record_property("faults: damaged galleries refused in one line", ends[2])
    record_property("faults: damaged galleries without effect on the results", ends[0])
