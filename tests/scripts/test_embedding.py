"""C1 by one process and by several: shards, kills, joins, and a process that fails."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scripts_by_name import script
from tiny_set import tiny_set, words

from backward_search.images import loading as images
from backward_search.model import passes
from backward_search.stages import embed
from backward_search.storage import shards
from backward_search.storage.atomic import MACHINE
from backward_search.storage.shards import Shard, Shards

PROJECT = Path(__file__).resolve().parents[2]
BATCH = ("--batch_size", "16")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tiny_set(tmp_path_factory.mktemp("tiny"))
    script("B1")(words(folder, "trained", "--batch_size", "64"))
    return folder


@pytest.fixture(scope="module")
def expected(data):
    """What one process makes that nobody disturbs."""
    return contents(embedded(fresh(data, "expected")))


@pytest.fixture(scope="module")
def together():
    """A function that lets several processes embed, and says how each ended."""
    command = [sys.executable, str(PROJECT / "tests" / "several_processes.py"), str(PROJECT)]
    setting = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=setting) as driver:

        def ask(size: int, options: list[str], kill: int = 0) -> dict:
            driver.stdin.write(json.dumps({"size": size, "kill": kill, "words": options}) + "\n")
            driver.stdin.flush()
            return json.loads(driver.stdout.readline())

        yield ask
        driver.stdin.close()


def fresh(data: Path, where: str, source: str = "trained") -> list[str]:
    """The options of C1 on a copy of the trained run, or of another state of it."""
    shutil.copytree(data / source, data / where)
    return words(data, where, *BATCH)


def embedded(options: list[str]) -> Path:
    return script("C1")(options)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def same(folder: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """The same files, and numbers that agree to 1e-5."""
    assert {file.name for file in folder.iterdir()} == set(expected)
    for name in (name for name in expected if name.endswith(".npy")):
        (tmp_path / name).write_bytes(expected[name])
        np.testing.assert_allclose(np.load(folder / name), np.load(tmp_path / name), atol=1e-5)


def embeddings(data: Path, where: str) -> Path:
    (run,) = (data / where).iterdir()
    return run / "embeddings"


@pytest.fixture
def decoded(monkeypatch):
    """The images that this process decodes."""
    seen: list[Path] = []
    real = images.open_picture
    monkeypatch.setattr(images, "open_picture", lambda path, **how: (seen.append(path), real(path, **how))[1])
    return seen


def test_a_killed_shard_is_gone_on_from_where_it_was_kept(data, expected, monkeypatch):
    options = fresh(data, "alone")
    seen: list[int] = []
    real = Shard.write

    def stop(self, rows):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(self.rows[self.done])
        real(self, rows)

    monkeypatch.setattr(shards, "MANY", 5)  # four batches in a shard
    monkeypatch.setattr(passes, "KEEP_SECONDS", 0)
    monkeypatch.setattr(Shard, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        embedded(options)
    assert seen == [0, 16, 32]
    assert not list(embeddings(data, "alone").glob("*.npy"))
    seen.clear()
    with pytest.raises(KeyboardInterrupt):
        embedded(options)
    assert seen == [48, 64, 80]
    monkeypatch.setattr(Shard, "write", real)
    assert contents(embedded(options)) == expected


def test_what_two_killed_processes_left_is_finished_by_any_number(data, expected, together, decoded, tmp_path):
    options = fresh(data, "killed")
    ended = together(2, options, kill=100)
    assert ended["states"][1] == 9  # killed
    assert ended["states"][0] == 2 << 8  # noticed it, and ended with one line
    (line,) = ended["said"][0].splitlines()
    assert line.startswith("error: another process has ended")
    folder = embeddings(data, "killed")
    finished = sum(len(np.load(file)) for file in folder.glob(".*.shards/[0-9]*.npy"))
    assert 0 < finished < 400
    by_three = together(3, fresh(data, "by three", "killed"))
    assert by_three["states"] == [0, 0, 0], by_three["said"]
    assert by_three["decoded"] == 400 - finished
    same(embeddings(data, "by three"), expected, tmp_path)
    assert contents(embedded(options)).keys() == expected.keys()
    assert len(decoded) == 400 - finished
    same(folder, expected, tmp_path)


def test_two_processes_share_the_shards(data, expected, together, tmp_path):
    ended = together(2, fresh(data, "two"))
    assert (ended["states"], ended["decoded"]) == ([0, 0], 400)
    same(embeddings(data, "two"), expected, tmp_path)


@pytest.mark.parametrize("moment", ["cutting", "moving", "removing"])
def test_a_join_that_was_killed_is_made_again_from_the_shards(data, expected, monkeypatch, decoded, moment):
    options = fresh(data, moment)
    place = embeddings(data, moment) / "train.npy"

    def stop(*_arguments):
        raise KeyboardInterrupt

    real = Path.replace

    def stop_at_logits(self, target):
        return stop() if "logits" in target.name else real(self, target)

    with monkeypatch.context() as patch:
        target = {"cutting": (Shards, "_append"), "moving": (Path, "replace"), "removing": (embed, "remove")}[moment]
        patch.setattr(*target, stop_at_logits if moment == "moving" else stop)
        with pytest.raises(KeyboardInterrupt):
            embedded(options)
    assert place.exists() == (moment != "cutting")
    assert bool(list(place.parents[1].glob("manifest-C1-*"))) == (moment == "removing")
    assert len(decoded) == 320
    assert contents(embedded(options)) == expected
    assert len(decoded) == 320 + 80  # the test split alone was still to be embedded


def test_a_process_that_fails_ends_the_others_with_one_line(data, together, tmp_path):
    shutil.copytree(data / "data", tmp_path / "data")
    options = fresh(data, "failing")
    options[options.index("--data_root") + 1] = str(tmp_path / "data")
    table = (tmp_path / "data" / "tiny" / "attributions" / "preprocessed_tiny_train.csv").read_text().splitlines()
    broken = tmp_path / table[1 + 20].split(",")[0]  # in the second shard: the second process meets it
    broken.write_bytes(broken.read_bytes()[:40])
    ended = together(2, options)
    assert ended["states"] == [2 << 8, 2 << 8]
    lines = [said.splitlines() for said in ended["said"]]
    assert [len(said) for said in lines] == [1, 1]
    assert lines[0][0].startswith("error: another process has ended")
    assert broken.name in lines[1][0]
    assert "--skip_unreadable True" in lines[1][0]
    ended = together(2, [*options, "--skip_unreadable", "True"])
    assert ended["states"] == [0, 0], ended["said"]
    folder = embeddings(data, "failing")
    assert broken.name in (folder / "train-unreadable.csv").read_text()
    several = contents(folder)
    alone = embedded([*options, "--skip_unreadable", "True", "--overwrite", "True"])
    assert len(np.load(alone / "train.npy")) == len(table) - 2
    same(alone, several, tmp_path)


def test_what_a_killed_calibration_left_is_removed(data):
    options = fresh(data, "calibrated")
    run = embedded(options).parent
    nobody = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    left = [
        folder / f".{name}.{MACHINE}-{nobody.stdout.strip()}-1.partial.json"
        for folder, name in ((run, "manifest-C1-calibration"), (run / "embeddings", "calibration"))
    ]
    for file in left:
        file.write_text("{")
    embedded(options)
    assert not [file for file in left if file.exists()]
