import json

import numpy as np
import pytest
from PIL import Image
from raw_apy import ATTRIBUTES, CATEGORIES, YAHOO, write_apy
from scripts_by_name import script

from backward_search.data import registry
from backward_search.data.prepared import load_table, load_tags
from backward_search.data.registry import EmptyTags, Preprocessing
from backward_search.errors import DataError, MissingError, StaleError
from backward_search.readers.apy import images, lists
from backward_search.readers.apy import source as apy
from backward_search.storage.paths import PROJECT, DataPaths

SMALL = {"classes": 4, "train": 24, "test": 13}


@pytest.fixture
def paths(tmp_path):
    return DataPaths.of(tmp_path, "APY")


def main(paths, *arguments):
    return script("A1.Data-Preprocessing-APY")(["--data_root", str(paths.root), "--n_workers", "1", *arguments])


def report(paths):
    return json.loads(paths.report.read_text())


def lines(paths, name):
    return [line.split() for line in lists.locate(paths, name).read_text().splitlines()]


def edit(paths, name, line, field, value):
    """Replace one field of one line (both from 0)."""
    rows = lines(paths, name)
    rows[line][field] = value
    lists.locate(paths, name).write_text("".join(" ".join(row) + "\n" for row in rows))


def table(paths, split):
    return load_table(paths, apy.ENTRY, split)


def crop_of(row, line):
    stem, dot, suffix = row[0].rpartition(".")
    return f"{stem}_{row[1]}_{line}{dot}{suffix}"


def photograph(paths, name):
    return next(paths.folder.rglob(name))


def size_of(paths, crop):
    with Image.open(paths.folder / "images_crop" / crop) as image:
        return image.size


def test_entry_is_registered_with_the_published_defaults(tmp_path):
    entry = registry.find("APY", tmp_path)
    assert entry.category_types == {"category": ("category",)}
    assert (entry.encoder_model, entry.num_epoch, entry.inverse_lambda) == ("convnext_base", 30, 1.1)
    assert entry.preprocessing == Preprocessing(size=224, fit="squeeze", augment=False)
    assert (entry.empty_tags, entry.discard_first_draw) == (EmptyTags.OF_THE_QUERY, True)
    assert (PROJECT / entry.prepare).is_file()


def test_tables_follow_the_lists_line_by_line(paths):
    write_apy(paths.folder, **SMALL)
    assert main(paths) == paths.attributions
    for split, name in (("train", "apascal_train.txt"), ("test", "apascal_test.txt")):
        rows = lines(paths, name)
        expected = [f"./data/APY/images_crop/{crop_of(row, line)}" for line, row in enumerate(rows)]
        assert table(paths, split).paths == expected
        assert table(paths, split).labels("category") == [row[1] for row in rows]
        assert all(paths.image(path).is_file() for path in expected)
    assert table(paths, "test").classes["category"] == sorted(CATEGORIES[:4])
    assert table(paths, "test").keys[0].startswith("images_crop/")


def test_tags_are_the_attributes_as_they_stand_and_the_category(paths):
    write_apy(paths.folder, **SMALL)
    main(paths)
    expected = {}
    for name in ("apascal_train.txt", "apascal_test.txt"):
        for line, row in enumerate(lines(paths, name)):
            marks = [ATTRIBUTES[place] for place, value in enumerate(row[6:]) if value == "1"]
            expected[f"images_crop/{crop_of(row, line)}"] = ",".join(marks) + "," + row[1]
    tags = load_tags(paths)
    assert tags.query_tags == expected
    assert tags.tags == {key: text.strip(",") for key, text in expected.items()}
    assert any(text.startswith(",") for text in expected.values())
    assert any(" " in text for text in expected.values())


def test_crops_are_the_boxes(paths):
    write_apy(paths.folder, **SMALL)
    main(paths)
    for line, row in enumerate(lines(paths, "apascal_train.txt")):
        left, top, right, bottom = map(int, row[2:6])
        crop = crop_of(row, line)
        assert size_of(paths, crop) == (right - left, bottom - top)
        whole = np.asarray(Image.open(photograph(paths, row[0])), dtype=int)
        made = np.asarray(Image.open(paths.folder / "images_crop" / crop), dtype=int)
        assert np.abs(whole[top:bottom, left:right] - made).mean() < 12  # JPEG once more, of noise
    assert report(paths)["repaired"] == {}


def test_the_published_layout_gives_the_same_tables(paths, tmp_path):
    write_apy(paths.folder, **SMALL, layout="published")
    main(paths)
    other = DataPaths.of(tmp_path / "other", "APY")
    write_apy(other.folder, **SMALL)
    main(other)
    for file in ("preprocessed_APY_train.csv", "preprocessed_APY_test.csv", "classes.json", "tags.csv"):
        assert (paths.attributions / file).read_bytes() == (other.attributions / file).read_bytes()
    assert report(paths)["attribute data"] == "attributes"
    assert report(other)["attribute data"] == "attribute_data"


