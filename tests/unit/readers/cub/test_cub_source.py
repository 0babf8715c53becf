import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from raw_cub import attribute_name, write_cub
from scripts_by_name import script

from backward_search.cli import QueryOptions, parse
from backward_search.data import registry
from backward_search.data.prepared import load_table, load_tags
from backward_search.data.registry import EmptyTags, Preprocessing
from backward_search.errors import DataError, MissingError, OptionError, StaleError
from backward_search.readers.cub import lists
from backward_search.readers.cub import source as cub
from backward_search.stages.generate_queries import generate_queries
from backward_search.storage.paths import PROJECT, DataPaths

SMALL = {"classes": 3, "images_per_class": 10, "attributes": 40}


@pytest.fixture
def paths(tmp_path):
    return DataPaths.of(tmp_path, "CUB")


def main(paths, *arguments):
    return script("A1.Data-Preprocessing-CUB")(["--data_root", str(paths.root), *arguments])


def report(paths):
    return json.loads(paths.report.read_text())


def listed(paths):
    """The raw lists, read the plain way: image names, attribute names and the set of attributes of each image id."""
    raw = lists.locate(paths)
    names = [line.split()[1] for line in raw.images.read_text().splitlines()]
    attributes = [line.split()[1] for line in raw.attributes.read_text().splitlines()]
    present = {number: set() for number in range(1, len(names) + 1)}
    for line in raw.labels.read_text().splitlines():
        image, attribute, value = line.split()[:3]
        if value == "1":
            present[int(image)].add(int(attribute))
    return names, attributes, present


def plain_tags(names, attributes, present, shift):
    """Key -> string of attributes, row by row; with shift 1 image i takes the attributes of image i + 1."""
    rows = {name: present[number + shift] for number, name in enumerate(names, 1) if number + shift in present}
    counts = {a: sum(a in row for row in rows.values()) for a in range(1, len(attributes) + 1)}
    rare = [a for a in counts if counts[a] / len(rows) < 0.1849]
    return {name: ",".join(attributes[a - 1] for a in rare if a in row) for name, row in rows.items()}


def test_nothing_is_written_and_nothing_fetched_by_a_check(paths):
    with pytest.raises(OptionError, match="--check_only writes nothing but"):
        main(paths, "--check_only", "--download")
    assert not paths.folder.exists()


def test_the_archive_is_fetched_where_only_the_lists_are(paths):
    def there(source):
        return all(any(paths.folder.glob(pattern)) for pattern in source)

    (download,) = cub.DOWNLOADS
    write_cub(paths.folder, **SMALL)
    assert any(there(patterns) for patterns in download.unless)
    shutil.rmtree(paths.folder / "CUB_200_2011" / "images")
    assert not any(there(patterns) for patterns in download.unless)


def all_rows(paths):
    tables = [load_table(paths, cub.ENTRY, split) for split in ("train", "test")]
    return [path for table in tables for path in table.paths]


def test_entry_is_registered_with_the_published_defaults(tmp_path):
    entry = registry.find("CUB", tmp_path)
    assert entry.category_types == {"birds": ("birds",)}
    assert (entry.encoder_model, entry.num_epoch, entry.inverse_lambda) == ("convnext_base", 30, 1.1)
    assert entry.preprocessing == Preprocessing(size=224, fit="crop", augment=True)
    assert (entry.empty_tags, entry.discard_first_draw) == (EmptyTags.OF_THE_QUERY, True)
    assert (PROJECT / entry.prepare).is_file()


@pytest.mark.parametrize("layout", ["archive", "content", "flat"])
def test_every_layout_gives_the_same_tables(paths, tmp_path, layout):
    write_cub(paths.folder, **SMALL, layout=layout)
    main(paths)
    other = DataPaths.of(tmp_path / "other", "CUB")
    write_cub(other.folder, **SMALL)
    main(other)
    for file in ("preprocessed_CUB_train.csv", "preprocessed_CUB_test.csv", "classes.json", "tags.csv"):
        assert (paths.attributions / file).read_bytes() == (other.attributions / file).read_bytes()
    assert report(paths)["layout"].startswith({"archive": "unpacked", "content": "content", "flat": "flat"}[layout])
    assert all(paths.image(path).is_file() for path in all_rows(paths))


