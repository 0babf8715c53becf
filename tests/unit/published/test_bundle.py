"""The authors' preprocessed bundle, built small in its real form: tables with ids, pickles, no images."""

import csv
import json
import logging
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scripts_by_name import script

from backward_search.data.prepared import load_table, load_tags
from backward_search.data.registry import DatasetEntry, EmptyTags
from backward_search.data.report import Findings
from backward_search.data.tables import Table
from backward_search.errors import DataError, MissingError, StaleError
from backward_search.published.bundle import conversion
from backward_search.published.bundle.conversion import convert_bundle
from backward_search.published.bundle.tags import class_and_tags, four_fields, read_tags
from backward_search.readers.wikiart import tags as wikiart_tags
from backward_search.storage.paths import DataPaths

NAN = float("nan")
BIRDS = DatasetEntry("CUB", {"birds": ("birds",)}, empty_tags=EmptyTags.OF_THE_QUERY, prepare="A1-CUB.py")
OBJECTS = DatasetEntry("APY", {"category": ("category",)}, prepare="A1-APY.py")
PAINTINGS = DatasetEntry("wikiart", {"stylegenre": ("style", "genre"), "style": ("style",)}, prepare="A1-wikiart.py")


def class_lists(labels: Mapping[str, list[str]]) -> dict[str, Any]:
    return {
        name: {
            "label2num": {label: number for number, label in enumerate(names)},
            "num2label": dict(enumerate(names)),
        }
        for name, names in labels.items()
    }


def write_bundle(
    paths: DataPaths,
    tables: Mapping[str, pd.DataFrame],
    classes: Any,
    tags: Any,
    queries: Mapping[str, Any],
    folder: str = "attributions",
    index: bool = False,
) -> Path:
    home = paths.folder / folder
    home.mkdir(parents=True)
    for split, table in tables.items():
        table.to_csv(home / f"preprocessed_{paths.name}_{split}.csv", index=index)
    files = {"classes.label2num": classes, "filename.tag": tags, **queries}
    for name, content in files.items():
        (home / f"{name}.pkl").write_bytes(pickle.dumps(content, 4))
    return home


def birds_bundle(paths: DataPaths, prefix: str = "./data/CUB/images/", **form: Any) -> Path:
    names = ["001.Auk", "002.Crow"]
    keys = [f"{names[row % 2]}/b{row}.jpg" for row in (5, 3, 0, 1, 4, 2)]
    table = pd.DataFrame({"path": [prefix + key for key in keys], "birds": [1, 1, 0, 1, 0, 0]})
    tags = {key: [key.split("/")[0], f"has_wing::{key[-5]},has_bill::x"] for key in keys}
    tags[keys[0]][1] = ""
    queries = {
        number: {
            "candidate": keys[4 + number % 2],
            "candidate_tags": "x,001.Auk",
            "condition": {"birds": names[number % 2]},
        }
        for number in (2, 0, 1)
    }
    return write_bundle(
        paths,
        {"train": table[:4], "test": table[4:]},
        class_lists({"birds": names}),
        tags,
        {"query_birds_CUB_test_random": queries},
        **form,
    )


def paintings_bundle(paths: DataPaths) -> Path:
    keys = ["Rococo/joaqu\xe3\xad-a.jpg", "Ukiyo_e/b.jpg", "Rococo/c.jpg", "Ukiyo_e/d.jpg"]
    ids = {"artist": [0, 1, 1, 2], "genre": [1, 0, 0, 1], "style": [0, 1, 0, 1]}
    table = pd.DataFrame({"path": [f"./data/wikiart/images/{key}" for key in keys]} | ids)
    tags = {
        keys[0]: ["portrait", "Rococo", "oil, canvas", "Male-Portraits, hats"],
        keys[1]: [NAN, "Ukiyo e", np.nan, NAN],
        keys[2]: ["sketch and study", "Rococo", NAN, "a,,b"],
        keys[3]: [NAN, NAN, NAN, NAN],
    }
    labels = {"artist": ["A", "B", "C"], "genre": ["landscape", "portrait"], "style": ["Rococo", "Ukiyo_e"]}
    both = {
        0: {"candidate": keys[3], "candidate_tags": ",,", "condition": {"genre": "portrait", "style": "Rococo"}},
        1: {"candidate": keys[2], "candidate_tags": "t", "condition": {"genre": "landscape", "style": "Ukiyo_e"}},
    }
    style = {0: {"candidate": keys[2], "candidate_tags": "t", "condition": {"style": "Rococo"}}}
    queries = {"query_style_wikiart_test_random": style, "query_stylegenre_wikiart_test_random": both}
    return write_bundle(
        paths, {"train": table[:2], "test": table[2:]}, class_lists(labels), tags, queries, "attributes"
    )


