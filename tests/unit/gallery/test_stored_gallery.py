"""Galleries on disk: images come and go, and whatever interrupts a change leaves the state before it."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from extras import missing, needs

from backward_search.errors import DataError, MissingError
from backward_search.gallery.contents import Contents, Shard
from backward_search.gallery.engines.index import BuildSettings, EngineSettings
from backward_search.gallery.stored import StoredGallery
from backward_search.storage import atomic
from backward_search.storage.lock import locked

TESTS = Path(__file__).resolve().parents[2]
SIZE, COUNT = 16, 60
CLASSES = {"style": ["Cubism", "Rococo"]}
SEARCH = EngineSettings(shortlist=50, ef_search=400)
BUILD = BuildSettings(hnsw_m=8)


def images(first: int, count: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((1000, SIZE)).astype(np.float32)[first : first + count]


def keys(first: int, count: int) -> list[str]:
    return [f"folder/{number}.png" for number in range(first, first + count)]


def logits(count: int) -> dict[str, np.ndarray]:
    return {"style": np.zeros((count, 2), np.float32)}


def begin(folder: Path, *engines: str) -> StoredGallery:
    base = folder / "embeddings"
    atomic.write_array(base / "test.npy", images(0, COUNT))
    atomic.write_array(base / "test-logits.npy", logits(COUNT)["style"])
    atomic.write_csv(base / "test.csv", ["key"], [[key] for key in keys(0, COUNT)])
    up = "../../embeddings/test"
    shard = Shard(f"{up}.npy", f"{up}.csv", {"style": f"{up}-logits.npy"}, COUNT)
    stored = StoredGallery.create(folder / "galleries" / "test", Contents({}, CLASSES, (shard,)))
    for kind in engines:
        stored.build(kind, BUILD, {})
    return stored


def engines() -> list[str]:
    """Those whose packages are installed."""
    from importlib import util

    approximate = [("faiss-hnsw", "faiss"), ("milvus", "milvus_lite")]
    return ["exact", *(kind for kind, module in approximate if util.find_spec(module))]


def found(stored: StoredGallery, kind: str, queries: np.ndarray) -> list[str]:
    hits = stored.gallery(kind, SEARCH).search(torch.from_numpy(queries), 1)
    leave(stored)
    return [stored.keys[row] for row in hits.rows[:, 0].tolist()]


def leave(stored: StoredGallery) -> None:
    """Let another process have the file of Milvus Lite."""
    if "milvus" in stored.contents.indexes:
        from backward_search.gallery.engines.milvus_index import release

        release(str(stored.folder / "milvus-0" / "milvus.db"))


@pytest.mark.parametrize("kind", ["exact", "faiss-hnsw", "milvus"])
def test_images_come_and_go(tmp_path, kind):
    if kind not in engines():
        missing(f"the package of {kind} is not installed")
    stored = begin(tmp_path, *({kind} - {"exact"}))
    stored.add(keys(60, 20), images(60, 20), logits(20))
    stored.add(keys(80, 5), images(80, 5), logits(5))
    stored.remove([*keys(3, 1), *keys(70, 2)])
    again = StoredGallery.open(stored.folder)
    assert len(again) == 82
    kept = [number for number in range(85) if number not in (3, 70, 71)]
    assert found(again, kind, images(0, 85)[kept]) == [keys(number, 1)[0] for number in kept]
    assert not set(found(again, kind, images(0, 85)[[3, 70, 71]])) & set(keys(3, 1) + keys(70, 2))
    again.add(keys(70, 1), images(70, 1), logits(1))
    assert found(again, kind, images(70, 1)) == keys(70, 1)
    assert len(again) == 83


def test_an_index_that_is_built_again_has_what_was_added(tmp_path):
    needs("faiss")
    stored = begin(tmp_path, "faiss-flat")
    stored.add(keys(60, 20), images(60, 20), logits(20))
    stored.build("faiss-flat", BUILD, {})
    assert [path.name for path in sorted(stored.folder.glob("faiss-flat-*"))] == ["faiss-flat-1"]
    assert len(stored.contents.indexes["faiss-flat"].segments) == 1
    assert found(StoredGallery.open(stored.folder), "faiss-flat", images(55, 10)) == keys(55, 10)


def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path):
    stored = begin(tmp_path)
    before = (stored.folder / "gallery.json").read_bytes()
    for wrong in (
        (keys(59, 2), images(59, 2), logits(2)),
        (["a", "a"], images(0, 2), logits(2)),
        (["a"], images(0, 1)[:, :4], logits(1)),
        (["a"], images(0, 1), {}),
    ):
        with pytest.raises(DataError):
            stored.add(*wrong)
    with pytest.raises(DataError, match="not in the gallery"):
        stored.remove(["unknown"])
    assert (stored.folder / "gallery.json").read_bytes() == before
    with pytest.raises(MissingError, match="--engine faiss-hnsw"):
        stored.gallery("faiss-hnsw", SEARCH)
    with pytest.raises(MissingError, match="C2"):
        StoredGallery.open(tmp_path)


def test_some_leave_as_others_come_or_nobody_does(tmp_path):
    stored = begin(tmp_path, *engines()[1:2])
    before = (stored.folder / "gallery.json").read_bytes()
    for coming in (keys(5, 1), keys(0, 1) * 2):
        with pytest.raises(DataError):
            stored.add(coming, images(60, len(coming)), logits(len(coming)), leaving=keys(0, 2))
    with pytest.raises(DataError, match="not in the gallery"):
        stored.add(keys(60, 1), images(60, 1), logits(1), leaving=["folder/none.png"])
    assert (stored.folder / "gallery.json").read_bytes() == before
    stored.add(keys(0, 1), images(200, 1), logits(1), leaving=keys(0, 2))
    assert len(stored) == len(StoredGallery.open(stored.folder)) == COUNT - 1
    for kind in engines()[:2]:
        assert found(stored, kind, images(200, 1)) == keys(0, 1)
    stored.remove(key for key in keys(2, 3))
    assert len(stored) == COUNT - 4


def test_a_second_writer_is_refused(tmp_path):
    stored = begin(tmp_path)
    with locked(stored.folder / ".lock", "another process"), pytest.raises(DataError, match="another process"):
        stored.remove(keys(0, 1))


def test_writers_that_opened_the_same_state_lose_nothing(tmp_path):
    first = begin(tmp_path)
    second = StoredGallery.open(first.folder)
    first.add(keys(60, 2), images(60, 2), logits(2))
    second.remove(keys(0, 1))
    second.add(keys(62, 2), images(62, 2), logits(2))
    assert len(StoredGallery.open(first.folder)) == 63


def _add_and_die(folder: Path, step: int) -> None:
    """Add images, and be killed when the `step`-th file is written and about to take its place."""
    left = [step]
    real = Path.replace

    def replace(self, target):
        if Path(target).is_relative_to(folder):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return real(self, target)

    Path.replace = replace
    stored = StoredGallery.open(folder)
    stored.add(keys(60, 20), images(60, 20), logits(20))


@pytest.mark.slow
def test_a_killed_addition_leaves_the_old_or_the_new_state(tmp_path):
    kinds = engines()
    stored = begin(tmp_path, *kinds[1:])
    leave(stored)
    last = 3 + ("faiss-hnsw" in kinds)  # embeddings, logits, keys, a file of FAISS, the table
    for step in (0, last - 1, last, 99):
        process = multiprocessing.get_context("spawn").Process(target=_add_and_die, args=(stored.folder, step))
        process.start()
        process.join(120)
        if process.is_alive():
            process.kill()
            pytest.fail(f"the addition that is killed at step {step} hangs")
        again = StoredGallery.open(stored.folder)
        if step == 99:
            break
        assert process.exitcode == -signal.SIGKILL
        assert len(again) == COUNT
        for kind in kinds:
            assert found(again, kind, images(0, COUNT)) == keys(0, COUNT)
            assert set(found(again, kind, images(60, 20))) <= set(keys(0, COUNT))
    assert process.exitcode == 0
    assert len(again) == COUNT + 20
    for kind in kinds:
        assert found(again, kind, images(0, COUNT + 20)) == keys(0, COUNT + 20)
    assert not list(stored.folder.glob(".*.partial*"))


def test_a_change_killed_at_many_lines_leaves_a_state_that_it_passes_through(tmp_path):
    needs("faiss")
    stored = begin(tmp_path, "faiss-flat", "faiss-hnsw")
    np.save(stored.folder.parent / "add.npy", images(60, 20))
    points = 40
    copies = tmp_path / "copies"
    copies.mkdir()
    shutil.copytree(tmp_path / "embeddings", copies / "embeddings")
    driver = [sys.executable, str(TESTS / "killed_change.py"), str(stored.folder)]
    done = subprocess.run([*driver, str(copies), str(points)], check=True, timeout=120, capture_output=True, text=True)
    assert int(done.stdout) > 10 * points
    coming = [f"coming/{number}.png" for number in range(20)]
    old, added = keys(0, COUNT), [*keys(0, COUNT), *coming]
    left = [key for key in added if key not in ("folder/0.png", "coming/1.png")]
    states = [sorted(state) for state in (old, added, left)]
    seen = []
    for number in range(points):
        again = StoredGallery.open(copies / str(number) / "gallery")
        state = sorted(key for row, key in enumerate(again.keys) if row not in again.contents.removed)
        seen.append(states.index(state))
        by_key = dict(zip(added, images(0, COUNT + 20), strict=True))
        for kind in ("exact", "faiss-flat", "faiss-hnsw"):
            assert found(again, kind, np.stack([by_key[key] for key in state])) == state
            assert set(found(again, kind, images(0, COUNT + 20))) <= set(state)
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2}


def older(folder: Path, **changes: object) -> Path:
    """A gallery whose table records no hashes, with some of its parts changed."""
    stored = begin(folder)
    file = stored.folder / "gallery.json"
    content = json.loads(file.read_bytes())
    file.write_text(json.dumps({name: content[name] for name in content if name not in ("sha256", "files")} | changes))
    return stored.folder


def index(first: object, count: object, generation: object = 0) -> dict[str, object]:
    segments = [{"first": first, "count": count}]
    return {"faiss-flat": {"generation": generation, "settings": {}, "milvus_uri": "", "segments": segments}}


@pytest.mark.parametrize(
    "changes",
    [
        {"removed": [COUNT]},
        {"removed": [-1]},
        {"removed": [1.0]},
        {"shards": []},
        {"classes": {"colour": ["red"]}},
        {"classes": {"style": "Rococo"}},
        {"indexes": index(0, COUNT + 1)},
        {"indexes": index(1, COUNT - 1)},
        {"indexes": index(0.0, COUNT)},
        {"indexes": index(0, "60")},
        {"indexes": index(0, COUNT, "../..")},
    ],
)
def test_an_older_table_that_says_what_no_gallery_has(tmp_path, changes):
    with pytest.raises(DataError, match="is not a gallery's table"):
        StoredGallery.open(older(tmp_path, **changes))


def test_an_older_gallery_whose_files_have_other_lengths(tmp_path):
    stored = StoredGallery.open(older(tmp_path))
    assert len(stored.keys) == len(stored.vectors()) == COUNT
    atomic.write_csv(tmp_path / "embeddings" / "test.csv", ["key"], [[key] for key in keys(0, COUNT - 1)])
    atomic.write_array(tmp_path / "embeddings" / "test.npy", images(0, COUNT + 1))
    stored = StoredGallery.open(stored.folder)
    with pytest.raises(DataError, match="59 keys of 60 images"):
        stored.keys  # noqa: B018
    with pytest.raises(DataError, match="61 embeddings of 60 images"):
        stored.vectors()
    atomic.write_array(tmp_path / "embeddings" / "test.npy", np.ones((COUNT, 0), np.float32))
    with pytest.raises(DataError, match="build the gallery again"):
        stored.vectors()
    np.save(tmp_path / "embeddings" / "test.npy", np.array(["a"] * COUNT))
    with pytest.raises(DataError, match="holds <U1"):
        stored.vectors()


def test_an_index_that_was_never_finished_goes(tmp_path):
    """A process was killed at building it, or before it could remove the one before."""
    needs("faiss", "faiss")
    stored = begin(tmp_path, "faiss-hnsw")
    for name in ("faiss-hnsw-1", "faiss-ivfpq-0", "notes-1", "faiss-hnsw-old"):
        (stored.folder / name).mkdir()
        (stored.folder / name / "rows-0000000000.faiss").write_text("half")
    stored.tidy()
    assert (stored.folder / "faiss-hnsw-1").exists()  # nobody was killed
    (stored.folder / ".lock").touch()
    stored.tidy()
    left = sorted(each.name for each in stored.folder.iterdir())
    assert left == ["faiss-hnsw-0", "faiss-hnsw-old", "gallery.json", "notes-1"]
    assert found(stored, "faiss-hnsw", images(0, 3)) == keys(0, 3)
    (stored.folder / "faiss-hnsw-1").mkdir()
    stored.remove(keys(0, 1))
    assert not (stored.folder / "faiss-hnsw-1").exists()


@pytest.mark.parametrize("name", ["", ".", "a" * 3000, "b/" * 2000])
@pytest.mark.parametrize("part", ["rows", "embeddings"])
def test_a_table_that_names_no_file_is_refused(tmp_path, part, name):
    folder = older(tmp_path)
    content = json.loads((folder / "gallery.json").read_bytes())
    content["shards"][0][part] = name
    (folder / "gallery.json").write_text(json.dumps(content))
    stored = StoredGallery.open(folder)
    with pytest.raises(MissingError, match=r"is no file: ") as caught:
        stored.keys if part == "rows" else stored.vectors()
    assert len(str(caught.value)) < 600 + len(str(folder))