@pytest.mark.parametrize("place", ["CUB/CUB_200_2011/attributes", "CUB/attributes", "CUB/CUB_200_2011", "."])
def test_attributes_txt_is_found_where_copies_keep_it(paths, place):
    write_cub(paths.folder, **SMALL)
    target = paths.root / place / "attributes.txt"
    target.parent.mkdir(exist_ok=True)
    (paths.folder / "attributes.txt").rename(target)
    assert lists.locate(paths).attributes.samefile(target)


def test_tables_hold_class_folders_and_logical_paths(paths):
    write_cub(paths.folder, **SMALL)
    assert main(paths) == paths.attributions
    table = load_table(paths, cub.ENTRY, "test")
    assert table.classes["birds"] == ["001.Kind_of_Bird_1", "002.Kind_of_Bird_2", "003.Kind_of_Bird_3"]
    for path, label in zip(table.paths, table.labels("birds"), strict=True):
        assert path.startswith(f"./data/CUB/images/{label}/")
    assert len(set(all_rows(paths))) == 30


def test_tags_are_the_rare_attributes_and_the_class(paths):
    write_cub(paths.folder, **SMALL, malformed=(2, 30))
    main(paths)
    names, attributes, present = listed(paths)
    expected = plain_tags(names, attributes, present, shift=0)
    tags = load_tags(paths)
    assert tags.query_tags == {name: f"{some},{name.split('/')[0]}" for name, some in expected.items()}
    assert tags.tags == {name: text.strip(",") for name, text in tags.query_tags.items()}
    assert any(text.startswith(",") for text in tags.query_tags.values())  # an image without attributes
    assert attribute_name(1) not in "".join(tags.tags.values()).split(",")  # a common one
    assert report(paths)["tables"] == "corrected"


def test_as_published_shifts_the_attributes_by_one_image(paths):
    write_cub(paths.folder, **SMALL)
    main(paths, "--as_published", "True")
    names, attributes, present = listed(paths)
    expected = plain_tags(names, attributes, present, shift=1)
    assert load_tags(paths).query_tags == {name: f"{some},{name.split('/')[0]}" for name, some in expected.items()}
    assert len(expected) == 29
    assert len(all_rows(paths)) == 29
    assert not any(path.endswith(names[-1]) for path in all_rows(paths))
    assert report(paths)["tables"] == "as published"
    assert json.loads(paths.manifest("A1").read_text())["settings"]["as_published"] is True


@pytest.mark.parametrize("as_published", [True, False])
def test_queries_say_which_tables_they_were_drawn_from(paths, as_published):
    write_cub(paths.folder, classes=3, images_per_class=40, attributes=40)
    main(paths, "--as_published", str(as_published))
    options = parse(QueryOptions, "", ["--dataset_name", "CUB", "--data_root", str(paths.root), "--num_queries", "9"])
    generate_queries(options)
    content = json.loads(paths.queries(("birds",), "test").read_text())
    assert content["tables"]["as_published"] is as_published


def test_as_published_and_corrected_tables_are_not_mixed_up(paths):
    write_cub(paths.folder, **SMALL)
    main(paths)
    before = paths.manifest("A1").read_bytes()
    main(paths, "--as_published", "False")
    assert paths.manifest("A1").read_bytes() == before
    with pytest.raises(StaleError, match="as_published"):
        main(paths, "--as_published", "True")
    main(paths, "--as_published", "True", "--overwrite", "True")
    assert len(all_rows(paths)) == 29


def test_download_fetches_first(paths, monkeypatch):
    asked = []

    def fetch(name, into):
        asked.append((name, into))
        write_cub(into.folder, **SMALL)

    monkeypatch.setattr("backward_search.data.download.fetch", fetch)
    main(paths, "--download", "True")
    assert asked == [("CUB", paths)]
    assert len(all_rows(paths)) == 30