def converted(paths: DataPaths, entry: DatasetEntry, split: str) -> Table:
    convert_bundle(paths, entry)
    return load_table(paths, entry, split)


@pytest.fixture
def cub(tmp_path: Path) -> DataPaths:
    return DataPaths.of(tmp_path / "elsewhere", "CUB")


def test_birds_become_our_files(cub: DataPaths, caplog: pytest.LogCaptureFixture) -> None:
    birds_bundle(cub)
    with caplog.at_level(logging.INFO):
        assert convert_bundle(cub, BIRDS)
    assert "bundle" in caplog.text
    train, test = (load_table(cub, BIRDS, split) for split in ("train", "test"))
    assert train.keys == ["002.Crow/b5.jpg", "002.Crow/b3.jpg", "001.Auk/b0.jpg", "002.Crow/b1.jpg"]
    assert train.labels("birds") == ["002.Crow", "002.Crow", "001.Auk", "002.Crow"]
    assert test.paths == ["./data/CUB/images/001.Auk/b4.jpg", "./data/CUB/images/001.Auk/b2.jpg"]
    tags = load_tags(cub)
    assert tags.tags["001.Auk/b4.jpg"] == tags.query_tags["001.Auk/b4.jpg"] == "has_wing::4,has_bill::x,001.Auk"
    assert (tags.tags["002.Crow/b5.jpg"], tags.query_tags["002.Crow/b5.jpg"]) == ("002.Crow", ",002.Crow")
    assert json.loads(cub.classes.read_text()) == {"birds": ["001.Auk", "002.Crow"]}


def test_queries_in_the_order_of_their_numbers(cub: DataPaths) -> None:
    birds_bundle(cub)
    convert_bundle(cub, BIRDS)
    content = json.loads(cub.queries(("birds",), "test").read_text())
    queries = content.pop("queries")
    assert content == {
        "dataset": "CUB",
        "attributes": ["birds"],
        "split": "test",
        "protocol": "paper",
        "seeds": {"python": 1234, "numpy": 777},
        "tables": {"bundle": True, "folder": "attributions"},
    }
    assert [query["condition"]["birds"] for query in queries] == ["001.Auk", "002.Crow", "001.Auk"]
    assert list(queries[0]) == ["candidate", "candidate_tags", "condition"]


def files_of(paths: DataPaths) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in paths.root.rglob("*") if path.is_file()}


def test_it_is_converted_once(cub: DataPaths) -> None:
    birds_bundle(cub, folder="attributes")
    assert convert_bundle(cub, BIRDS)
    before = files_of(cub)
    assert not convert_bundle(cub, BIRDS)
    assert files_of(cub) == before
    manifest = json.loads(cub.manifest("A1").read_text())
    assert manifest["settings"]["bundle"] is True
    assert "filename.tag.pkl" in manifest["inputs"]
    assert json.loads(cub.report.read_text())["splits"] == {"train": 4, "test": 2}


def test_reading_writes_nothing(cub: DataPaths) -> None:
    birds_bundle(cub)
    before = files_of(cub)
    with pytest.raises(MissingError, match=r"no finished preprocessing of CUB .*: run A1-CUB\.py"):
        load_table(cub, BIRDS, "train")
    assert files_of(cub) == before
    convert_bundle(cub, BIRDS)
    before = files_of(cub)
    assert len(load_table(cub, BIRDS, "train")) == 4
    assert files_of(cub) == before


def test_a2_starts_from_a_bundle_that_was_only_laid_in_place(cub: DataPaths) -> None:
    birds_bundle(cub)
    script("A2")(["--dataset_name", "CUB", "--data_root", str(cub.root), "--num_queries", "3"])
    said = cub.log.read_text()
    assert "converting it, once" in said
    assert "already done" in said  # the queries are those of the bundle
    assert len(json.loads(cub.queries(("birds",), "test").read_text())["queries"]) == 3


def test_b1_starts_from_a_bundle_that_was_only_laid_in_place(cub: DataPaths, tmp_path: Path) -> None:
    birds_bundle(cub)
    roots = ["--data_root", str(cub.root), "--weight_root", str(tmp_path / "weight")]
    small = ["--encoder_model", "small_cnn", "--batch_size", "2", "--n_workers", "0", "--device", "cpu"]
    with pytest.raises(DataError, match=r"image .*b\d\.jpg does not exist"):  # a bundle has no images
        script("B1")(["--dataset_name", "CUB", *roots, *small])
    assert len(load_table(cub, BIRDS, "train")) == 4


