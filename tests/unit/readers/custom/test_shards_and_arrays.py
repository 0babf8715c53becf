"""Parquet files as the Hugging Face hub has them, and arrays as MedMNIST and Keras name them."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from backward_search.errors import DataError
from backward_search.readers.custom.forms import read_listing
from backward_search.readers.custom.listing import Reading, Roles

NAMES = {b"huggingface": json.dumps({"info": {"features": {"label": {"names": ["cat", "dog"]}}}}).encode()}


def jpeg(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (level, level, level)).save(file, "PNG")
    return file.getvalue()


def shard(file, labels, column="image", level=0, **more):
    file.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": jpeg(level + row), "path": None} for row in range(len(labels))]
    table = pa.table({column: images, "label": pa.array(labels, pa.int64()), **more})
    pq.write_table(table.replace_schema_metadata(NAMES), file)


def listed(source, **roles):
    return read_listing(source, Roles(**roles), Reading())


def levels(listing, rows):
    return [Image.open(io.BytesIO(content)).getpixel((0, 0))[0] for content in listing.images.contents(rows)]


@pytest.mark.parametrize("place", ["data", ".", "default/train"])
def test_shards_are_one_data_set_with_the_split_of_their_names(tmp_path, place):
    hub = place == "default/train"
    for number in range(2):
        name = f"{number:04d}.parquet" if hub else f"train-{number:05d}-of-00002.parquet"
        shard(tmp_path / place / name, [0, 1, 0], level=10 * number)
    shard(tmp_path / ("default/test/0000.parquet" if hub else f"{place}/test-00000-of-00001.parquet"), [1, 1], level=50)
    found = listed(tmp_path)
    counts = found.columns["split"].value_counts()
    assert dict(counts) == {"train": 6, "test": 2}
    assert found.columns["label"].tolist().count("dog") == 4
    order = found.columns["split"].tolist()
    first = order.index("train")
    assert levels(found, [first, first + 4]) == [0, 11]
    assert levels(found, list(range(8))) == ([50, 51, 0, 1, 2, 10, 11, 12] if first else [0, 1, 2, 10, 11, 12, 50, 51])
    assert "WARNING: shards" not in found.facts
    assert len(found.inputs) == 3


def test_a_shard_that_is_not_there_is_noticed(tmp_path):
    shard(tmp_path / "train-00001-of-00003.parquet", [0, 1])
    for source in (tmp_path, tmp_path / "train-00001-of-00003.parquet"):
        assert listed(source).facts["WARNING: shards"].startswith("1 of 3 of train: to take all")
    assert "split" not in listed(tmp_path).columns


def test_shards_that_do_not_belong_together_are_refused(tmp_path):
    shard(tmp_path / "one" / "train-0.parquet", [0, 1])
    shard(tmp_path / "two" / "train-0.parquet", [0, 1])
    with pytest.raises(DataError, match=r"holds several data sets of Parquet files, such as .*one and .*two"):
        listed(tmp_path)
    shard(tmp_path / "one" / "test-0.parquet", [0, 1], other=["a", "b"])
    with pytest.raises(DataError, match="expected shards of one data set"):
        listed(tmp_path / "one")


def test_columns_that_are_no_labels(tmp_path):
    more = {
        "__index_level_0__": [5, 6, 7],
        "objects": [[{"box": 1}]] * 3,
        "tags": [["a", "b"], [], ["c"]],
        "mask": [b"x"] * 3,
    }
    shard(tmp_path / "a.parquet", [0, -1, 1], column="img", **more)
    found = listed(tmp_path / "a.parquet")
    assert list(found.columns) == ["label", "tags"]
    assert found.columns["label"].tolist() == ["cat", "", "dog"]
    assert found.columns["tags"].tolist() == ["a,b", "", "c"]
    assert found.left_out == {"columns that hold no labels": ["objects", "mask"]}
    assert levels(found, [2]) == [2]


def test_a_single_column_of_bytes_is_the_images_and_of_several_one_is_named(tmp_path):
    shard(tmp_path / "a.parquet", [0, 1], column="photo")
    assert levels(listed(tmp_path / "a.parquet"), [1]) == [1]
    shard(tmp_path / "b.parquet", [0, 1], column="photo", mask=[b"x", b"y"])
    with pytest.raises(DataError, match="--image_column"):
        listed(tmp_path / "b.parquet")
    assert levels(listed(tmp_path / "b.parquet", image="photo"), [1]) == [1]


def test_categories_and_paths(tmp_path):
    for row in range(2):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{row}.png")
    frame = pd.DataFrame({"path": ["0.png", "1.png"], "kind": pd.Categorical(["a", "b"]), "size": [1.0, None]})
    frame.to_parquet(tmp_path / "p.parquet")
    found = listed(tmp_path / "p.parquet")
    assert found.columns["kind"].tolist() == ["a", "b"]
    assert found.columns["size"].tolist() == ["1", ""]


# --- arrays

IMAGES = np.zeros((4, 6, 6, 3), np.uint8)


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return listed(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {
            "train_images": IMAGES[:3],
            "train_labels": np.array([[0], [1], [0]]),
            "val_images": IMAGES[:1],
            "val_labels": np.array([[1]]),
            "test_images": IMAGES[:2],
            "test_labels": np.array([[0], [1]]),
        },
        {"x_train": IMAGES[:4], "y_train": np.array([0, 1, 0, 1]), "x_test": IMAGES[:2], "y_test": np.array([0, 1])},
    ],
    ids=["medmnist", "keras"],
)
def test_names_that_say_the_split(tmp_path, arrays):
    found = saved(tmp_path, **arrays)
    assert len(found.columns) == 6
    assert found.columns["label"].tolist() == ["0", "1", "0", "1", "0", "1"]
    assert found.columns["split"].tolist().count("test") == 2
    assert found.facts["arrays"] == ", ".join(arrays)


def test_labels_in_a_column(tmp_path):
    assert saved(tmp_path, images=IMAGES, labels=np.array([[3.0], [1], [3], [1]])).columns["label"].tolist() == list(
        "3131"
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES.transpose(0, 3, 1, 2), "labels": np.arange(4)}, r"images.transpose\(0, 2, 3, 1\)"),
        ({"x_train": IMAGES, "y_train": np.arange(4), "x_test": IMAGES}, "the same arrays of the same shapes"),
        ({"images": IMAGES / 255.0, "labels": np.arange(4)}, "as uint8"),
    ],
)
def test_arrays_that_cannot_be_used_are_one_line(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        saved(tmp_path, **arrays)
