"""E3 beside a damaged file: each cell is as without, or says why it has no number."""

import csv
import re
import shutil

import pytest
from damages import damages_of
from pipeline import FURTHER, content
from test_damaged_runs import UNREAD

pytestmark = pytest.mark.faults
RESULTS = re.compile(r"/results/.*(?<!csv)$")
UNTOLD = {("attributions", "manifest-A1.json", "a bit"), ("context", "manifest.json", "removed")}
"""A setting that reads as another, which a note under the tables shows; and a missing map is learnt."""
E3 = FURTHER["E3"]


@pytest.fixture(scope="module")
def made(laid, tmp_path_factory):
    """The run with its tables, and a spare of it."""
    folder = laid.copy("end", tmp_path_factory.mktemp("tables") / "run")
    done = laid.workshop.run("E3", E3.words(folder), E3.before)
    assert done.code == 0, done
    return folder, shutil.copytree(folder, folder.with_name("spare"))


def cells(folder) -> dict[str, list[list[str]]]:
    """By table its rows."""
    found = {}
    for file in sorted((folder / "tables").glob("table*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            found[file.name] = list(csv.reader(lines))
    return found


def is_read(name: str) -> bool:
    return not UNREAD.search(name) or bool(RESULTS.search(name)) or name.endswith("from_paper.csv")


def test_no_number_of_a_damaged_file_is_in_a_table(laid, made, chance, thorough, record_property):
    folder, spare = made
    wanted, right = content(folder), cells(folder)
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    files = [file for file in files if is_read(file.relative_to(folder).as_posix()) and file.suffix != ".png"]
    every = [(file, way) for file in files for way in [*damages_of(file), "removed"]]
    every = [(file, way) for file, way in every if (file.parent.name, file.name, way) not in UNTOLD]
    ends, wrong = {"refused": 0, "said so": 0, "without effect": 0}, []
    for file, way in every if thorough else [chance.choice(every) for _ in range(8)]:
        kept, name = file.read_bytes(), file.relative_to(folder).as_posix()
        if way == "removed":
            file.unlink()
        else:
            file.write_bytes(damages_of(file)[way](kept))
        damaged = content(folder).get(name)
        done = laid.workshop.run("E3", E3.words(folder), E3.before)
        now, shown = content(folder), cells(folder)
        changed = [
            key
            for key in now.keys() | wanted.keys()
            if now.get(key) != wanted.get(key) and "tables/" not in key and (key, now.get(key)) != (name, damaged)
        ]
        other = [
            (cell, was)
            for table, rows in right.items()
            for row, before in zip(shown.get(table, []), rows, strict=False)
            for cell, was in zip(row, before, strict=False)
            if cell != was and cell != "-" and not cell.startswith("not run: ")
        ]
        whole = {table: [len(row) for row in rows] for table, rows in shown.items()}
        if changed or other or whole != {table: [len(row) for row in rows] for table, rows in right.items()}:
            wrong.append((name, way, done.code, done.errors[-2:], changed, other[:4]))
        elif not (done.refused or (done.code == 0 and not done.errors)):
            wrong.append((name, way, done.code, done.errors[-3:]))
        ends["refused" if done.code else "without effect" if shown == right else "said so"] += 1
        if now != wanted:
            shutil.rmtree(folder)
            shutil.copytree(spare, folder)
        else:
            file.write_bytes(kept)
    assert not wrong, "\n".join(map(str, wrong))
    for end, count in ends.items():
        record_property(f"faults: damages beside which E3 was {end}", count)