def test_lists_may_lie_flat_in_the_folder(paths):
    lists = write_apy(paths.folder, **SMALL)
    for file in lists.iterdir():
        file.rename(paths.folder / file.name)
    main(paths)
    assert len(table(paths, "train")) == 24


def test_image_label_csv_decides_between_files_of_one_name(paths):
    write_apy(paths.folder, **SMALL, layout="published")
    name = lines(paths, "apascal_train.txt")[0][0]
    decoy = paths.folder / "images_raw" / "another" / name
    decoy.parent.mkdir()
    Image.new("RGB", (5, 5)).save(decoy)
    right = paths.folder / "images_raw" / "pascal" / name
    assert images.find_images(paths, {name}) == {name: right}
    assert images.find_images(paths, {name, "not there.jpg"}) == {name: right}


def test_images_that_the_csv_does_not_list_are_found_by_name(paths):
    write_apy(paths.folder, **SMALL, layout="published")
    csv = paths.folder / "images_raw" / "image_label.csv"
    csv.write_text("\n".join(csv.read_text().splitlines()[:3]) + "\n7,pascal/gone.jpg,x\n")
    main(paths)
    assert report(paths)["dropped"] == {}


def test_links_among_the_images_are_followed_without_end(paths, tmp_path):
    write_apy(paths.folder, **SMALL)
    (paths.folder / "VOCdevkit").rename(tmp_path / "elsewhere")
    (paths.folder / "VOCdevkit").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(paths.folder)
    main(paths)
    assert report(paths)["dropped"] == {}


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", ",file\n0,x.jpg\n"])
def test_a_wrong_image_label_csv_is_refused(paths, content):
    write_apy(paths.folder, **SMALL, layout="published")
    (paths.folder / "images_raw" / "image_label.csv").write_text(content)
    with pytest.raises(DataError, match=r"image_label.csv"):
        main(paths)


def test_boxes_are_clamped_and_those_without_area_keep_the_whole_image(paths):
    write_apy(paths.folder, **SMALL)
    boxes = {
        0: ("-3 -2 10 20", (10, 20)),
        1: ("5 6 1000 2000", (59, 42)),
        2: ("7 7 7 30", (64, 48)),  # no width
        3: ("20 30 10 40", (64, 48)),  # the wrong way round
        4: ("100 100 120 120", (64, 48)),  # outside
        5: ("0 0 64 48", (64, 48)),  # counted from 0, all of it
        6: ("1.0 1.0 64.0 48.0", (63, 47)),
    }
    for line, (box, _) in boxes.items():
        for place, value in enumerate(box.split()):
            edit(paths, "apascal_train.txt", line, 2 + place, value)
    main(paths)
    crops = [crop_of(row, line) for line, row in enumerate(lines(paths, "apascal_train.txt"))]
    for line, (_, size) in boxes.items():
        assert size_of(paths, crops[line]) == size
    assert report(paths)["repaired"] == {
        "box reaching out of the image, clamped": {"count": 2, "examples": crops[:2]},
        "box without area, kept the whole image": {"count": 3, "examples": crops[2:5]},
    }