def test_e3_counts_a_bundle_that_was_only_laid_in_place(cub: DataPaths, tmp_path: Path) -> None:
    birds_bundle(cub)
    roots = ["--data_root", str(cub.root), "--weight_root", str(tmp_path / "weight")]
    place = script("E3")(["--dataset_name", "CUB", *roots, f"--table_root={tmp_path}", "--tables", "1"])
    (row,) = csv.DictReader(next(place.glob("table1*.csv")).read_text().splitlines())
    assert [row[name] for name in ("classes", "training images", "test images", "queries")] == ["2", "4", "2", "3"]


def test_a1_takes_a_bundle_where_there_is_nothing_else(cub: DataPaths, caplog: pytest.LogCaptureFixture) -> None:
    birds_bundle(cub, folder="attributes")
    root = ("--data_root", str(cub.root))
    with caplog.at_level(logging.INFO):
        script("A1.Data-Preprocessing-CUB")([*root, "--check_only"])
        assert "images: 6 (train 4, test 2)" in caplog.text
        assert [path.name for path in cub.attributions.iterdir()] == ["check.json"]
        assert script("A1.Data-Preprocessing-CUB")([*root]) == cub.attributions
    assert cub.tags.exists()
    with caplog.at_level(logging.INFO):
        script("A1.Data-Preprocessing-CUB")([*root])
    assert "converted from the authors' bundle already" in caplog.text


def test_a2_keeps_the_queries_of_the_bundle(cub: DataPaths, caplog: pytest.LogCaptureFixture) -> None:
    birds_bundle(cub)
    convert_bundle(cub, BIRDS)
    place = cub.queries(("birds",), "test")
    before = place.read_bytes()
    with caplog.at_level(logging.INFO):
        script("A2")(["--dataset_name", "CUB", "--data_root", str(cub.root), "--num_queries", "3"])
    assert "already done" in caplog.text
    assert place.read_bytes() == before
    with pytest.raises(StaleError, match="num_queries"):
        script("A2")(["--dataset_name", "CUB", "--data_root", str(cub.root)])


