"""A stage that is killed, interrupted or started twice: the next run ends as if nothing had been."""

import os
import signal
import time

import pytest
from extras import needs
from pipeline import FURTHER, PIPELINE, Stage, content
from workshop import Done

pytestmark = pytest.mark.faults
STAGES = PIPELINE | FURTHER


@pytest.fixture(scope="module")
def clean(further, tmp_path_factory):
    """By stage what is there after it, and the seconds that it takes."""
    found = {}
    for name in STAGES.keys() & further.places.keys():
        stage, folder = STAGES[name], further.copy(name, tmp_path_factory.mktemp("clean") / "run")
        done = further.workshop.run(stage.name, stage.words(folder), stage.before)
        assert done.code == 0, done
        found[name] = content(folder), done.seconds
    return found


@pytest.fixture
def ready(further, request):
    """The small run, with what comes before a stage; it is skipped where an extra is missing."""
    if request.node.callspec.params["name"].startswith(("C2", "C3")):
        needs("faiss", "faiss")
    return further


def made_good(stage: Stage, done: Done) -> bool:
    """Whether a stage that was run again did its work, or says that the work is done."""
    return done.code == 0 or bool(done.refused and stage.told and stage.told in done.errors[0])


def others(now: dict[str, str], wanted: tuple[dict[str, str], ...]) -> list[str]:
    """The files that are not as they may be, by the end that has the fewest of them."""
    return min(([key for key in now.keys() | end if now.get(key) != end.get(key)] for end in wanted), key=len)


def ends(laid, clean, name: str) -> tuple[dict[str, str], ...]:
    """What may be there after a stage that was stopped and run again: a finished index may stay as it was."""
    wanted = clean[name][0]
    return (wanted, content(laid.places[name])) if name == "C2 again" else (wanted,)


def gone(job) -> bool:
    """Whether no process of a job is left after a while."""
    for _ in range(100):
        if not job.company:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("name", STAGES)
def test_a_killed_stage_is_made_good_by_the_next_run(
    ready, clean, tmp_path, name, workers, chance, thorough, record_property
):
    stage, seconds, wanted = STAGES[name], clean[name][1], ends(ready, clean, name)
    with_workers = name in ("B1", "C1")
    if workers == "2" and not with_workers:
        pytest.skip("it starts no processes")
    more = ["--n_workers", workers] if with_workers else []
    killed, times = 0, 20 if thorough else 2 if name in PIPELINE else 1
    for number in range(times):
        folder = ready.copy(name, tmp_path / str(number))
        job = ready.workshop.start(stage.name, stage.words(folder, *more), stage.before)
        time.sleep(chance.uniform(0, seconds))
        job.send(signal.SIGKILL)
        killed += job.wait().code == -signal.SIGKILL
        assert gone(job)
        again = ready.workshop.run(stage.name, stage.goes_on.words(folder, *more), stage.before)
        assert made_good(stage, again), (number, again)
        assert not others(content(folder), wanted), number
    record_property("faults: kills", killed)
    record_property("faults: kills that came too late", times - killed)


@pytest.mark.parametrize("name", STAGES)
def test_an_interrupted_stage_ends_in_one_line_and_goes_on(
    ready, clean, tmp_path, name, chance, thorough, record_property
):
    stage, seconds, wanted = STAGES[name], clean[name][1], ends(ready, clean, name)
    interrupted = 0
    for number in range(10 if thorough else 1):
        folder = ready.copy(name, tmp_path / str(number))
        job = ready.workshop.start(stage.name, stage.words(folder), stage.before)
        time.sleep(chance.uniform(0.3, 0.8) * seconds)
        job.send_all(signal.SIGINT)
        done = job.wait()
        if done.code != 0:
            assert (done.code, len(done.errors)) == (130, 1), done
            assert done.errors[0].startswith("interrupted: ")
            interrupted += 1
        assert gone(job)
        again = ready.workshop.run(stage.name, stage.goes_on.words(folder), stage.before)
        assert made_good(stage, again), (number, again)
        assert not others(content(folder), wanted), number
    record_property("faults: interrupts", interrupted)


@pytest.mark.parametrize("name", [name for name in STAGES if name != "C2 again"])
def test_of_two_at_once_one_works_and_the_other_says_so(ready, clean, tmp_path, name, thorough, record_property):
    stage, (wanted, _) = STAGES[name], clean[name]
    told = 0
    if name in FURTHER and not thorough:
        pytest.skip("it is in the long form alone")
    for number in range(10 if thorough else 2):
        folder = ready.copy(name, tmp_path / str(number))
        both = [ready.workshop.start(stage.name, stage.words(folder), stage.before) for _ in range(2)]
        ends = [job.wait() for job in both]
        assert sorted(done.code for done in ends) in ([0, 0], [0, 2]), ends
        for done in ends:
            if done.code == 2:
                assert done.refused
                assert "another process" in done.errors[0] or (stage.told and stage.told in done.errors[0])
                told += 1
        assert content(folder) == wanted
    record_property("faults: second processes that were told to wait", told)


def test_the_lock_of_a_killed_process_stops_nobody(further, clean, tmp_path):
    folder = further.copy("B1", tmp_path / "run")
    stage = PIPELINE["B1"]
    job = further.workshop.start(stage.name, stage.words(folder))
    while not (locks := list(folder.rglob(".*.lock"))):
        time.sleep(0.02)
    second = further.workshop.run(stage.name, stage.words(folder))
    assert second.refused
    assert "another process is doing B1" in second.errors[0]
    job.send(signal.SIGKILL)
    job.wait()
    assert locks[0].exists()
    assert further.workshop.run(stage.name, stage.words(folder)).code == 0
    assert content(folder) == clean["B1"][0]


def test_the_clock_set_back_changes_nothing(further, tmp_path):
    """Every file is of a time to come: as after a clock that was set back, or on a disk of another machine."""
    folder = further.copy("end", tmp_path / "run")
    before, later = content(folder), time.time() + 86_400 * 365
    for file in sorted(folder.rglob("*")):
        os.utime(file, (later, later))
    for name, stage in PIPELINE.items():
        if name == "A1":  # its source lies elsewhere now
            continue
        done = further.workshop.run(stage.name, stage.words(folder))
        assert done.code == 0, done
        assert "already done" in done.said
        assert further.workshop.run(stage.name, stage.words(folder, "--overwrite", "True")).code == 0
        assert content(folder) == before
