"""The user's own images in each of their four forms, from the script's command line to the tables and images."""

import gzip
import io
import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scripts_by_name import script

from backward_search.cli.console import run_script
from backward_search.context.gathering import tokens_of
from backward_search.data import registry
from backward_search.data.prepared import load_table, load_tags
from backward_search.errors import DataError, MissingError, OptionError, StaleError
from backward_search.readers.custom import images as custom_images
from backward_search.readers.custom.listing import Pixels
from backward_search.readers.custom.names import unique_keys
from backward_search.storage.paths import DataPaths

FASHION = Path("/usr/share/datasets/fashion-mnist")


MAIN = script("A1.Data-Preprocessing-custom")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data-root"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    return folder


def prepare(root, source, *arguments, name="mine"):
    """Run the script and give back the data set's entry and both tables."""
    MAIN(["--dataset_name", name, "--source", str(source), "--data_root", str(root), "--n_workers", "1", *arguments])
    entry = registry.find(name, root)
    paths = DataPaths.of(root, name)
    tables = {split: load_table(paths, entry, split) for split in ("train", "test")}
    for table in tables.values():
        assert all(paths.image(path).is_file() for path in table.paths)
    return entry, tables


def report(root, name="mine"):
    return json.loads(DataPaths.of(root, name).report.read_text())


def draw(path, colour=0, size=(12, 10), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (colour % 256, 40, 80)).save(path, **options)
    return path


def rows_of(tables):
    """Key -> label of every attribute, over both splits."""
    return {
        key: tuple(table.labels(name)[row] for name in table.ids)
        for table in tables.values()
        for row, key in enumerate(table.keys)
    }


# --- folders


def draw_classes(folder, classes=("cat", "dog"), count=5):
    for place, name in enumerate(classes):
        for number in range(count):
            draw(folder / name / f"{number}.png", 50 * place + number)


def test_class_folders(source, root):
    draw_classes(source)
    entry, tables = prepare(root, source)
    assert entry.category_types == {"label": ("label",)}
    assert (entry.encoder_model, entry.preprocessing.size, entry.preprocessing.augment) == ("convnext_base", 224, True)
    assert rows_of(tables) == {f"{name}/{number}.png": (name,) for name in ("cat", "dog") for number in range(5)}
    assert [len(table) for table in tables.values()] == [8, 2]
    assert sorted(tables["test"].labels("label")) == ["cat", "dog"]
    assert tables["train"].paths[0].startswith("./data/mine/images/cat/")
    assert load_tags(DataPaths.of(root, "mine")).tags == {}
    assert report(root)["form"] == "class folders"
    assert registry.names(root)[-1] == "mine"


def test_nested_hidden_and_other_files(source, root):
    draw_classes(source, count=3)
    draw(source / "cat" / "sofa" / "0.png")
    draw(source / "cat" / "sofa" / "old" / "1.PNG")
    draw(source / ".thumbnails" / "a" / "0.png")
    draw(source / "cat" / ".hidden.png")
    draw(source / "loose.png")
    (source / "dog" / "notes.txt").write_text("good dog")
    _, tables = prepare(root, source)
    cats = {key for key, label in rows_of(tables).items() if label == ("cat",)}
    assert cats == {"cat/0.png", "cat/1.png", "cat/2.png", "cat/sofa__0.png", "cat/sofa__old__1.PNG"}
    dropped = report(root)["dropped"]
    assert {reason: tally["examples"] for reason, tally in dropped.items()} == {
        "files that are no images": ["dog/notes.txt"],
        "images outside of a class folder": ["loose.png"],
    }


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "VAL")])
def test_split_folders_with_the_same_names(train, test, source, root):
    draw_classes(source / train, count=3)
    draw_classes(source / test, count=1)
    _, tables = prepare(root, source)
    assert sorted(tables["test"].keys) == [f"{name}/{test}__0.png" for name in ("cat", "dog")]
    assert sorted(tables["train"].keys)[:3] == ["cat/1.png", "cat/2.png", f"cat/{train}__0.png"]
    assert report(root)["split"].startswith("as given")


