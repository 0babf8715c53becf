"""A stage that is killed, interrupted or started twice: the next run ends as if nothing had been."""

import os
import signal
import time

import pytest
from pipeline import PIPELINE, content

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def clean(laid, tmp_path_factory):
    """By stage what is there after it, and the seconds that it takes."""
    found = {}
    for name, stage in PIPELINE.items():
        folder = laid.copy(name, tmp_path_factory.mktemp("clean") / "run")
        done = laid.workshop.run(stage.name, stage.words(folder))
        assert done.code == 0, done
        found[name] = content(folder), done.seconds
    return found


def gone(job) -> bool:
    """Whether no process of a job is left after a while."""
    for _ in range(100):
        if not job.company:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("name", PIPELINE)
def test_a_killed_stage_is_made_good_by_the_next_run(
    laid, clean, tmp_path, name, workers, chance, thorough, record_property
):
    stage, (wanted, seconds) = PIPELINE[name], clean[name]
    with_workers = name in ("B1", "C1")
    if workers == "2" and not with_workers:
        pytest.skip("it starts no processes")
    more = ["--n_workers", workers] if with_workers else []
    killed, times = 0, 20 if thorough else 2
    for number in range(times):
        folder = laid.copy(name, tmp_path / str(number))
        job = laid.workshop.start(stage.name, stage.words(folder, *more))
        time.sleep(chance.uniform(0, seconds))
        job.send(signal.SIGKILL)
        killed += job.wait().code == -signal.SIGKILL
        assert gone(job)
        again = laid.workshop.run(stage.name, stage.words(folder, *more))
        assert again.code == 0, again
        assert content(folder) == wanted
    record_property("faults: kills", killed)
    record_property("faults: kills that came too late", times - killed)


@pytest.mark.parametrize("name", PIPELINE)
def test_an_interrupted_stage_ends_in_one_line_and_goes_on(
    laid, clean, tmp_path, name, chance, thorough, record_property
):
    stage, (wanted, seconds) = PIPELINE[name], clean[name]
    interrupted = 0
    for number in range(10 if thorough else 1):
        folder = laid.copy(name, tmp_path / str(number))
        job = laid.workshop.start(stage.name, stage.words(folder))
        time.sleep(chance.uniform(0.3, 0.8) * seconds)
        job.send_all(signal.SIGINT)
        done = job.wait()
        if done.code != 0:
            assert (done.code, len(done.errors)) == (130, 1), done
            assert done.errors[0].startswith("interrupted: ")
            interrupted += 1
        assert gone(job)
        assert laid.workshop.run(stage.name, stage.words(folder)).code == 0
        assert content(folder) == wanted
    record_property("faults: interrupts", interrupted)


@pytest.mark.parametrize("name", PIPELINE)
def test_of_two_at_once_one_works_and_the_other_says_so(laid, clean, tmp_path, name, thorough, record_property):
    stage, (wanted, _) = PIPELINE[name], clean[name]
    told = 0
    for number in range(10 if thorough else 2):
        folder = laid.copy(name, tmp_path / str(number))
        both = [laid.workshop.start(stage.name, stage.words(folder)) for _ in range(2)]
        ends = [job.wait() for job in both]
        assert sorted(done.code for done in ends) in ([0, 0], [0, 2]), ends
        for done in ends:
            if done.code == 2:
                assert done.refused
                assert "another process is" in done.errors[0]
                told += 1
        assert content(folder) == wanted
    record_property("faults: second processes that were told to wait", told)


def test_the_lock_of_a_killed_process_stops_nobody(laid, clean, tmp_path):
    folder = laid.copy("B1", tmp_path / "run")
    stage = PIPELINE["B1"]
    job = laid.workshop.start(stage.name, stage.words(folder))
    while not (locks := list(folder.rglob(".*.lock"))):
        time.sleep(0.02)
    second = laid.workshop.run(stage.name, stage.words(folder))
    assert second.refused
    assert "another process is doing B1" in second.errors[0]
    job.send(signal.SIGKILL)
    job.wait()
    assert locks[0].exists()
    assert laid.workshop.run(stage.name, stage.words(folder)).code == 0
    assert content(folder) == clean["B1"][0]


def test_the_clock_set_back_changes_nothing(laid, clean, tmp_path):
    """Every file is of a time to come: as after a clock that was set back, or on a disk of another machine."""
    folder = laid.copy("end", tmp_path / "run")
    before, later = content(folder), time.time() + 86_400 * 365
    for file in sorted(folder.rglob("*")):
        os.utime(file, (later, later))
    for name, stage in PIPELINE.items():
        if name == "A1":  # its source lies elsewhere now
            continue
        done = laid.workshop.run(stage.name, stage.words(folder))
        assert done.code == 0, done
        assert "already done" in done.said
        assert laid.workshop.run(stage.name, stage.words(folder, "--overwrite", "True")).code == 0
        assert content(folder) == before