def test_split_is_the_published_one():
    # what scikit-learn 1.3.2, the version of the paper, returns; so does 1.9.1
    rows = cub.split(["a"] * 10 + ["b"] * 10)
    assert rows["train"].tolist() == [15, 5, 13, 9, 11, 18, 0, 8, 17, 14, 2, 10, 1, 7]
    assert rows["test"].tolist() == [4, 19, 3, 16, 12, 6]


@pytest.mark.parametrize(("images", "train", "test"), [(11_788, 8_251, 3_537), (11_787, 8_250, 3_537)])
def test_split_has_the_published_sizes(images, train, test):
    rows = cub.split([f"{number % 200:03d}" for number in range(images)])
    assert (len(rows["train"]), len(rows["test"])) == (train, test)


def test_table_rows_stand_in_the_order_of_the_splitter(paths):
    write_cub(paths.folder, **SMALL)
    main(paths)
    names = listed(paths)[0]
    rows = cub.split([name.split("/")[0] for name in names])
    for split in ("train", "test"):
        assert load_table(paths, cub.ENTRY, split).keys == [names[row] for row in rows[split]]


def test_images_are_rows_in_the_order_of_their_ids(paths):
    write_cub(paths.folder, **SMALL)
    file = lists.locate(paths).images
    expected = lists.read_numbered(file)[1]
    file.write_text("".join(line + "\r\n" for line in reversed(file.read_text().splitlines())))
    numbers, names = lists.read_numbered(file)
    assert numbers.tolist() == list(range(1, 31))
    assert names == expected


def test_the_clean_label_file_serves_too(paths):
    write_cub(paths.folder, **SMALL, labels="image_attribute_labels_clean.txt")
    assert lists.locate(paths).labels.name == "image_attribute_labels_clean.txt"
    main(paths)
    assert len(all_rows(paths)) == 30


@pytest.mark.parametrize("line", ["x 001.A/b.jpg", "5", "1 001.A/again.jpg"])
def test_a_malformed_list_line_is_named(paths, line):
    write_cub(paths.folder, **SMALL)
    file = lists.locate(paths).images
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"images.txt line 31"):
        main(paths)


def test_a_path_without_class_folder_is_refused(paths):
    write_cub(paths.folder, **SMALL)
    file = lists.locate(paths).images
    file.write_text(file.read_text().replace("001.Kind_of_Bird_1/", ""))
    with pytest.raises(DataError, match="expected <class>/<file>"):
        main(paths)