def test_of_two_that_convert_one_does(cub: DataPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second has read the bundle when the first is done, which goes on with what it made."""
    birds_bundle(cub)
    read, others = conversion.read, [True]

    def slowly(*words: Any) -> Any:
        if others:
            others.clear()
            assert convert_bundle(cub, BIRDS)
        return read(*words)

    monkeypatch.setattr(conversion, "read", slowly)
    assert not convert_bundle(cub, BIRDS)
    assert not others
    assert load_table(cub, BIRDS, "train").keys


def test_without_a_bundle_nothing_happens(cub: DataPaths) -> None:
    assert not convert_bundle(cub, BIRDS)
    assert not cub.folder.exists()
    with pytest.raises(MissingError, match=r"run A1-CUB\.py"):
        load_table(cub, BIRDS, "train")


def test_a_second_conversion_gives_the_same_files(cub: DataPaths) -> None:
    """Its tables lie where ours go: after a lost manifest the converted ones are read."""
    birds_bundle(cub, prefix="C:\\papers\\data\\CUB\\images\\", index=True)
    convert_bundle(cub, BIRDS)
    outputs = [cub.table("train"), cub.table("test"), cub.tags, cub.classes, cub.queries(("birds",), "test")]
    first = [path.read_bytes() for path in outputs]
    cub.manifest("A1").unlink()
    assert convert_bundle(cub, BIRDS)
    assert [path.read_bytes() for path in outputs] == first


@pytest.mark.parametrize(
    "prefix",
    ["./data/CUB/images/", "data/CUB/images/", "../data/CUB/images/", "/home/CUB/x/data/CUB/images/", "/x/CUB/images/"],
)
def test_paths_of_any_origin(prefix: str, cub: DataPaths) -> None:
    birds_bundle(cub, prefix)
    table = converted(cub, BIRDS, "test")
    assert table.paths[0] == "./data/CUB/images/001.Auk/b4.jpg"
    assert cub.image(table.paths[0]) == cub.folder / "images" / "001.Auk" / "b4.jpg"


def test_an_index_column_is_left_out(cub: DataPaths) -> None:
    home = birds_bundle(cub, index=True, folder="attributes")
    assert (home / "preprocessed_CUB_test.csv").read_text().startswith(",path,birds")
    convert_bundle(cub, BIRDS)
    assert cub.table("test").read_text().startswith("path,birds\n")


def test_objects_whose_class_is_an_id(tmp_path: Path) -> None:
    paths = DataPaths.of(tmp_path, "APY")
    table = pd.DataFrame({"path": ["./data/APY/images_crop/a.jpg", "./data/APY/images_crop/b.jpg"], "category": [1, 0]})
    tags = {"images_crop/a.jpg": [1, "Furn. Leg,Ear"], "images_crop/b.jpg": [np.int64(0), ""]}
    classes = class_lists({"category": ["bird", "cat"]})
    write_bundle(paths, {"train": table[:1], "test": table[1:]}, classes, tags, {}, "attributes")
    assert converted(paths, OBJECTS, "test").keys == ["images_crop/b.jpg"]
    found = load_tags(paths)
    assert found.tags == {"images_crop/a.jpg": "Furn. Leg,Ear,cat", "images_crop/b.jpg": "bird"}
    assert found.query_tags == {"images_crop/a.jpg": "Furn. Leg,Ear,cat", "images_crop/b.jpg": ",bird"}


def test_paintings(tmp_path: Path) -> None:
    paths = DataPaths.of(tmp_path, "wikiart")
    paintings_bundle(paths)
    table = converted(paths, PAINTINGS, "test")
    assert set(table.ids) == {"artist", "genre", "style"}
    assert table.labels("genre") == ["landscape", "portrait"]
    tags = load_tags(paths)
    assert list(tags.tags.values()) == [
        "portrait,rococo,oil,canvas,male-portraits,hats",
        "ukiyoe",
        "sketchandstudy,rococo,a,b",
        "",
    ]
    assert list(tags.query_tags.values()) == [
        "male-portraits,hats,oil,canvas,portrait,rococo",
        ",,ukiyoe",
        "a,b,sketchandstudy,rococo",
        ",,",
    ]
    style, both = (json.loads(paths.queries(names, "test").read_text()) for names in (("style",), ("style", "genre")))
    assert style["attributes"] == ["style"]
    assert both["attributes"] == ["style", "genre"]
    assert list(both["queries"][0]["condition"].items()) == [("style", "Rococo"), ("genre", "portrait")]


def test_the_double_commas_of_the_published_strings() -> None:
    """Replaced once, from left to right: three commas become two, four become two."""
    assert four_fields([NAN, "s", NAN, "t"])[1] == "t,,s"
    assert four_fields(["g", NAN, NAN, "Nan, finance"])[1] == "nan,fice,g,"
    assert class_and_tags(["c", "a,,b"], []) == ("a,b,c", "a,,b,c")


def test_tags_that_are_no_text_are_counted(tmp_path: Path) -> None:
    file, findings = tmp_path / "tags.pkl", Findings()
    file.write_bytes(pickle.dumps({"a": ["c", 3], "b": [1, NAN], "c": ["d", "x"]}))
    assert read_tags(file, ["a", "b", "c"], ["e", "f"], findings)[0] == ["c", "f", "x,d"]
    assert findings.repaired == {"images with tags that are no text, taken as none": ["a"]}
    file.write_bytes(pickle.dumps({"a": [3, "s", NAN, None], "b": [NAN] * 4}))
    read_tags(file, ["a", "b"], [], findings)
    assert findings.repaired == {"images with tags that are no text, taken as none": ["a", "a"]}


@pytest.mark.parametrize(
    "fields",
    [
        ("Portrait", "Pop Art", None, "Ferdinand, Men"),
        ("abstract", None, None, None),
        (None, None, None, None),
        (None, "Rococo", "oil, canvas", "a,,b"),
    ],
)
def test_the_strings_are_those_of_the_raw_data(fields: tuple[str | None, ...]) -> None:
    """The bundle and the attributions table that it was made from give the same tags."""
    pickled = [NAN if field is None else field for field in fields]
    assert four_fields(pickled) == (wikiart_tags.metric_tags(fields), wikiart_tags.generation_tags(*fields))


# --- what is wrong with a bundle


def damaged(paths: DataPaths, **content: Any) -> Path:
    home = birds_bundle(paths, folder="attributes")
    for name, value in content.items():
        (home / f"{name.replace('_', '.')}.pkl").write_bytes(pickle.dumps(value))
    return home


@pytest.mark.parametrize(
    "content",
    [
        {"classes_label2num": ["not", "a", "dict"]},
        {"classes_label2num": {"birds": {"label2num": {"a": 0, "b": 2}}}},
        {"classes_label2num": class_lists({"category": ["a"]})},
        {"classes_label2num": class_lists({"birds": ["001.Auk"]})},
        {"filename_tag": {"001.Auk/b0.jpg": ["three", "fields", "here"]}},
        {"filename_tag": ["a", "b"]},
        {"filename_tag": {"a/b": "text"}},
        {"filename_tag": {}},
    ],
)
def test_a_damaged_bundle_is_named(content: dict[str, Any], cub: DataPaths) -> None:
    home = damaged(cub, **content)
    with pytest.raises(DataError, match="get the bundle again") as refusal:
        converted(cub, BIRDS, "train")
    assert str(home) in str(refusal.value)
    assert not cub.manifest("A1").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path\n./data/CUB/images/a/b.jpg\n", "has the columns path, expected path, birds"),
        ("path,birds\n./data/CUB/images/a/b.jpg,2\n", "expected a class id from 0 to 1"),
        ("path,birds\n./data/CUB/images/a/b.jpg,crow\n", "'crow', expected a class id"),
        ("path,birds\n./data/CUB/images/a/b.jpg,\n", "expected a class id"),
        ("path,birds\nsomewhere/a/b.jpg,1\n", "'somewhere/a/b.jpg', expected ./data/CUB"),
        ("path,birds\n./data/CUB/images/../../../evil.jpg,1\n", "which leads out of ./data/CUB/"),
        ('path,birds\n"a\n', "is not a CSV file"),
        ("", "is not a CSV file"),
    ],
)
def test_a_damaged_table_is_named(text: str, message: str, cub: DataPaths) -> None:
    home = birds_bundle(cub, folder="attributes")
    (home / "preprocessed_CUB_train.csv").write_text(text)
    with pytest.raises(DataError, match="preprocessed_CUB_train") as refusal:
        convert_bundle(cub, BIRDS)
    assert message in str(refusal.value)


def test_a_bundle_without_its_tags_is_incomplete(cub: DataPaths) -> None:
    home = birds_bundle(cub)
    (home / "filename.tag.pkl").unlink()
    with pytest.raises(DataError, match=r"incomplete, without filename\.tag\.pkl"):
        converted(cub, BIRDS, "train")


class Touch:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self._path}",)


def test_a_hostile_bundle_runs_nothing(cub: DataPaths, tmp_path: Path) -> None:
    damaged(cub, filename_tag={"a/b.jpg": ["c", Touch(tmp_path / "it-ran")]})
    with pytest.raises(DataError, match=r"filename\.tag\.pkl holds the name"):
        converted(cub, BIRDS, "train")
    assert not (tmp_path / "it-ran").exists()


def test_images_without_tags_are_reported(cub: DataPaths) -> None:
    damaged(cub, filename_tag={"001.Auk/b0.jpg": ["001.Auk", "a"]})
    convert_bundle(cub, BIRDS)
    report = json.loads(cub.report.read_text())
    assert [tally["count"] for tally in report["repaired"].values()] == [5]
    assert load_tags(cub).query_tags["001.Auk/b4.jpg"] == ""


@pytest.mark.parametrize(
    "query",
    [
        {"candidate": "001.Auk/none.jpg", "candidate_tags": "", "condition": {"birds": "001.Auk"}},
        {"candidate": "001.Auk/b4.jpg", "candidate_tags": "", "condition": {"birds": "003.Owl"}},
        {"candidate": "001.Auk/b4.jpg", "candidate_tags": "", "condition": {"colour": "001.Auk"}},
        None,
    ],
)
def test_queries_that_do_not_fit_are_left_out_and_reported(query: dict[str, Any] | None, cub: DataPaths) -> None:
    home = birds_bundle(cub)
    (home / "query_birds_CUB_test_random.pkl").write_bytes(pickle.dumps({0: query} if query else {}))
    assert convert_bundle(cub, BIRDS)
    assert not cub.queries(("birds",), "test").exists()
    dropped = json.loads(cub.report.read_text())["dropped"]
    assert [tally["examples"] for tally in dropped.values()] == [["query_birds_CUB_test_random.pkl"]]


def test_a_query_pickle_of_another_form(cub: DataPaths) -> None:
    home = birds_bundle(cub)
    (home / "query_birds_CUB_test_random.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(DataError, match="query_birds_CUB_test_random"):
        convert_bundle(cub, BIRDS)


def test_tables_of_different_columns_are_refused(cub: DataPaths) -> None:
    birds_bundle(cub)
    file = next(cub.folder.rglob("preprocessed_CUB_test.csv"))
    frame = pd.read_csv(file)
    pickled = next(cub.folder.rglob("classes.label2num.pkl"))
    lists = pickle.loads(pickled.read_bytes()) | class_lists({"colour": ["red", "blue"]})
    pickled.write_bytes(pickle.dumps(lists))
    frame.assign(colour=0).to_csv(file, index=False)
    with pytest.raises(DataError, match="have different columns"):
        convert_bundle(cub, BIRDS)