def test_classes_that_are_called_train_and_test(source, root):
    draw_classes(source, ("train", "bus"))
    _, tables = prepare(root, source)
    assert tables["train"].classes["label"] == ["bus", "train"]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train/cat", "test/cat", "extra/cat"), r"holds extra/ \(1 images in 1 folders\), test/ .*expected either"),
        (("cat",), "only the label 'cat'"),
        ((), "no images in"),
    ],
)
def test_folders_that_cannot_be_used(folders, message, source, root):
    for name in folders:
        draw(source / name / "a.png")
    with pytest.raises(DataError, match=message):
        prepare(root, source)
    assert not DataPaths.of(root, "mine").attributions.exists()


def test_a_folder_of_nothing_that_opens_says_what_there_is(source, root):
    for name in ("a", "b"):
        (source / name).mkdir(parents=True)
        (source / name / "1.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match=r"no images in .*; there are 2 HEIC pictures: pip install pillow-heif"):
        prepare(root, source)


def test_images_are_reduced_and_never_enlarged(source, root):
    draw(source / "a" / "large.jpg", size=(900, 600), quality=90)
    draw(source / "a" / "small.png", size=(40, 30))
    draw(source / "b" / "tall.webp", size=(300, 900))
    draw(source / "b" / "grey.png").unlink()
    Image.new("L", (10, 10), 7).save(source / "b" / "grey.png")
    prepare(root, source, "--test_size", "0.5")
    sizes = {}
    for path in sorted((root / "mine" / "images").rglob("*.*g")):
        with Image.open(path) as image:
            sizes[path.name] = (image.size, image.mode, image.format)
    assert sizes == {
        "large.jpg": ((384, 256), "RGB", "JPEG"),
        "small.png": ((40, 30), "RGB", "PNG"),
        "tall.webp.png": ((256, 768), "RGB", "PNG"),
        "grey.png": ((10, 10), "L", "PNG"),  # copied
    }
    prepare(root, source, "--test_size", "0.5", "--image_size", "300", "--overwrite")
    with Image.open(root / "mine" / "images" / "a" / "large.jpg") as image:
        assert image.size == (450, 300)


def test_broken_images_are_dropped_and_named(source, root):
    draw_classes(source)
    (source / "cat" / "broken.png").write_bytes(b"not an image")
    (source / "dog" / "empty.png").touch()
    _, tables = prepare(root, source)
    assert len(rows_of(tables)) == 10
    dropped = report(root)["dropped"]
    assert dropped["unreadable image"] == {"count": 1, "examples": ["cat/broken.png"]}
    assert dropped["empty files: fetch again"] == {"count": 1, "examples": ["dog/empty.png"]}


def test_images_are_known_by_their_content_and_other_files_are_counted_by_kind(source, root):
    draw_classes(source)
    for number, name in enumerate(("a.jfif", "b.JPE", "no-ending", "png.jpg")):
        draw(source / "cat" / "x.png", number).rename(source / "cat" / name)
    for name, content in {
        "a.svg": b"<svg/>",
        "b.jpg": b"<html>",
        "c.jpg": b"",
        "d.heif": b"\0\0\0\x18ftyphevx",
    }.items():
        (source / "dog" / name).write_bytes(content)
    (source / "dog" / "notes.txt").write_text("no picture")
    _, tables = prepare(root, source)
    assert {"cat/a.jfif.jpg", "cat/b.JPE.jpg", "cat/no-ending.png", "cat/png.jpg"} <= set(rows_of(tables))
    assert {reason: tally["examples"] for reason, tally in report(root)["dropped"].items()} == {
        "SVG drawings: export as PNG": ["dog/a.svg"],
        "web pages in place of images: fetch the images again": ["dog/b.jpg"],
        "empty files: fetch again": ["dog/c.jpg"],
        "HEIC pictures: pip install pillow-heif": ["dog/d.heif"],
        "files that are no images": ["dog/notes.txt"],
    }


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are a Linux matter")
def test_names_that_are_no_text(source, root):
    draw_classes(source)
    draw(source / "cat" / "x.png").rename(os.fsdecode(os.fsencode(source / "cat") + b"/caf\xe9.png"))
    draw(source / "dog" / "a\\b,\n.png")
    _, tables = prepare(root, source)
    assert {"cat/caf_.png", "dog/a_b,_.png"} < set(rows_of(tables))


# --- CSV


def write_table(source, **columns):
    table = source / "table.csv"
    pd.DataFrame(columns).to_csv(table, index=False)
    return table


def draw_flat(source, count=12, folder="pictures"):
    return [str(draw(source / folder / f"{row}.png", row).relative_to(source)) for row in range(count)]


def test_a_table_with_everything(source, root):
    paths = draw_flat(source)
    table = write_table(
        source,
        path=paths,
        style=["old", "new"] * 6,
        genre=["a", "a", "b", "b"] * 3,
        tags=["sea, ship", "", ",tree,,"] * 4,
        split=["train"] * 8 + ["test"] * 4,
        thing=[f"thing {row // 2}" for row in range(12)],
    )
    entry, tables = prepare(root, table, "--group_column", "thing", "--image_size", "32", "--augment", "False")
    assert entry.category_types == {"style,genre": ("style", "genre")}
    assert entry.attributes_of("genre,style") == ("genre", "style")
    assert (entry.preprocessing.size, entry.preprocessing.augment) == (32, False)
    assert tables["test"].keys == [f"pictures/{row}.png" for row in range(8, 12)]
    assert tables["test"].labels("genre") == ["a", "a", "b", "b"]
    tags = load_tags(DataPaths.of(root, "mine"))
    assert list(tags.tags.values())[:3] == ["sea,ship", "", "tree"]
    assert tags.groups["pictures/3.png"] == "thing 1"
    assert "WARNING" not in report(root)["split"]


def test_groups_stay_together(source, root):
    groups = [f"g{row // 2}" for row in range(12)]
    groups[3] = ""
    table = write_table(source, path=draw_flat(source), style=["old", "new"] * 6, object=groups)
    _, tables = prepare(root, table, "--group_column", "object", "--test_size", "0.4")
    found = load_tags(DataPaths.of(root, "mine")).groups
    assert found["pictures/3.png"] == "pictures/3.png"
    sides = [{found[key] for key in table.keys} for table in tables.values()]
    assert not sides[0] & sides[1]
    assert len(sides[1]) == 3


CAPTIONS = ["A red dress,\nlong", "the red  shoe", "", "a shoe: red, long", "hats", "NA"]


def captioned(source, **more):
    """Twelve images, six captions twice."""
    return {"path": draw_flat(source), "style": ["old", "new"] * 6, "caption": CAPTIONS * 2} | more


@pytest.mark.parametrize("words", [(), ("--label_columns", "auto"), ("--label_columns", "style")])
def test_captions_are_kept_with_the_tags_and_are_no_labels(words, source, root):
    entry, tables = prepare(root, write_table(source, **captioned(source)), *words)
    assert entry.attributes == ("style",)
    found = load_tags(DataPaths.of(root, "mine"))
    assert [found.captions[f"pictures/{row}.png"] for row in range(6)] == [
        *("A red dress, long", "the red shoe", "", "a shoe: red, long", "hats", ""),
    ]
    assert found.tags == {}
    assert report(root)["captions"] == "8 of 12 rows, of the column caption"
    tokens = tokens_of(tables["train"], found)
    assert list(tokens) == ["captions"]
    said = dict(zip(tables["train"].keys, tokens["captions"], strict=True))
    assert all("red" in said[key] for key, text in found.captions.items() if key in said and "red" in text)


def test_captions_that_do_not_tell_images_apart_are_no_labels_either(source, root):
    few = captioned(source, caption=["a cat", "a dog"] * 6, tags=["sea", "ship"] * 6)
    entry, _ = prepare(root, write_table(source, **few), "--label_columns", "auto")
    found = load_tags(DataPaths.of(root, "mine"))
    assert entry.attributes == ("style",)
    assert found.captions["pictures/1.png"] == "a dog"
    assert found.tags["pictures/1.png"] == "ship"


@pytest.mark.parametrize("name", ["Caption", "what it shows"])
def test_the_column_of_captions_may_be_called_otherwise(name, source, root):
    columns = captioned(source)
    columns[name] = columns.pop("caption")
    words = () if name == "Caption" else ("--caption_column", name)
    entry, _ = prepare(root, write_table(source, **columns), *words)
    assert entry.attributes == ("style",)
    assert load_tags(DataPaths.of(root, "mine")).captions["pictures/4.png"] == "hats"


@pytest.mark.parametrize("option", ["--label_columns", "--tags_column", "--group_column"])
def test_a_column_named_caption_that_is_named_for_something_else_is_that_alone(option, source, root):
    more = captioned(source, caption=["a", "a", "b", "b"] * 3, style=["old", "new"] * 6)
    entry, _ = prepare(root, write_table(source, **more), option, "caption")
    found = load_tags(DataPaths.of(root, "mine"))
    assert found.captions == {}
    assert (entry.attributes, bool(found.tags), bool(found.groups)) == (
        ("caption",) if option == "--label_columns" else ("style",),
        option == "--tags_column",
        option == "--group_column",
    )


def test_a_missing_column_of_captions_is_one_line_and_code_2(source, root, capsys):
    table = write_table(source, **captioned(source))
    with pytest.raises(SystemExit) as stop:
        run_script(lambda: prepare(root, table, "--caption_column", "captoin"))
    assert stop.value.code == 2
    assert "did you mean caption?" in capsys.readouterr().err.splitlines()[-1]


def test_a_new_caption_column_is_noticed_and_nothing_else_changed(source, root):
    columns = captioned(source)
    del columns["caption"]
    table = write_table(source, **columns)
    prepare(root, table)
    settings = json.loads(DataPaths.of(root, "mine").manifest("A1").read_text())
    assert "captions" not in str(settings)
    write_table(source, **captioned(source))
    with pytest.raises(StaleError):
        prepare(root, table)


def test_long_captions_come_back(source, root):
    long = "word " * 40_000
    prepare(root, write_table(source, **captioned(source, caption=[long] * 12)))
    assert load_tags(DataPaths.of(root, "mine")).captions["pictures/0.png"] == long.strip()


def test_groups_on_both_sides_of_a_given_split_are_said(source, root):
    paths = draw_flat(source, 4)
    split, group = ["train", "test"] * 2, ["g", "g", "h", "i"]
    table = write_table(source, path=paths, style=["a", "a", "b", "b"], split=split, group=group)
    prepare(root, table, "--group_column", "group")
    assert "WARNING: 1 groups are on both sides" in report(root)["split"]


def test_paths_absolute_foreign_twice_and_missing(source, root, tmp_path):
    draw_flat(source, 6)
    elsewhere = draw(tmp_path / "elsewhere" / "pictures" / "0.png")
    paths = [f"pictures/{row}.png" for row in range(5)]
    paths += ["./pictures\\5.png", str(elsewhere), "pictures/0.png", "pictures/none.png", ""]
    table = write_table(source, path=paths, style=["old", "new"] * 5)
    _, tables = prepare(root, table, "--allow_outside")
    keys = set(rows_of(tables))
    assert {"pictures/1.png", "pictures/5.png"} < keys
    assert len(keys) == 7
    assert sum(key.startswith("pictures/") and key.endswith("0.png") for key in keys) == 2
    assert {reason: tally["examples"] for reason, tally in report(root)["dropped"].items()} == {
        "rows without a path": ["row 9"],
        "images listed twice with other labels, the first row counts": ["pictures/0.png"],
        "missing image": ["pictures/none.png"],
    }


def test_rows_without_a_label_are_dropped(source, root):
    style = ["old", "new"] * 6
    style[0], style[5] = "", "NaN"
    table = write_table(source, path=draw_flat(source), style=style, genre=["", *"ab" * 5, "a"])
    _, tables = prepare(root, table)
    assert len(rows_of(tables)) == 10
    dropped = report(root)["dropped"]
    assert dropped["rows without style"]["examples"] == ["pictures/0.png", "pictures/5.png"]
    assert "rows without genre" not in dropped
    assert tables["train"].classes["style"] == ["new", "old"]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["--label_columns", "stile"], OptionError, r"--label_columns stile.*did you mean style\?"),
        (["--group_column", "who"], OptionError, "--group_column who.*no such column"),
        (["--tags_column", "words"], OptionError, "--tags_column words.*no such column"),
        (["--caption_column", "texts"], OptionError, "--caption_column texts.*no such column"),
        (["--split_column", "part"], OptionError, "--split_column part.*no such column"),
        (["--path_column", "file"], DataError, "columns path, style, one, id, no.dots, none, expected file"),
        (["--label_columns", "style,one"], DataError, "one has only the label 'x'"),
        (["--label_columns", "style,none"], DataError, "none has no labels"),
        (["--label_columns", "no.dots"], DataError, "'no.dots' cannot name an attribute"),
        ([], DataError, "expected two classes"),
        (["--image_column", "image"], OptionError, "is for a .parquet file"),
        (["--test_size", "1"], OptionError, "--test_size 1.0 must lie between"),
        (["--image_size", "0"], OptionError, "--image_size 0 must be positive"),
    ],
)
def test_columns_and_options_that_cannot_be_meant(arguments, kind, message, source, root):
    table = write_table(
        source,
        path=draw_flat(source),
        style=["old", "new"] * 6,
        one=["x"] * 12,
        id=[str(row) for row in range(12)],
        **{"no.dots": ["a", "b"] * 6, "none": [""] * 12},
    )
    with pytest.raises(kind, match=message) as refusal:
        prepare(root, table, *arguments)
    assert "\n" not in str(refusal.value)


