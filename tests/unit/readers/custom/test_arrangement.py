"""How images lie in folders: what is a class, a split, or neither."""

import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

from backward_search.errors import DataError
from backward_search.readers.custom.arrangement import arranged
from backward_search.readers.custom.forms import read_listing
from backward_search.readers.custom.listing import Reading, Roles
from backward_search.readers.custom.names import RESPELT
from backward_search.readers.folders import is_noise
from backward_search.storage.atomic import replacing

SOURCE = Path("photos")


def found(*paths):
    """Class and split of each image, and what is left out."""
    result = arranged(SOURCE, [PurePosixPath(path) for path in paths])
    placed = {str(place.path): (place.folders[0], place.split) for place in result.places}
    return placed, {reason: [str(path) for path in left] for reason, left in result.left_out.items()}


@pytest.mark.parametrize(
    ("paths", "classes"),
    [
        (["cat/1", "dog/1"], {"cat": "", "dog": ""}),
        (["cat/2023/spring/1", "dog/1"], {"cat": "", "dog": ""}),
        (["all/cat/1", "all/dog/1"], {"cat": "", "dog": ""}),
        (["data/set/cat/1", "data/set/dog/1"], {"cat": "", "dog": ""}),
        (["train/cat/1", "test/dog/1"], {"cat": "train", "dog": "test"}),
        (["animals/train/cat/1", "animals/valid/dog/1"], {"cat": "train", "dog": "valid"}),
        (["seg_train/seg_train/cat/1", "seg_test/seg_test/dog/1"], {"cat": "train", "dog": "test"}),
        (
            ["train/images/cat/1", "train/images/fox/1", "test/images/dog/1"],
            {"cat": "train", "fox": "train", "dog": "test"},
        ),
        (["Training_set/cat/1", "Test_set/dog/1"], {"cat": "training", "dog": "test"}),
        (["imagenet_train/cat/1", "imagenet_val/dog/1"], {"cat": "train", "dog": "val"}),
        (["cat/train/1", "dog/test/1"], {"cat": "train", "dog": "test"}),
        (["train/1", "bus/1"], {"train": "", "bus": ""}),
        (["test tube/1", "trainer/1"], {"test tube": "", "trainer": ""}),
        (["train/cat/1", "train/dog/1"], {"cat": "", "dog": ""}),
    ],
    ids=str,
)
def test_classes_and_splits(paths, classes):
    placed, left_out = found(*paths)
    assert dict(placed.values()) == classes
    assert not left_out


def test_a_test_folder_without_classes_is_left_out_and_said():
    placed, left_out = found("train/cat/1", "train/dog/1", "test/1", "test/2")
    assert set(placed.values()) == {("cat", ""), ("dog", "")}  # the split is yet to be made
    assert left_out == {"images of test/ without a class": ["test/1", "test/2"]}
    placed, left_out = found("seg_train/seg_train/cat/1", "seg_test/seg_test/dog/1", "seg_pred/seg_pred/7", "loose")
    assert set(placed.values()) == {("cat", "train"), ("dog", "test")}
    assert left_out == {
        "images of seg_pred/ without a class": ["seg_pred/seg_pred/7"],
        "images outside of a class folder": ["loose"],
    }


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (
            ["1", "2"],
            r"holds 2 images and no class folders: labels are needed.*CSV table with the columns path and label",
        ),
        (
            ["train/1", "test/1"],
            r"holds train/ \(1 images, no folders\), test/ \(1 images, no folders\): labels are needed",
        ),
        (["train/cat/1", "test/cat/1", "extra/cat/1"], r"extra/ \(1 images in 1 folders\): expected either"),
        (["cat/1", "dog/1", "test/1"], r"test/ \(1 images, no folders\): expected either class folders, or"),
        (["cat/1", "dog/1", "validation/cat/1"], "expected either class folders, or"),
        (["train/cat/1", "bus/1"], "expected either class folders, or"),
        (["test/cat/1", "val/dog/1"], "expected a folder train beside it"),
        (["cat/train/1", "dog/1"], "holds cat/train and also dog/1: expected folders of the splits in each"),
    ],
    ids=str,
)
def test_what_is_ambiguous_is_refused_in_words_that_show_it(paths, message):
    with pytest.raises(DataError, match=message):
        found(*paths)


def draw(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(file)


def test_levels_name_attributes(tmp_path):
    for style in ("Rococo", "Cubism"):
        for artist in ("boucher", "gris"):
            draw(tmp_path / "train" / style / "x" / artist / "1.png")
    draw(tmp_path / "test" / "Rococo" / "x" / "gris" / "2.png")
    draw(tmp_path / "test" / "Rococo" / "3.png")
    found = read_listing(tmp_path, Roles(), Reading(label_levels=("style", "-", "artist")))
    assert list(found.columns) == ["style", "artist", "split"]
    assert sorted(zip(found.columns["style"], found.columns["artist"], strict=True))[0] == ("Cubism", "boucher")
    assert found.left_out == {
        "images with fewer levels of folders than --label_levels names": ["test/Rococo/3.png"],
    }
    with pytest.raises(DataError, match=r"no image .* lies 5 folders deep"):
        read_listing(tmp_path, Roles(), Reading(label_levels=tuple("abcde")))


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir", "__MACOSX", ".ipynb_checkpoints", ".Trash-1000", "lost+found", "#recycle", "$RECYCLE.BIN", ".git"),
        *("System Volume Information", "._0.jpg", "Thumbs.db", "desktop.ini", ".DS_Store", "a.jpg.part", "~$list.csv"),
    ],
)
def test_what_systems_and_tools_leave_is_neither_class_nor_image(name, tmp_path):
    assert is_noise(name)
    for kind in ("cat", "dog"):
        draw(tmp_path / kind / "1.png")
    draw(tmp_path / name / "2.png")
    draw(tmp_path / "cat" / name / "3.png")
    found = read_listing(tmp_path, Roles(), Reading())
    assert found.names == ["cat/1.png", "dog/1.png"]
    assert not found.left_out


@pytest.mark.parametrize("name", ["Trash", "recycling", "test.jpg", "lost", "Rococo", "icons", "part", "#1"])
def test_names_that_people_give_are_kept(name):
    assert not is_noise(name)


def test_stored_names_are_valid_and_unique_on_every_disk(tmp_path):
    long = "é" * 120  # 240 bytes
    names = [f"{long}.jpg", f"{long[:-1]}.jpg", "a?.png", "A_.png", "cafe\u0301.png", "con.png", "b. .png"]
    for name in names:
        draw(tmp_path / "cat" / name)
    draw(tmp_path / "café" / "1.png")
    draw(tmp_path / "cat" / "café.png")
    found = read_listing(tmp_path, Roles(), Reading())
    folded = {unicodedata.normalize("NFC", key).casefold() for key in found.keys}
    assert len(folded) == len(names) + 2
    for key in found.keys:
        folder, file = key.split("/")
        assert len(file.encode()) <= 210
        assert not set(file) & set('?*<>:"|')
        assert file.split(".")[0].casefold() != "con"
        with replacing(tmp_path / "made" / folder / file) as temporary:
            temporary.touch()
    assert "café/1.png" in found.keys
    assert len(found.repaired[RESPELT]) == 5