def test_objects_without_photograph_fall_out_of_their_split(paths):
    write_apy(paths.folder, **SMALL)
    rows = lines(paths, "apascal_test.txt")
    gone, broken, cut = sorted({row[0] for row in rows})[:3]
    photograph(paths, gone).unlink()
    photograph(paths, broken).write_bytes(b"<html>")
    content = photograph(paths, cut).read_bytes()
    photograph(paths, cut).write_bytes(content[: len(content) // 2])
    main(paths)
    dropped = report(paths)["dropped"]
    missing = [crop_of(row, line) for line, row in enumerate(rows) if row[0] == gone]
    assert dropped["missing image"] == {"count": len(missing), "examples": missing}
    assert dropped["unreadable image"]["count"] == sum(row[0] == cut for row in rows)
    pages = dropped["web pages in place of images: fetch the images again"]
    assert pages["count"] == sum(row[0] == broken for row in rows)
    kept = [crop_of(row, line) for line, row in enumerate(rows) if row[0] not in (gone, broken, cut)]
    assert [path.split("/")[-1] for path in table(paths, "test").paths] == kept
    assert len(table(paths, "train")) == 24


def test_finished_crops_are_kept_and_need_no_photograph(paths):
    write_apy(paths.folder, **SMALL)
    main(paths)
    crops = sorted((paths.folder / "images_crop").iterdir())
    before = [crop.stat().st_mtime_ns for crop in crops]
    for row in lines(paths, "apascal_train.txt"):
        for file in paths.folder.rglob(row[0]):
            file.unlink()
    main(paths, "--overwrite", "True")
    assert [crop.stat().st_mtime_ns for crop in crops] == before
    assert len(table(paths, "train")) == 24
    assert report(paths)["dropped"] == {}


def test_yahoo_joins_the_test_split_only_when_asked_for(paths):
    write_apy(paths.folder, **SMALL, yahoo=15)
    main(paths)
    assert len(table(paths, "test")) == 13
    with pytest.raises(StaleError, match="with_yahoo"):
        main(paths, "--with_yahoo", "True")
    main(paths, "--with_yahoo", "True", "--overwrite", "True")
    test = table(paths, "test")
    assert len(test) == 28
    assert test.labels("category")[13:] == [row[1] for row in lines(paths, "ayahoo_test.txt")]
    assert test.paths[13].endswith(crop_of(lines(paths, "ayahoo_test.txt")[0], 0))
    assert len(table(paths, "train")) == 24
    assert test.classes["category"] == sorted(CATEGORIES[:4] + YAHOO)
    assert report(paths)["expected"]["objects in ayahoo_test.txt"] == {"expected": 2644, "found": 15}


@pytest.mark.parametrize("yahoo", [False, True])
def test_download_fetches_first_and_yahoo_only_when_asked_for(paths, monkeypatch, yahoo):
    asked = []

    def fetch(name, into, sources=apy.DOWNLOADS):
        if not asked:
            write_apy(into.folder, **SMALL, yahoo=3)
        asked.extend((name, source.target) for source in sources)

    monkeypatch.setattr("backward_search.data.download.fetch", fetch)
    main(paths, "--download", "--with_yahoo", str(yahoo))
    targets = ["attribute_data.tar.gz", "VOCtrainval_14-Jul-2008.tar", *["ayahoo_test_images.tar.gz"] * yahoo]
    assert asked == [("APY", target) for target in targets]


def test_nothing_is_fetched_for_what_is_there(paths):
    for layout in ("release", "published"):
        folder = paths.root / layout
        write_apy(folder, **SMALL, yahoo=1, layout=layout)
        for source in apy.DOWNLOADS:
            assert any(all(any(folder.glob(pattern)) for pattern in patterns) for patterns in source.unless)


def test_counts_are_hints(paths):
    write_apy(paths.folder, **SMALL)
    main(paths)
    assert report(paths)["expected"] == {
        "objects in apascal_train.txt": {"expected": 6340, "found": 24},
        "objects in apascal_test.txt": {"expected": 6355, "found": 13},
        "classes listed": {"expected": 20, "found": 4},
        "attributes": {"expected": 64, "found": 64},
    }


def test_check_only_reports_and_writes_nothing_else(paths, capsys):
    write_apy(paths.folder, **SMALL)
    edit(paths, "apascal_train.txt", 2, 4, "0")
    next(paths.folder.rglob("2008_*.jpg")).unlink()
    before = sorted(paths.root.rglob("*"))
    main(paths, "--check_only")
    assert sorted(paths.root.rglob("*")) == sorted([*before, paths.attributions, paths.check])
    checked = json.loads(paths.check.read_text())
    main(paths)
    assert (report(paths)["images"], report(paths)["splits"]) == (checked["images"], checked["splits"])
    assert report(paths)["dropped"]
    assert "1 box without area, kept the whole image" in capsys.readouterr().out


@pytest.mark.parametrize("gone", ["attribute_names.txt", "apascal_train.txt", "apascal_test.txt", "ayahoo_test.txt"])
def test_a_missing_list_is_named_with_where_to_get_it(paths, gone):
    write_apy(paths.folder, **SMALL, yahoo=2)
    lists.locate(paths, gone).unlink()
    with pytest.raises(MissingError, match=f"no {gone} in ") as caught:
        main(paths, "--with_yahoo", "True")
    message = str(caught.value)
    assert str(paths.folder) in message
    assert "https://vision.cs.uiuc.edu/attributes/" in message
    assert "\n" not in message


def test_a_folder_without_photographs_is_refused(paths):
    write_apy(paths.folder, **SMALL)
    (paths.folder / "VOCdevkit").rename(paths.root / "astray")
    with pytest.raises(MissingError, match="none of the photographs"):
        main(paths)
    assert not (paths.folder / "images_crop").exists()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (5, "", "line 3 has 69 fields, expected 70"),
        (5, "1 2", "line 3 has 71 fields, expected 70"),
        (2, "left", "expected numbers after the class"),
        (2, "nan", "line 3 has attributes other than 0 and 1, or no box"),
        (20, "2", "line 3 has attributes other than 0 and 1, or no box"),
    ],
)
def test_a_malformed_line_is_refused(paths, field, value, message):
    write_apy(paths.folder, **SMALL)
    edit(paths, "apascal_test.txt", 2, field, value)
    with pytest.raises(DataError, match=message):
        main(paths)


def test_attribute_names_have_no_commas(paths):
    write_apy(paths.folder, **SMALL)
    file = lists.locate(paths, "attribute_names.txt")
    file.write_text(file.read_text().replace("Vert Cyl", "Vert, Cyl"))
    with pytest.raises(DataError, match="expected names without commas"):
        main(paths)


def test_an_empty_list_is_refused(paths):
    write_apy(paths.folder, **SMALL)
    lists.locate(paths, "apascal_test.txt").write_text("\n")
    with pytest.raises(DataError, match=r"apascal_test.txt is empty"):
        main(paths)