def test_a_column_of_ids_is_not_taken_for_a_label_unasked(source, root):
    table = write_table(source, path=draw_flat(source), style=["old", "new"] * 6, id=[f"i{row}" for row in range(12)])
    with pytest.raises(DataError, match="id has 12 different values in 12 rows"):
        prepare(root, table)
    entry, _ = prepare(root, table, "--label_columns", "style")
    assert entry.attributes == ("style",)


def test_tables_that_cannot_be_used(source, root):
    table = write_table(source, path=["a/none.png", "b/none.png"], style=["old", "new"])
    with pytest.raises(DataError, match=r"none of the 2 images .* exists, such as .*none\.png"):
        prepare(root, table)
    table = write_table(source, path=draw_flat(source, 2), style=["old", ""])
    with pytest.raises(DataError, match="only the label 'old'"):
        prepare(root, table)
    table.write_bytes(b"path,style\n\xff\xfe,a\n")
    with pytest.raises(DataError, match=r"table\.csv: line 2 is not in UTF-8"):
        prepare(root, table)
    table.write_text("")
    with pytest.raises(DataError, match=r"table\.csv is empty"):
        prepare(root, table)
    with pytest.raises(DataError, match="is none of a folder"):
        prepare(root, draw(source / "x.png"))
    with pytest.raises(MissingError, match="does not exist"):
        prepare(root, source / "nothing.csv")


