"""Every E2 command of the description, as written, on small folders in the real formats; and what else E2 draws.

The commands run in a copy of the project; the runs that B1 and C1 would leave are put in place as for D1.
"""

import csv
import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts_by_name import script
from test_description_d1 import PROJECT, RAW, lay_run, run

from backward_search.drawing import fonts
from backward_search.errors import UserError
from backward_search.storage.atomic import write_array, write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import RunPaths

COMMON = "python E2.Model-Query-Visualization.py --encoder_model convnext_base --encoding_size 256"
COMMANDS = {
    "wikiart": f"{COMMON} --dataset_name wikiart --category_type stylegenre --inverse_lambda 1.1 --query_key 100",
    "CUB": f"{COMMON} --dataset_name CUB --category_type birds --inverse_lambda 0.51",
    "APY": f"{COMMON} --dataset_name APY --category_type category --inverse_lambda 0.7",
}
"""The first is the description's; the others are those of the script's own."""
FIRST = {"wikiart": "style", "CUB": "birds", "APY": "category"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    copy = tmp_path_factory.mktemp("project")
    for file in PROJECT.glob("[A-E][0-9].*.py"):
        shutil.copy(file, copy)
    shutil.copytree(PROJECT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name, command in COMMANDS.items():
        RAW[name](copy / "data" / name)
        run(copy, f"python A1.Data-Preprocessing-{name}.py")
        lay_outcomes(lay_run(copy, command), copy / "data" / name / "attributions", name)
        lay_queries(copy / "data" / name / "attributions", name)
    return copy


def lay_outcomes(folder: Path, tables: Path, name: str) -> None:
    """The logits of both splits, and C1's record of each."""
    paths = RunPaths(folder)
    classes = json.loads(paths.config.read_text(encoding="utf-8"))["classes"]
    for split in ("train", "test"):
        count = len(np.load(paths.embeddings(split)))
        for attribute, labels in classes.items():
            logits = np.random.default_rng(0).normal(size=(count, len(labels))).astype(np.float32)
            write_array(paths.logits(split, attribute), logits)
        inputs = {split: tables / f"preprocessed_{name}_{split}.csv", "weights": paths.weights}
        Stage("C1", paths.embedding_manifest(split), {}, inputs, [paths.embeddings(split)]).finish()


def lay_queries(folder: Path, name: str) -> None:
    """A query file of the published form: the small galleries have too few images for A2."""
    with (folder / f"preprocessed_{name}_test.csv").open(encoding="utf-8", newline="") as file:
        keys = ["/".join(row["path"].split("/")[-2:]) for row in csv.DictReader(file)]
    labels = json.loads((folder / "classes.json").read_text(encoding="utf-8"))[FIRST[name]]
    queries = [
        {"candidate": keys[i % len(keys)], "candidate_tags": "a,b", "condition": {FIRST[name]: labels[i % len(labels)]}}
        for i in range(120)
    ]
    content = {"dataset": name, "attributes": [FIRST[name]], "queries": queries}
    write_json(folder / f"query_{FIRST[name]}_{name}_test_random.json", content)


def hits_of(picture: Path) -> list[dict]:
    with picture.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", COMMANDS)
def test_its_commands_run_as_written(project, name):
    said = run(project, COMMANDS[name]).splitlines()
    picture = project / next(line for line in said if line.endswith(".png")).removeprefix("wrote ")
    assert picture.name == ("query_100.png" if name == "wikiart" else "query_10.png")
    with Image.open(picture) as image:
        assert image.width == 1500
    hits = hits_of(picture)
    assert list(dict.fromkeys(row["method"] for row in hits)) == ["unchanged", "teacher", "shift_null"]
    said = "\n".join(said).replace("\n  ", " ").splitlines()  # folded lines are indented
    (left_out,) = [line for line in said if line.startswith("best is left out")]
    assert left_out.startswith("best is left out, shift_null drawn in its place: no context map at ")
    assert "C4.Learn-Context.py" in left_out
    assert [row["rank"] for row in hits] == [str(rank) for rank in range(1, 11)] * 3
    wanted = hits[0]["condition"].partition("=")[2]
    assert all((row["meets"] == "True") == (row[FIRST[name]] == wanted) for row in hits)


def draw(project: Path, *words: str) -> Path:
    roots = [f"--{kind}_root={project / kind}" for kind in ("data", "weight", "result")]
    return script("E2")(["--dataset_name", "CUB", *roots, "--search_topk", "4", *words])


def queries(project: Path) -> list[dict]:
    file = project / "data" / "CUB" / "attributions" / "query_birds_CUB_test_random.json"
    return json.loads(file.read_text(encoding="utf-8"))["queries"]


def test_with_a_context_map_best_is_drawn_and_nothing_stands_in(project, tmp_path, caplog):
    copy = Path(shutil.copytree(project, tmp_path / "copy"))
    named = draw(copy, "--methods", "best")  # learns the map
    assert list((copy / "weight").glob("*datasetCUB*/context/map.safetensors"))
    found = [row["hit"] for row in hits_of(named)]
    caplog.clear()
    hits = hits_of(draw(copy, "--methods", ""))
    assert list(dict.fromkeys(row["method"] for row in hits)) == ["unchanged", "teacher", "best"]
    assert [row["hit"] for row in hits if row["method"] == "best"] == found
    assert "best is left out" not in caplog.text


def test_the_teachers_way_is_drawn_from_the_query_to_its_end(project):
    picture = draw(project, "--path", "--map", "pca", "--format", "svg", "--query_key", "1,5")
    assert picture.name == "query_5_path.svg"
    assert picture.with_name("query_1_path.svg").exists()
    assert ET.parse(picture).getroot().tag.endswith("svg")
    hits = hits_of(picture)
    points = list(dict.fromkeys(row["method"] for row in hits))
    assert points[0] == "t_0"
    assert len(points) == 3
    assert hits[0]["hit"] == queries(project)[5]["candidate"]
    assert float(hits[0]["score"]) == pytest.approx(1)


def test_the_same_command_draws_the_same_bytes(project):
    for form in ("png", "svg", "pdf"):
        first, second = (draw(project, "--output", str(project / f"{i}.{form}")).read_bytes() for i in range(2))
        assert first == second


def test_any_image_of_the_data_set_can_be_asked_for_anything(project):
    key, labels = queries(project)[3]["candidate"], sorted({query["condition"]["birds"] for query in queries(project)})
    condition = f"birds!={labels[0]}|{labels[1]}"
    picture = draw(project, "--query", key, "--condition", condition, "--format", "pdf", "--width", "3.4")
    assert picture.read_bytes().startswith(b"%PDF")
    assert picture.stem == "image_" + key.rpartition(".")[0].replace("/", "-")
    assert all((row["meets"] == "True") == (row["birds"] not in labels[:2]) for row in hits_of(picture))


def test_random_queries_are_those_of_the_seed(project):
    first = draw(project, "--random", "2", "--seed", "3", "--result_root", str(project / "random"))
    assert len(list(first.parent.glob("query_*.png"))) == 2
    assert draw(project, "--random", "2", "--seed", "3", "--save_hits", "False").name == first.name


def test_a_contact_sheet_shows_many_queries_in_one_file(project):
    sheet = draw(project, "--contact_sheet", "--query_key", "0-2,7")
    assert sheet.name == "contact_sheet_0-2_7.png"
    with Image.open(sheet) as image:
        assert image.width == 1500
    hits = hits_of(sheet)
    assert [row["query"] for row in hits] == [f"query {key}" for key in (0, 1, 2, 7) for _ in range(4)]
    assert {row["method"] for row in hits} == {"teacher"}
    alone = hits_of(draw(project, "--query_key", "7", "--methods", "teacher"))
    assert hits[-4:] == alone


def test_a_contact_sheet_has_a_row_for_each_method_and_pages(project, tmp_path):
    place = tmp_path / "sheet.pdf"
    words = ["--contact_sheet", "--query_key", "0-19", "--methods", "unchanged,teacher", "--output", str(place)]
    first = draw(project, *words).read_bytes()
    assert len(re.findall(rb"/Type /Page\b", first)) > 1
    assert len(hits_of(place)) == 20 * 2 * 4
    assert draw(project, *words).read_bytes() == first
    keys = ",".join(str(key) for key in range(0, 80, 3))
    assert draw(project, "--contact_sheet", "--query_key", keys).name == "contact_sheet_0_and_26_more.png"


def test_names_that_no_font_can_write_are_said_once(project, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(fonts, "has", lambda character: character not in "KB")
    draw(project, "--query_key", "1,2", "--methods", "unchanged", "--result_root", str(tmp_path))
    (line,) = [record.getMessage() for record in caplog.records if "no installed font" in record.getMessage()]
    assert "the Latin letters of some names" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--query_key 120", "the last query is 119"),
        ("--query_key 3,x", "not a list of indices"),
        ("--query a/b.jpg --condition birds!=001.Kind_of_Bird_1", "is no image of the test split"),
        ("--query a/b.jpg", "--condition has to say"),
        ("--query_image none.jpg --condition birds!=001.Kind_of_Bird_1", "none.jpg"),
        ("--random 2 --output a.png", "the file of one picture"),
        ("--query_key 9-3", "not a list of indices"),
        ("--query_key 1-2-3", "not a list of indices"),
        ("--query_key -3", "not a list of indices"),
        ("--query_key 0-99999999999", "names more than 10000 queries"),
        ("--query_key 0-300 --contact_sheet", "301 rows are too many for one picture: pass --format pdf"),
        ("--query_key 100-300 --contact_sheet --format pdf", "the last query is 119"),
        ("--query_key 0-3 --contact_sheet --path", "leave --path out"),
        ("--query_key 0-3 --contact_sheet --path_rows 2", "leave --path_rows out"),
        ("--output a.gif", "does not end in"),
        ("--path --path_lambdas 1,x", "not a number"),
    ],
)
def test_what_cannot_be_drawn_is_named(project, words, message):
    with pytest.raises(UserError, match=message):
        draw(project, *words.split())
