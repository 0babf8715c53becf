"""F1 with a damaged run: one line where none can be explored, and on the page one line where one no longer can."""

import random
import re
import shutil
import socket
from pathlib import Path

import pytest
from damages import damages_of
from extras import needs
from page_events import SERVED
from pipeline import content
from test_damaged_runs import UNREAD
from workshop import Workshop

pytestmark = pytest.mark.faults
needs("web", "gradio")
UNSEEN = re.compile(UNREAD.pattern + r"|attributions/(manifest-)?query|/context/|\.png$")
FAULT = "something went wrong here"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """One that has imported the page."""
    made = Workshop(
        tmp_path_factory.mktemp("page"), "backward_search.explorer.server", "backward_search.stages.explore"
    )
    yield made
    made.close()


def words(folder: Path) -> list[str]:
    roots = [word for kind in ("data", "weight", "result") for word in (f"--{kind}_root", str(folder / kind))]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return [*roots, "--port", str(free.getsockname()[1])]


def trials(folder: Path, chance: random.Random, *, count: int | None) -> list[tuple[Path, str]]:
    """Every file that the page may read, damaged in every way; or so many of them."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    files = [file for file in files if not UNSEEN.search(file.relative_to(folder).as_posix())]
    if count is None:
        return [(file, way) for file in files for way in [*damages_of(file), "removed"]]
    some = chance.sample(files, min(count, len(files)))
    return [(file, chance.choice([*damages_of(file), "removed"])) for file in some]


def test_f1_starts_in_one_line_or_as_without_damage(laid, workshop, chance, thorough, tmp_path, record_property):
    folder = laid.copy("end", tmp_path / "run")
    ends, wrong, wanted = {0: 0, 2: 0}, [], content(folder)
    for file, way in trials(folder, chance, count=None if thorough else 8):
        kept = file.read_bytes()
        if way == "removed":
            file.unlink()
        else:
            file.write_bytes(damages_of(file)[way](kept))
        done = workshop.run("F1", words(folder), "import page_events; page_events.start_alone()")
        file.write_bytes(kept)
        fine = done.refused or (done.code == 0 and not done.errors and SERVED in done.said)
        if not fine or content(folder) != wanted:
            wrong.append((file.name, way, done.code, done.errors[-3:], done.said[-300:]))
        ends[done.code] = ends.get(done.code, 0) + 1
    assert not wrong, "\n".join(map(str, wrong))
    record_property("faults: F1 refused to start in one line", ends[2])
    record_property("faults: F1 started, the damaged file unread so far", ends[0])


def test_what_is_damaged_while_f1_serves_is_a_line_on_the_page(
    laid, workshop, chance, thorough, tmp_path, record_property
):
    folder = laid.copy("end", tmp_path / "run")
    lines, wrong = {True: 0, False: 0}, []
    for file, way in trials(folder, chance, count=None if thorough else 3):
        kept, damaged = file.read_bytes(), tmp_path / "damaged"
        if way != "removed":
            damaged.write_bytes(damages_of(file)[way](kept))
        given = f"{str(file)!r}, {str(damaged) if way != 'removed' else ''!r}"
        done = workshop.run("F1", words(folder), f"import page_events; page_events.damage_then_use({given})")
        file.write_bytes(kept)
        said = [line for line in done.said.splitlines() if line.startswith(SERVED)]
        if done.code or done.errors or not said or any(FAULT in line or r"\n" in line for line in said):
            told = [line for line in said if not line.endswith("'well'")]
            wrong.append((file.name, way, done.code, done.errors[-3:], told[:3], done.said[-1500:]))
        for line in said:
            lines[line.endswith("'well'")] += 1
        shutil.rmtree(folder / "result", ignore_errors=True)
    assert not wrong, "\n".join(map(str, wrong))
    record_property("faults: events of the page that said what is damaged", lines[False])
    record_property("faults: events of the page that went well beside a damaged file", lines[True])