def damage(images, names):
    """One image each: missing, cut off, not an image, empty, grey, padded. Returns their keys in this order."""
    keys = names[:6]
    (images / keys[0]).unlink()
    whole = (images / keys[1]).read_bytes()
    (images / keys[1]).write_bytes(whole[: len(whole) // 2])
    (images / keys[2]).write_bytes(b"<html>not found</html>")
    (images / keys[3]).write_bytes(b"")
    Image.open(images / keys[4]).convert("L").save(images / keys[4])
    with (images / keys[5]).open("ab") as file:
        file.write(bytes(2000))
    return keys


def test_damaged_images_fall_out_of_the_published_split(paths):
    images = write_cub(paths.folder, **SMALL)
    names = listed(paths)[0]
    missing, cut, html, empty, grey, padded = damage(images, names)
    main(paths)
    content = report(paths)
    assert content["dropped"]["missing image"] == {"count": 1, "examples": [missing]}
    assert content["dropped"]["unreadable image"] == {"count": 1, "examples": [cut]}
    page = "web pages in place of images: fetch the images again"
    assert content["dropped"][page] == {"count": 1, "examples": [html]}
    assert content["dropped"]["empty files: fetch again"] == {"count": 1, "examples": [empty]}
    assert content["repaired"] == {"greyscale, read as RGB": {"count": 1, "examples": [grey]}}
    rows = cub.split([name.split("/")[0] for name in names])
    for split in ("train", "test"):
        whole = [names[row] for row in rows[split] if names[row] not in (missing, cut, html, empty)]
        assert load_table(paths, cub.ENTRY, split).keys == whole
    assert f"./data/CUB/images/{padded}" in all_rows(paths)


def test_check_only_reports_and_writes_nothing_else(paths, capsys):
    missing = damage(write_cub(paths.folder, **SMALL), listed(paths)[0])[0]
    before = sorted(paths.root.rglob("*"))
    main(paths, "--check_only")
    assert sorted(paths.root.rglob("*")) == sorted([*before, paths.attributions, paths.check])
    checked = json.loads(paths.check.read_text())
    main(paths)
    assert report(paths)["images"] == checked["images"] < 30
    assert f"dropped: 1 missing image ({missing})" in capsys.readouterr().out


def test_images_become_a_relative_link_that_survives_a_move(paths, tmp_path):
    write_cub(paths.folder, **SMALL)
    main(paths)
    link = paths.folder / "images"
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    moved = DataPaths.of(tmp_path / "elsewhere", "CUB")
    moved.root.mkdir()
    paths.folder.rename(moved.folder)
    assert all(moved.image(path).is_file() for path in all_rows(moved))


@pytest.mark.parametrize("before", ["empty folder", "dangling link"])
def test_a_useless_images_entry_is_replaced_by_the_link(paths, before):
    write_cub(paths.folder, **SMALL)
    place = paths.folder / "images"
    place.mkdir() if before == "empty folder" else place.symlink_to("gone")
    main(paths)
    assert place.is_symlink()
    assert all(paths.image(path).is_file() for path in all_rows(paths))


def test_a_folder_with_some_of_the_images_is_completed(paths):
    images = write_cub(paths.folder, **SMALL)
    name = listed(paths)[0][0]
    own = paths.folder / "images" / name
    own.parent.mkdir(parents=True)
    Image.open(images / name).convert("L").save(own)
    content = own.read_bytes()
    main(paths)
    assert own.read_bytes() == content
    assert all(paths.image(path).is_file() for path in all_rows(paths))


@pytest.mark.parametrize("hard_links", [True, False])
def test_without_symbolic_links_images_are_linked_or_copied(paths, monkeypatch, hard_links):
    def refuse(*_arguments, **_options):
        raise OSError("not supported here")

    images = write_cub(paths.folder, **SMALL)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    if not hard_links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    main(paths)
    assert not (paths.folder / "images").is_symlink()
    for path in all_rows(paths):
        original = images / "/".join(path.split("/")[-2:])
        assert paths.image(path).read_bytes() == original.read_bytes()
        assert paths.image(path).samefile(original) == hard_links


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("images.txt", "no images.txt"),
        ("attributes.txt", "no attributes.txt"),
        ("image_attribute_labels.txt", "no image_attribute_labels.txt or image_attribute_labels_clean.txt"),
    ],
)
def test_a_missing_list_is_named_with_where_to_get_it(paths, gone, named):
    write_cub(paths.folder, **SMALL)
    next(paths.folder.rglob(gone)).unlink()
    with pytest.raises(MissingError, match=named) as caught:
        main(paths)
    message = str(caught.value)
    assert str(paths.folder) in message
    assert "CUB_200_2011/attributes" in message
    assert "https://www.vision.caltech.edu/datasets/cub_200_2011/" in message
    assert "\n" not in message


def test_a_folder_without_images_is_refused(paths):
    images = write_cub(paths.folder, **SMALL)
    images.rename(paths.root / "astray")
    with pytest.raises(MissingError, match="none of the 30 images"):
        main(paths)


def test_too_few_images_for_the_split_are_refused(paths):
    write_cub(paths.folder, classes=3, images_per_class=1, attributes=40)
    with pytest.raises(DataError, match="cannot be split"):
        main(paths)


def test_the_tag_table_is_plain_csv(paths):
    write_cub(paths.folder, **SMALL)
    main(paths)
    with paths.tags.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["key", "tags", "query_tags"]
    assert [row["key"] for row in rows] == listed(paths)[0]
