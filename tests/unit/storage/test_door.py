"""What a stage wrote is read as it was written; its hash is taken once; who works at it works alone."""

import json
import os
import time

import pytest

from backward_search.errors import DataError, MissingError, StaleError
from backward_search.storage import hashing
from backward_search.storage.atomic import MACHINE
from backward_search.storage.hashing import file_hash
from backward_search.storage.manifest import Stage, is_there, refuse_changed, refuse_stale


@pytest.fixture
def stage(tmp_path):
    (tmp_path / "in.txt").write_text("in")
    return Stage("X1", tmp_path / "manifest.json", {"a": 1}, {"in": tmp_path / "in.txt"}, [tmp_path / "out.txt"])


def finished(stage, *beside):
    for file in (*stage.outputs, *beside):
        file.write_text(file.name)
    stage.finish(beside)
    return stage


def test_a_file_is_read_as_it_was_written_or_not_at_all(stage, tmp_path):
    more, other = tmp_path / "more.txt", tmp_path / "other.txt"
    finished(stage, more)
    other.touch()
    assert refuse_changed(stage.manifest, [*stage.outputs, more], "again")
    assert not refuse_changed(stage.manifest, [other], "again")  # nobody recorded it
    more.write_text("MORE.TXT")
    with pytest.raises(DataError, match=r"more\.txt is not as X1 left it .*: again"):
        refuse_changed(stage.manifest, [more], "again")
    more.unlink()
    with pytest.raises(MissingError, match=r"more\.txt does not exist: again"):
        is_there(stage.manifest, more, "again")
    assert is_there(stage.manifest, other, "again")
    other.unlink()
    assert not is_there(stage.manifest, other, "again")


def test_what_was_made_beside_may_go_and_may_not_change(stage, tmp_path):
    more = tmp_path / "more.txt"
    finished(stage, more)
    more.unlink()
    assert stage.is_done(overwrite=False)
    more.write_text("x")
    with pytest.raises(StaleError, match=r"more\.txt"):
        stage.is_done(overwrite=False)


@pytest.mark.parametrize("changed", [False, True])
def test_a_failed_stage_is_finished_again_if_it_changed_nothing(stage, changed):
    before = finished(stage).manifest.read_bytes()

    def fail() -> None:
        with stage.alone():
            stage.begin()
            assert not stage.manifest.exists()
            if changed:
                stage.outputs[0].write_text("half")
            raise DataError("no")

    with pytest.raises(DataError, match="no"):
        fail()
    assert stage.manifest.exists() != changed
    assert changed or stage.manifest.read_bytes() == before


def test_one_works_and_the_other_is_told(stage):
    with stage.alone(), pytest.raises(DataError, match="another process is doing X1"), stage.alone():
        pass
    with stage.alone():
        pass
    assert not [file for file in stage.manifest.parent.iterdir() if file.suffix == ".lock"]


def test_an_input_that_is_gone_is_named(stage, tmp_path):
    finished(stage)
    (tmp_path / "in.txt").unlink()
    with pytest.raises(MissingError, match=r"in\.txt does not exist: again"):
        refuse_stale(stage.manifest, stage.inputs, "again")


@pytest.mark.parametrize("part", ["inputs", "outputs"])
def test_a_manifest_whose_hashes_are_none_is_damaged(stage, part):
    content = json.loads(finished(stage).manifest.read_text())
    content[part] = dict.fromkeys(content[part], 3)
    stage.manifest.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"manifest\.json is not a manifest"):
        stage.is_done(overwrite=False)


def test_what_was_done_meanwhile_is_not_done_again(stage):
    other = Stage(stage.name, stage.manifest, stage.settings, stage.inputs, stage.outputs)
    assert not stage.is_done(overwrite=False)
    assert not other.is_done(overwrite=False)
    with other.alone():
        other.begin()
        finished(other)
    with (
        pytest.raises(DataError, match=r"another process has just done X1 .* run the same command again"),
        stage.alone(),
    ):
        pytest.fail("it works")
    assert stage.is_done(overwrite=False)
    with stage.alone():
        finished(stage)


def test_what_is_done_is_rid_of_what_a_killed_process_left(stage, tmp_path):
    """One was killed at doing it again, and nobody has to do it any more."""
    finished(stage)
    lock, half = tmp_path / ".manifest.lock", tmp_path / f".out.{MACHINE}-999999999-1.partial.txt"
    lock.touch()
    half.touch()
    with stage.alone():
        assert stage.is_done(overwrite=False)  # another is at it
        assert lock.exists()
    lock.touch()
    assert stage.is_done(overwrite=False)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.txt", "manifest.json", "out.txt"]


def settled(file, monkeypatch):
    """As if the file had not changed for a while."""
    later = time.time() + 60
    monkeypatch.setattr(hashing.time, "time", lambda: later)
    return file


def test_a_change_that_keeps_size_and_time_is_noticed(tmp_path, monkeypatch):
    file = tmp_path / "a"
    file.write_text("one")
    first = file_hash(settled(file, monkeypatch))
    assert first == file_hash(file)
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    time.sleep(0.02)  # the clock of a disk is coarse
    file.write_text("two")
    os.utime(file, ns=times)
    assert file_hash(file) != first


def test_a_file_that_has_just_changed_is_read_again(tmp_path, monkeypatch):
    """Its times may not tell the next change."""
    file, note = tmp_path / "a", tmp_path / ".a.sha256.json"
    file.write_text("one")
    monkeypatch.setattr(hashing, "LARGE", 1)
    changed = file.stat().st_ctime
    read, before = [], hashing.hashlib.file_digest
    monkeypatch.setattr(hashing.hashlib, "file_digest", lambda *words: read.append(1) or before(*words))
    for seconds, times in ((0, 1), (1.9, 2), (-60, 3), (2.1, 4), (2.2, 4)):
        monkeypatch.setattr(hashing.time, "time", lambda now=changed + seconds: now)
        file_hash(file, noting=True)
        assert len(read) == times, seconds
        assert note.exists() == (seconds > 2)


def test_the_hash_of_a_large_file_is_noted_and_read_once(tmp_path, monkeypatch):
    file, note = tmp_path / "a", tmp_path / ".a.sha256.json"
    file.write_text("one")
    settled(file, monkeypatch)
    monkeypatch.setattr(hashing, "LARGE", 1)
    first = file_hash(file)
    assert not note.exists()  # a foreign file gets no note
    hashing._known.clear()
    assert file_hash(file, noting=True) == first
    hashing._known.clear()
    with monkeypatch.context() as unread:
        unread.setattr(hashing.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
        assert file_hash(file) == first
    for damaged in ("", "[]", json.dumps({"look": [1], "sha256": "x"}), json.dumps({"look": None})):
        note.write_text(damaged)
        hashing._known.clear()
        assert file_hash(file, noting=True) == first