def test_an_index_column_is_no_attribute(source, root):
    table = source / "table.csv"
    pd.DataFrame({"path": draw_flat(source), "style": ["old", "new"] * 6}).to_csv(table)
    entry, _ = prepare(root, table)
    assert entry.attributes == ("style",)


def test_keys_stay_unique_whatever_the_names():
    paths = [("a", "b", "c.png"), ("a__b", "c.png"), ("x", "a__b", "c.png"), ("X", "b", "C.png"), ("y", "d.gif")]
    keys = unique_keys([*paths, ("y", "d.gif.png")])
    assert len({key.casefold() for key in keys}) == 6
    assert all(key.count("/") == 1 for key in keys)
    assert unique_keys(paths) == unique_keys(paths)


# --- Parquet


def encoded(colour, kind="PNG", size=(12, 10)):
    content = io.BytesIO()
    Image.new("RGB", size, (colour, 5, 9)).save(content, kind)
    return content.getvalue()


def write_parquet(path, columns, features=None, group=4):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table(columns)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path, row_group_size=group)
    return path


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg")])
def test_parquet_as_hugging_face_writes_it(kind, suffix, source, root):
    images = [{"bytes": encoded(20 * row, kind), "path": None} for row in range(10)]
    images[7] = {"bytes": b"broken", "path": "x.png"}
    features = {"style": {"names": ["old", "new"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    columns = {"image": images, "style": [0, 1] * 4 + [-1, 1], "genre": ["a", "b", None] * 3 + ["b"]}
    table = write_parquet(source / "train.parquet", columns, features)
    entry, tables = prepare(root, table)
    assert entry.attributes == ("style", "genre")
    rows = rows_of(tables)
    assert rows[f"000/000004{suffix}"] == ("old", "b")
    assert set(rows) == {f"000/{row:06d}{suffix}" for row in (0, 1, 3, 4, 6, 9)}
    with Image.open(root / "mine" / "images" / "000" / f"000004{suffix}") as image:
        assert abs(image.getpixel((3, 3))[0] - 80) < 3
    assert report(root)["dropped"]["unreadable image"]["examples"] == ["row 7"]


def test_parquet_with_bytes_in_a_column_of_another_name(source, root):
    columns = {"picture": [encoded(20 * row) for row in range(8)], "colour": [1.0, 2.0] * 4, "note": [b"n"] * 8}
    table = write_parquet(source / "a.parquet", columns)
    with pytest.raises(DataError, match="image is not there: name the column"):
        prepare(root, table)
    _, tables = prepare(root, table, "--image_column", "picture")
    assert tables["train"].classes == {"colour": ["1", "2"]}


def test_parquet_with_paths(source, root):
    tags = [["sea", "ship"], []] * 6
    columns = {"path": draw_flat(source), "style": ["old", "new"] * 6, "tags": tags}
    _, tables = prepare(root, write_parquet(source / "a.parquet", columns))
    assert len(rows_of(tables)) == 12
    assert load_tags(DataPaths.of(root, "mine")).tags["pictures/0.png"] == "sea,ship"


@pytest.mark.parametrize("captions", [["a red shoe", None] * 6, [["a red", "shoe"], []] * 6])
def test_captions_of_parquet(captions, source, root):
    columns = {"image": [encoded(20 * row) for row in range(12)], "style": ["old", "new"] * 6, "caption": captions}
    entry, tables = prepare(root, write_parquet(source / "a.parquet", columns))
    found = load_tags(DataPaths.of(root, "mine"))
    assert entry.attributes == ("style",)
    assert sorted(set(found.captions.values())) == ["", "a red shoe" if captions[1] is None else "a red,shoe"]
    said = tokens_of(tables["train"], found)["captions"]
    assert {tuple(words) for words in said} <= {("red", "shoe"), ()}


def test_a_file_that_is_no_parquet(source, root):
    pytest.importorskip("pyarrow")
    (source / "a.parquet").write_text("path,style")
    with pytest.raises(DataError, match="cannot be read as a Parquet file"):
        prepare(root, source / "a.parquet")


# --- .npz


def idx_array(path):
    """An array out of an idx file, the form of MNIST and Fashion-MNIST: two zeros, type, dimensions, sizes, bytes."""
    with gzip.open(path) as file:
        content = file.read()
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


@pytest.mark.skipif(not FASHION.is_dir(), reason="Fashion-MNIST is not on this machine")
def test_fashion_mnist(source, root):
    images = idx_array(FASHION / "t10k-images-idx3-ubyte.gz")[:300]
    labels = idx_array(FASHION / "t10k-labels-idx1-ubyte.gz")[:300]
    names = np.array(
        ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"]
    )
    np.savez_compressed(source / "fashion.npz", images=images, labels=names[labels])
    entry, tables = prepare(root, source / "fashion.npz", "--image_size", "32", name="fashion")
    assert entry.attributes == ("label",)
    assert {split: len(table) for split, table in tables.items()} == {"train": 240, "test": 60}
    row = int(tables["test"].keys[5].split("/")[1][:6])
    assert tables["test"].labels("label")[5] == names[labels[row]]
    with Image.open(DataPaths.of(root, "fashion").image(tables["test"].paths[5])) as image:
        assert np.array_equal(np.array(image), np.repeat(images[row][..., None], 3, 2))
    assert "T-shirt/top" in tables["train"].classes["label"]


def test_several_named_arrays(source, root):
    rng = np.random.default_rng(0)
    np.savez(
        source / "a.npz",
        x=rng.integers(0, 256, (20, 6, 8, 3), np.uint8),
        colour=np.arange(20) % 2,
        size=np.array(["s", "l"]).repeat(10),
        split=np.array(["train"] * 15 + ["test"] * 5),
        mean=np.zeros(3),
    )
    entry, tables = prepare(root, source / "a.npz")
    assert entry.category_types == {"colour,size": ("colour", "size")}
    assert tables["test"].labels("colour") == ["1", "0", "1", "0", "1"]
    assert list(report(root)["dropped"].values()) == [{"count": 1, "examples": ["mean (3,)"]}]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((4, 5, 5)), "y": np.arange(4)}, "expected images as uint8"),
        ({"y": np.arange(4)}, "y int64 .*expected one array of images"),
        ({"a": np.zeros((4, 5, 5), np.uint8), "b": np.zeros((4, 5, 5), np.uint8)}, "expected one array of images"),
        ({"images": np.zeros((4, 5, 5), np.uint8), "y": np.arange(3)}, "has no label column"),
        ({"images": np.zeros((4, 5, 5), np.uint8), "y": np.zeros(4)}, "only the label '0'"),
        ({"images": np.zeros((0, 5, 5), np.uint8), "y": np.zeros(0)}, "label has no labels"),
        ({"images": np.zeros((2, 5, 5), np.uint8), "y": np.array([{}, 1], dtype=object)}, "cannot be read"),
    ],
)
def test_arrays_that_cannot_be_used(arrays, message, source, root):
    np.savez(source / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        prepare(root, source / "a.npz")


def test_an_npz_file_with_something_else_in_it(source, root):
    np.savez(source / "a.npz", images=np.zeros((3, 4, 4, 3), np.uint8))
    with zipfile.ZipFile(source / "a.npz", "a") as packed:
        packed.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"holds 'readme.txt', which is no array"):
        prepare(root, source / "a.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"text"])
def test_a_file_that_is_no_npz(content, source, root):
    (source / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        prepare(root, source / "a.npz")


def test_an_npy_file_by_the_wrong_name(source, root):
    with (source / "a.npz").open("wb") as file:
        np.save(file, np.zeros((3, 4, 4), np.uint8))
    with pytest.raises(DataError, match="cannot be read"):
        prepare(root, source / "a.npz")


def test_arrays_are_made_into_images_in_processes(source, root, tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (60, 6, 8, 3), np.uint8)
    np.savez(source / "a.npz", images=pixels, y=np.arange(60) % 3)
    prepare(root, source / "a.npz", "--n_workers", "2")
    for row in (0, 17, 59):
        with Image.open(root / "mine" / "images" / "000" / f"{row:06d}.png") as image:
            assert np.array_equal(np.array(image), pixels[row])


# --- runs after the first


def test_the_same_again_does_nothing(source, root):
    draw_classes(source)
    prepare(root, source)
    manifest = DataPaths.of(root, "mine").manifest("A1")
    before = manifest.stat().st_mtime_ns
    prepare(root, source)
    assert manifest.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["new image", "replaced image", "seed", "image_size"])
def test_changes_are_refused_without_overwrite(change, source, root):
    draw_classes(source)
    prepare(root, source)
    arguments = ["--seed", "1"] if change == "seed" else ["--image_size", "64"] if change == "image_size" else []
    if change.endswith("image"):
        draw(source / "cat" / ("new.png" if change == "new image" else "0.png"), size=(90, 70))
    with pytest.raises(StaleError, match="pass --overwrite"):
        prepare(root, source, *arguments)
    prepare(root, source, *arguments, "--overwrite")


def test_a_replaced_image_is_made_again(source, root):
    draw_classes(source)
    prepare(root, source)
    kept = root / "mine" / "images" / "cat" / "1.png"
    before = kept.stat().st_mtime_ns
    later = kept.stat().st_mtime + 10
    os.utime(draw(source / "cat" / "0.png", size=(31, 21)), (later, later))
    prepare(root, source, "--overwrite")
    with Image.open(root / "mine" / "images" / "cat" / "0.png") as image:
        assert image.size == (31, 21)
    assert kept.stat().st_mtime_ns == before


def test_images_of_another_source_are_never_kept(source, root):
    """The rows of both files have the same names."""
    for name, value in (("a", 10), ("b", 200)):
        np.savez(source / f"{name}.npz", images=np.full((8, 5, 5), value, np.uint8), y=np.arange(8) % 2)
    prepare(root, source / "a.npz")
    DataPaths.of(root, "mine").manifest("A1").unlink()  # as after an interrupted run
    prepare(root, source / "b.npz")
    with Image.open(root / "mine" / "images" / "000" / "000003.png") as image:
        assert image.getpixel((0, 0)) == (200, 200, 200)


def test_an_interrupted_run_goes_on(source, root, monkeypatch):
    np.savez(source / "a.npz", images=np.full((8, 5, 5), 9, np.uint8), y=np.arange(8) % 2)
    real = Pixels.contents

    def interrupted(self, rows):
        for place, content in enumerate(real(self, rows)):
            if place == 3:
                raise KeyboardInterrupt
            yield content

    monkeypatch.setattr(custom_images, "make_images", one_by_one)
    monkeypatch.setattr(Pixels, "contents", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(root, source / "a.npz")
    images = root / "mine" / "images" / "000"
    first = {path.name: path.stat().st_mtime_ns for path in images.iterdir()}
    assert len(first) == 3
    with pytest.raises(OptionError, match="is not known"):
        registry.find("mine", root)
    monkeypatch.setattr(Pixels, "contents", real)
    prepare(root, source / "a.npz")
    assert len(list(images.iterdir())) == 8
    assert all((images / name).stat().st_mtime_ns == time for name, time in first.items())


def one_by_one(jobs, findings, workers, total):
    """What `make_images` does, without its chunks."""
    from backward_search.images.writing import make_images

    return set().union(*(make_images([job], findings, 1) for job in jobs))


def test_images_of_the_user_in_the_data_set_s_folder_are_left_alone(source, root):
    images = root / "mine" / "images"
    draw_classes(images)
    for place in (images, root / "mine"):
        with pytest.raises(DataError, match="move your images to another folder"):
            prepare(root, place)
    table = write_table(source, path=[str(path) for path in sorted(images.rglob("*.png"))], style=["a", "b"] * 5)
    with pytest.raises(DataError, match="move your images to another folder"):
        prepare(root, table, "--allow_outside")
    draw_classes(source / "other")
    with pytest.raises(DataError, match="files that A1 did not make"):
        prepare(root, source / "other")
    assert len(list(images.rglob("*.png"))) == 10


# --- the command line


@pytest.mark.parametrize("name", ["CUB", "APY", "wikiart", "glyphs"])
def test_names_of_the_package_are_refused(name, source, root):
    draw_classes(source)
    with pytest.raises(OptionError, match=f"--dataset_name {name} is a data set of the package"):
        prepare(root, source, name=name)
    assert not (root / name / "attributions").exists()


def test_check_only_writes_nothing_but_its_report(source, root):
    draw_classes(source)
    MAIN(["--dataset_name", "mine", "--source", str(source), "--data_root", str(root), "--check_only"])
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["check.json"]


def test_the_source_is_required(root, capsys):
    with pytest.raises(SystemExit) as end:
        MAIN(["--dataset_name", "mine", "--data_root", str(root)])
    assert end.value.code == 2
    assert "--source" in capsys.readouterr().err


def test_what_a_user_can_cause_is_one_line(source, root, capsys):
    with pytest.raises(SystemExit) as end:
        run_script(lambda: prepare(root, source))
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
