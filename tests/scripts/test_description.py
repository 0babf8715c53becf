"""The commands of the description for A1 and A2, as written, in a copy of the project with small raw data sets."""

import csv
import json
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from raw_apy import CATEGORIES, write_apy
from raw_cub import write_cub
from raw_wikiart import genre_label, write_wikiart
from rerecorded import rerecord

PROJECT = Path(__file__).resolve().parents[2]

A1 = (
    "python A1.Data-Preprocessing-APY.py",
    "python A1.Data-Preprocessing-CUB.py",
    "python A1.Data-Preprocessing-wikiart.py",
)
A2 = "python A2.Query-Generating.py"
ATTRIBUTES = {"CUB": ["birds"], "APY": ["category"], "wikiart": ["artist", "genre", "style"]}
ROWS = {"CUB": (560, 240), "APY": (400, 300), "wikiart": (1200, 300)}
TASKS = [("CUB", "birds"), ("APY", "category"), ("wikiart", "style"), ("wikiart", "style-genre")]


def run(project: Path, command: str, code: int = 0) -> str:
    """Run a command of the description in the project's folder and return what it said, or its error."""
    python, *words = shlex.split(command)
    assert python == "python"
    done = subprocess.run([sys.executable, *words], cwd=project, capture_output=True, text=True, check=False)
    assert (done.returncode, bool(done.stderr)) == (code, code > 0)
    return done.stderr or done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of scripts and package, since both find their folder through links, after all commands have run in it."""
    folder = tmp_path_factory.mktemp("project")
    for script in PROJECT.glob("A[12].*.py"):
        shutil.copy(script, folder)
    shutil.copytree(PROJECT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    write_apy(folder / "data" / "APY")
    write_cub(folder / "data" / "CUB")
    folder.joinpath("paintings.json").write_text(
        json.dumps([[p.key, genre_label(p.genre)] for p in write_wikiart(folder / "data" / "wikiart", genres=5)])
    )
    for command in (*A1, A2):
        run(folder, command)
    return folder


def attributions(project, name):
    return project / "data" / name / "attributions"


def table(project, name, split):
    """Header and rows of a table."""
    with (attributions(project, name) / f"preprocessed_{name}_{split}.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def key(path):
    return "/".join(path.split("/")[-2:])


def classes(project, name):
    return json.loads((attributions(project, name) / "classes.json").read_text(encoding="utf-8"))


def tag_rows(project, name):
    with (attributions(project, name) / "tags.csv").open(encoding="utf-8", newline="") as file:
        return {row["key"]: row for row in csv.DictReader(file)}


def query_file(project, name, task):
    return attributions(project, name) / f"query_{task}_{name}_test_random.json"


def queries(project, name, task):
    return json.loads(query_file(project, name, task).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ROWS)
def test_a1_writes_both_tables_the_class_list_and_the_tags(project, name):
    splits = {split: table(project, name, split) for split in ("train", "test")}
    known = classes(project, name)
    assert tuple(len(rows) for _, rows in splits.values()) == ROWS[name]
    assert list(known) == ATTRIBUTES[name]
    for header, rows in splits.values():
        assert header == ["path", *ATTRIBUTES[name]]
        assert all((project / row[0]).is_file() for row in rows)
        for column, attribute in enumerate(ATTRIBUTES[name], 1):
            assert known[attribute] == sorted(set(known[attribute]))
            assert {int(row[column]) for row in rows} <= set(range(len(known[attribute])))
    keys = [key(row[0]) for _, rows in splits.values() for row in rows]
    assert len(set(keys)) == len(keys)
    assert sorted(keys) == sorted(tag_rows(project, name))


@pytest.mark.parametrize("name", ROWS)
def test_a1_reports_what_it_wrote(project, name):
    report = json.loads((attributions(project, name) / "report.json").read_text(encoding="utf-8"))
    assert tuple(report["splits"].values()) == ROWS[name]
    assert report["classes"] == {attribute: len(labels) for attribute, labels in classes(project, name).items()}
    assert report["dropped"] == {}


def test_the_label_of_a_bird_is_its_folder(project):
    labels = classes(project, "CUB")["birds"]
    counts = {
        split: Counter(labels[int(row[1])] for row in table(project, "CUB", split)[1]) for split in ("train", "test")
    }
    assert counts == {"train": dict.fromkeys(labels, 28), "test": dict.fromkeys(labels, 12)}
    assert all(labels[int(row[1])] == row[0].split("/")[-2] for row in table(project, "CUB", "test")[1])


def test_the_objects_of_apy_stand_in_the_order_of_their_lists(project):
    labels = classes(project, "APY")["category"]
    assert labels == sorted(CATEGORIES)
    for split, rows in (("train", 400), ("test", 300)):
        found = [labels[int(row[1])] for row in table(project, "APY", split)[1]]
        assert found == [CATEGORIES[row % len(CATEGORIES)] for row in range(rows)]
        assert table(project, "APY", split)[1][3][0].endswith(f"_{CATEGORIES[3]}_3.jpg")


def test_the_paintings_stand_in_the_order_of_the_published_shuffle(project):
    paintings = json.loads((project / "paintings.json").read_text(encoding="utf-8"))
    order = np.arange(len(paintings))
    np.random.RandomState(777).shuffle(order)
    known = classes(project, "wikiart")
    rows = table(project, "wikiart", "train")[1] + table(project, "wikiart", "test")[1]
    found = [[key(path), known["genre"][int(genre)], known["style"][int(style)]] for path, _, genre, style in rows]
    assert found == [[*paintings[row], paintings[row][0].split("/")[0]] for row in order.tolist()]


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_a2_without_a_name_draws_a_thousand_queries_of_every_task(project, name, task):
    content = queries(project, name, task)
    assert (content["attributes"], content["split"], content["protocol"]) == (task.split("-"), "test", "paper")
    assert content["seeds"] == {"python": 1234, "numpy": 777}
    found = content["queries"]
    assert len({(q["candidate"], *q["condition"].values()) for q in found}) == len(found) == 1000
    assert all(list(q) == ["candidate", "candidate_tags", "condition"] for q in found)
    tags = tag_rows(project, name)
    assert all(q["candidate_tags"] == tags[q["candidate"]]["query_tags"] for q in found)


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_every_query_has_ten_other_images_to_find(project, name, task):
    known, columns = classes(project, name), {name: i for i, name in enumerate(ATTRIBUTES[name], 1)}
    own = {
        key(row[0]): tuple(known[attribute][int(row[columns[attribute]])] for attribute in task.split("-"))
        for row in table(project, name, "test")[1]
    }
    sizes = Counter(own.values())
    for query in queries(project, name, task)["queries"]:
        assert list(query["condition"]) == task.split("-")
        wanted = tuple(query["condition"].values())
        assert sizes[wanted] - (own[query["candidate"]] == wanted) >= 10


@pytest.fixture
def tables_alone(project, tmp_path):
    """The scripts and the tables as A1 left them, without images and queries."""
    shutil.copy(project / "A2.Query-Generating.py", tmp_path)
    shutil.copytree(project / "src", tmp_path / "src")
    for name in ROWS:
        without = shutil.ignore_patterns("*query*")
        shutil.copytree(attributions(project, name), attributions(tmp_path, name), ignore=without)
    return tmp_path


def drawn(project):
    return {file.name: file.read_bytes() for file in project.glob("data/*/attributions/query_*")}


def test_a2_by_name_draws_the_same_queries_from_the_tables_alone(project, tables_alone):
    for name in ROWS:
        run(tables_alone, f"{A2} --dataset_name {name}")
    assert len(drawn(project)) == len(TASKS)
    assert drawn(tables_alone) == drawn(project)


def test_a_data_set_without_enough_queries_does_not_keep_the_others_from_theirs(project, tables_alone):
    table_of_cub = attributions(tables_alone, "CUB") / "preprocessed_CUB_test.csv"
    lines = table_of_cub.read_text(encoding="utf-8").splitlines(keepends=True)
    table_of_cub.write_text("".join(lines[:41]), encoding="utf-8")
    rerecord(table_of_cub.with_name("manifest-A1.json"), table_of_cub)
    error = run(tables_alone, A2, code=2)
    assert len(error.splitlines()) == 1
    assert "CUB test has at most 0 queries" in error
    assert drawn(tables_alone) == {name: content for name, content in drawn(project).items() if "CUB" not in name}


def test_a2_again_finds_everything_done(project):
    said = run(project, A2)
    assert said.count("nothing to do") == len(TASKS)
