"""Vectors in place of images: the same ones whatever they come in, and a clear line for what cannot be used."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_vectors import as_arrays, as_clip_retrieval, as_lists, beside_table, class_vectors, made_vectors
from PIL import Image
from scripts_by_name import script

from backward_search.data.prepared import load_table, load_tags
from backward_search.data.registry import find
from backward_search.errors import DataError, MissingError, OptionError, StaleError
from backward_search.model.features import given_features
from backward_search.readers.custom.vectors import ListedVectors
from backward_search.storage.paths import DataPaths

FORMS = {
    "beside a table": beside_table,
    "lists": as_lists,
    "fixed lists": lambda *each: as_lists(*each, name="file.arrow"),
    "a stream": lambda *each: as_lists(*each, name="stream.arrow"),
    "arrays": as_arrays,
    "clip-retrieval": as_clip_retrieval,
}


def prepared(folder, words, *more):
    script("A1.Data-Preprocessing-custom")(["--dataset_name", "v", "--data_root", str(folder), *words, *more])
    return DataPaths.of(folder, "v")


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_vectors_with_their_labels(form, tmp_path):
    vectors, frame = made_vectors()
    paths = prepared(tmp_path / "data", FORMS[form](tmp_path, vectors, frame))
    entry = find("v", tmp_path / "data")
    assert (entry.vectors, entry.encoder_model) == (16, "embeddings")
    seen = 0
    for split in ("train", "test"):
        table, features = load_table(paths, entry, split), given_features(paths, split)
        assert features.keys == table.keys
        for row, array in enumerate(features.array):
            (place,) = np.flatnonzero((vectors == array).all(axis=1))
            assert [table.labels(name)[row] for name in ("style", "colour")] == [
                frame[name][place] for name in ("style", "colour")
            ]
            seen += 1
    assert seen == len(frame)


def test_names_are_those_of_the_key_column(tmp_path):
    paths = prepared(tmp_path / "data", beside_table(tmp_path, *made_vectors()))
    keys = {key for split in ("train", "test") for key in given_features(paths, split).keys}
    assert keys == {f"id/item-{row}" for row in range(240)}


def test_images_are_copied_where_there_are_some_and_missing_ones_are_counted(tmp_path):
    vectors, frame = made_vectors()
    (tmp_path / "photos").mkdir()
    for name in frame["id"][:200]:
        Image.new("RGB", (40, 30), "red").save(tmp_path / "photos" / f"{name}.jpg")
    words = beside_table(tmp_path, vectors, frame.assign(path="photos/" + frame["id"] + ".jpg"))
    paths = prepared(tmp_path / "data", words[:4], "--label_columns", "style,colour")
    assert len(list((paths.folder / "images").rglob("*.jpg"))) == 200
    report = json.loads(paths.report.read_text())
    assert report["images"] == 240
    assert report["repaired"]["vectors without their image"]["count"] == 40
    without = DataPaths.of(tmp_path / "none", "v")
    prepared(tmp_path / "none", words[:4], "--label_columns", "style,colour", "--thumbnails", "False")
    assert not (without.folder / "images").exists()
    assert given_features(without, "train").keys == given_features(paths, "train").keys


def test_vectors_that_say_nothing_are_left_out_and_counted(tmp_path):
    vectors, frame = made_vectors()
    vectors[3, 2], vectors[5] = np.nan, 0
    wide = vectors.astype(np.float64)
    wide[7, 0] = 1e300  # no number in single precision
    paths = prepared(tmp_path / "data", beside_table(tmp_path, wide, frame))
    dropped = json.loads(paths.report.read_text())["dropped"]
    assert {reason: each["examples"] for reason, each in dropped.items()} == {
        "vectors that are not finite": ["row 3", "row 7"],
        "vectors of zeros": ["row 5"],
    }
    assert json.loads(paths.report.read_text())["images"] == 237


def test_a_missing_list_is_left_out(tmp_path):
    vectors, frame = made_vectors()
    lists = [None if row == 4 else list(vector) for row, vector in enumerate(vectors)]
    pq.write_table(
        pa.table({"label": frame["style"], "emb": pa.array(lists, pa.list_(pa.float32()))}), tmp_path / "a.parquet"
    )
    paths = prepared(tmp_path / "data", ["--source", str(tmp_path / "a.parquet")])
    assert json.loads(paths.report.read_text())["dropped"]["vectors that are not finite"]["examples"] == ["row 4"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v[:-1], "has 240 rows, and --vectors .* 239 vectors"),
        (lambda v: v[0], r"holds float32 \(16,\): expected vectors \(N, d\)"),
        (lambda v: v.astype(str), "expected vectors"),
    ],
)
def test_arrays_that_do_not_fit_are_one_line(change, message, tmp_path):
    vectors, frame = made_vectors()
    with pytest.raises(DataError, match=message):
        prepared(tmp_path / "data", beside_table(tmp_path, change(vectors), frame))


def test_what_is_wrong_with_files_is_one_line(tmp_path):
    vectors, frame = made_vectors()
    words = beside_table(tmp_path, vectors, frame)
    (tmp_path / "vectors.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"vectors.npy cannot be read as a .npy file"):
        prepared(tmp_path / "data", words)
    (tmp_path / "vectors.npy").unlink()
    with pytest.raises(MissingError, match="does not exist"):
        prepared(tmp_path / "data", words)
    with pytest.raises(DataError, match="pass their table as --source and vectors as --vectors"):
        prepared(tmp_path / "data", ["--source", str(beside_table(tmp_path, vectors, frame)[3])])
    with pytest.raises(OptionError, match="name vectors: pass one of them"):
        prepared(tmp_path / "data", words, "--vector_column", "emb")


def test_a_name_that_stands_twice_is_refused(tmp_path):
    vectors, frame = made_vectors()
    frame.loc[7, "id"] = "item-8"
    with pytest.raises(DataError, match="has item-8 twice"):
        prepared(tmp_path / "data", beside_table(tmp_path, vectors, frame))


def test_lists_of_two_lengths_and_two_columns_of_lists_are_refused(tmp_path):
    vectors, frame = made_vectors()
    file = tmp_path / "a.parquet"
    uneven = [list(vector[: 15 if row == 9 else 16]) for row, vector in enumerate(vectors)]
    pq.write_table(pa.table({"label": frame["style"], "emb": uneven}), file)
    with pytest.raises(DataError, match="emb has 15 numbers in row 9, 16 in others"):
        prepared(tmp_path / "data", ["--source", str(file)])
    pq.write_table(pa.table({"label": frame["style"], "emb": list(vectors), "other": list(vectors[:, :8])}), file)
    with pytest.raises(DataError, match="several columns of vectors, emb, other: name one with --vector_column"):
        prepared(tmp_path / "data", ["--source", str(file)])
    prepared(tmp_path / "data", ["--source", str(file)], "--vector_column", "other")
    assert find("v", tmp_path / "data").vectors == 8


@pytest.mark.parametrize("form", ["clip-retrieval", "beside a table", "arrays"])
def test_captions_go_with_their_vectors(form, tmp_path):
    vectors, frame = made_vectors()
    own = frame.assign(caption="the work " + frame["id"])
    words = FORMS[form](tmp_path, vectors, frame if form == "clip-retrieval" else own)
    paths = prepared(tmp_path / "data", words, "--label_columns", "auto", "--key_column", "id")
    captions = load_tags(paths).captions
    assert find("v", tmp_path / "data").attributes == ("style", "colour")
    said = "" if form == "clip-retrieval" else "the work "
    assert {key.removeprefix("id/").removesuffix(".png"): caption for key, caption in captions.items()} == {
        name: f"{said}{name}" for name in frame["id"]
    }


def test_clip_retrieval_without_a_partner_or_with_other_rows_is_refused(tmp_path):
    words = as_clip_retrieval(tmp_path, *made_vectors())
    table = tmp_path / "clip" / "metadata" / "metadata_3.parquet"
    pd.read_parquet(table).iloc[1:].to_parquet(table)
    with pytest.raises(DataError, match=r"metadata_3.parquet has 21 rows and .*img_emb_3.npy 22 vectors"):
        prepared(tmp_path / "data", words)
    table.unlink()
    with pytest.raises(DataError, match="holds 11 files in img_emb/ and 10 in metadata/"):
        prepared(tmp_path / "data", words)


def test_rows_are_taken_across_arrays():
    parts = [np.arange(12).reshape(4, 3), np.arange(12, 30).reshape(6, 3)]
    rows = np.array([9, 0, 4, 3, 0])
    assert ListedVectors(parts).take(rows).tolist() == np.concatenate(parts)[rows].tolist()


def test_a_faulty_vector_beside_paths_is_left_out(tmp_path):
    vectors, frame = made_vectors()
    vectors[3] = np.nan
    words = beside_table(tmp_path, vectors, frame.assign(path=frame["id"] + ".jpg"))
    paths = prepared(tmp_path / "data", words[:4], "--label_columns", "style,colour")
    assert json.loads(paths.report.read_text())["images"] == 239


def test_names_with_slashes_stay_apart(tmp_path):
    vectors, frame = made_vectors()
    frame["id"] = [f"https://shop/{row % 120}{'/' if row < 120 else '_'}x" for row in range(240)]
    paths = prepared(tmp_path / "data", beside_table(tmp_path, vectors, frame))
    keys = [key for split in ("train", "test") for key in given_features(paths, split).keys]
    assert len(set(keys)) == 240
    assert all(key.count("/") == 1 for key in keys)
    entry = find("v", tmp_path / "data")
    for split in ("train", "test"):
        assert given_features(paths, split).keys == load_table(paths, entry, split).keys


def test_a_folder_of_arrays_is_taken_by_the_numbers_in_its_names(tmp_path):
    vectors, frame = made_vectors()
    words = beside_table(tmp_path, vectors, frame)
    (tmp_path / "parts").mkdir()
    for number, part in enumerate(np.array_split(vectors, 12)):
        np.save(tmp_path / "parts" / f"emb_{number}_fp16.npy", part)
    words[3] = str(tmp_path / "parts")
    paths = prepared(tmp_path / "data", words)
    for split in ("train", "test"):
        features = given_features(paths, split)
        rows = [int(key.rpartition("-")[2]) for key in features.keys]
        assert (np.asarray(features.array) == vectors[rows]).all()
    np.save(tmp_path / "parts" / "other_3_fp16.npy", part)
    with pytest.raises(DataError, match=r"emb_3_fp16.npy and other_3_fp16.npy: expected names that differ by a number"):
        prepared(tmp_path / "data", words, "--overwrite", "True")


def test_names_and_images_of_arrays_and_lists(tmp_path):
    vectors, frame = made_vectors(40)
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), dtype=np.uint8)
    labels = {"style": np.array(["a", "b"] * 20), "sku": frame["id"].to_numpy(str)}
    np.savez(tmp_path / "a.npz", images=images, clip=vectors, **labels)
    more = ("--vector_column", "clip", "--key_column", "sku", "--label_columns", "style")
    paths = prepared(tmp_path / "data", ["--source", str(tmp_path / "a.npz")], *more)
    assert len(list((paths.folder / "images" / "sku").glob("item-*.png"))) == 40
    np.savez(tmp_path / "a.npz", images=images, clip=vectors[:30], **labels)
    with pytest.raises(DataError, match="has 40 rows and 30 vectors"):
        prepared(tmp_path / "data", ["--source", str(tmp_path / "a.npz")], *more, "--overwrite", "True")


def test_thumbnails_come_with_another_run(tmp_path):
    vectors, frame = made_vectors()
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.jpg")
    words = beside_table(tmp_path, vectors, frame.assign(path=["a.jpg", *frame["id"][1:]]))
    more = ("--label_columns", "style,colour")
    paths = prepared(tmp_path / "data", words[:4], *more, "--thumbnails", "False")
    with pytest.raises(StaleError, match="thumbnails"):
        prepared(tmp_path / "data", words[:4], *more)
    prepared(tmp_path / "data", words[:4], *more, "--overwrite", "True")
    assert len(list((paths.folder / "images").rglob("*.jpg"))) == 1


def test_a_table_of_one_column_may_have_empty_lines(tmp_path):
    vectors, frame = made_vectors()
    known = frame["style"].where(frame.index % 2 == 0, "")
    (tmp_path / "labels.csv").write_text("style\n" + "\n".join(known) + "\n")
    np.save(tmp_path / "vectors.npy", vectors)
    words = ["--source", str(tmp_path / "labels.csv"), "--vectors", str(tmp_path / "vectors.npy")]
    file = class_vectors(tmp_path, vectors, frame, "style")
    paths = prepared(tmp_path / "data", words, "--class_vectors", str(file))
    assert len(paths.guessed.read_text().splitlines()) == 121


def test_class_vectors_come_with_the_columns_that_look_like_labels(tmp_path):
    vectors, frame = made_vectors()
    file = class_vectors(tmp_path, vectors, frame, "style")
    beside = beside_table(tmp_path, vectors, frame.drop(columns="style").assign(caption=frame["id"]))[:6]
    prepared(tmp_path / "data", beside, "--class_vectors", str(file))
    assert find("v", tmp_path / "data").attributes == ("style", "colour")
    prepared(
        tmp_path / "data", beside, "--class_vectors", str(file), "--label_columns", "colour", "--overwrite", "True"
    )
    assert find("v", tmp_path / "data").attributes == ("style", "colour")


def test_a_cut_off_file_of_class_vectors_is_one_line(tmp_path):
    vectors, frame = made_vectors()
    file = class_vectors(tmp_path, vectors, frame, "style")
    file.write_bytes(file.read_bytes()[:-60])
    with pytest.raises(DataError, match="holds no class vectors"):
        prepared(tmp_path / "data", beside_table(tmp_path, vectors, frame), "--class_vectors", str(file))
