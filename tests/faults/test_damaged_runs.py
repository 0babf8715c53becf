"""Any file that a stage reads, damaged in any way: one line and nothing changed, or the same results as without."""

import re
import shutil
from pathlib import Path

import pytest
from damages import damages_of
from pipeline import PIPELINE, READERS, content, lay

pytestmark = pytest.mark.faults
UNREAD = re.compile(
    r"^(?!data/|weight/)|\.(onnx|log|npz)$|history\.png|heads\.png|history\.csv$|tensorboard|/report\.json$|/results/|heads\.csv$"
)
"""What no later stage reads."""
LEFT_OUT = re.compile(r"/context/manifest\.json$|/students/.*/manifest\.json$|/embeddings/train\.npy$")
"""What some methods need, and others not."""
KEPT = re.compile(r"/\.\w+\.shards/")
"""What a stage that failed keeps for its next run."""
MAKER = {"data/tiny/attributions/query": "A2", "data/": "A1", "weight/": "B1"}


@pytest.fixture(scope="module")
def whole(laid, tmp_path_factory):
    """The run with all results, and what counts in it."""
    folder = laid.copy("end", tmp_path_factory.mktemp("whole") / "run")
    for stage in READERS.values():
        done = laid.workshop.run(stage.name, stage.words(folder))
        if stage.name != PIPELINE["A1"].name:
            assert done.code == 0, done
    laid.places["whole"] = Path(shutil.copytree(folder, folder.with_name("spare")))
    return folder, content(folder)


@pytest.fixture(scope="module")
def other(laid, tmp_path_factory):
    """The same of another seed."""
    return lay(laid.workshop, tmp_path_factory.mktemp("other"), seed=1)["end"]


def readers_of(name: str) -> list[str]:
    """The stages after the one that wrote a file."""
    maker = next(stage for start, stage in MAKER.items() if name.startswith(start))
    order = list(READERS)
    return order[order.index(maker) + 1 :]


def trials(folder: Path, other: Path, reader: str) -> list[list[tuple[str, str]]]:
    """For every file that a stage could read, every (file, way) to damage it."""
    every = []
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and not UNREAD.search(name) and reader in readers_of(name):
            ways = [*damages_of(file), *(["another run's"] if (other / name).is_file() else []), "removed"]
            if reader == "E2" and LEFT_OUT.search(name):
                ways.remove("removed")  # a method that lacks something is left out, and the log says why
            if reader == "E1 best" and name.endswith("context/manifest.json"):
                ways.remove("removed")  # a missing map is learnt
            every.append([(name, way) for way in ways])
    images = [each for each in every if each[0][0].endswith(".png")]
    return [each for each in every if each not in images] + images[:3]


def drawn(every: list[list[tuple[str, str]]], chance, thorough: bool) -> list[tuple[str, str]]:
    """All of them; or of some files one way each."""
    if thorough:
        return [trial for each in every for trial in each]
    return [chance.choice(each) for each in chance.sample(every, min(len(every), 10))]


def damage(file: Path, way: str, other: Path) -> None:
    if way == "removed":
        file.unlink()
    elif way == "another run's":
        shutil.copyfile(other, file)
    else:
        file.write_bytes(damages_of(file)[way](file.read_bytes()))


@pytest.mark.parametrize("reader", [name for name in READERS if name != "A1"])
def test_a_damaged_file_is_one_line_or_without_effect(laid, whole, other, reader, chance, thorough, record_property):
    folder, wanted = whole
    stage, ends, wrong = READERS[reader], {0: 0, 2: 0}, []
    for name, way in drawn(trials(folder, other, reader), chance, thorough):
        file = folder / name
        kept = file.read_bytes()
        damage(file, way, other / name)
        damaged = file.read_bytes() if file.exists() else None
        more = ["--overwrite", "True"] if stage.name not in ("LIB", "E2") else []
        done = laid.workshop.run(stage.name, stage.words(folder, *more))
        after = file.read_bytes() if file.exists() else None
        if after == damaged:  # else the stage has made it again
            file.write_bytes(kept)
        now = content(folder)
        changed = [
            key for key in now.keys() | wanted.keys() if now.get(key) != wanted.get(key) and not KEPT.search(key)
        ]
        if changed or not (done.refused or done.code == 0):
            wrong.append((name, way, done.code, done.errors[-3:], changed))
            shutil.rmtree(folder)
            shutil.copytree(laid.places["whole"], folder)
        ends[done.code] = ends.get(done.code, 0) + 1
    assert not wrong, "\n".join(map(str, wrong))
    record_property("faults: damaged files refused in one line", ends[2])
    record_property("faults: damaged files without effect on the results", ends[0])
