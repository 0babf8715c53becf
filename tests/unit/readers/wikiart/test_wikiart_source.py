import csv
import io
import json
import shutil
import unicodedata

import numpy as np
import pytest
from PIL import Image
from raw_wikiart import (
    GENRES,
    MISENCODED,
    STYLES,
    attribution_table,
    genre_label,
    style_folder,
    table,
    write,
    write_wikiart,
)
from scripts_by_name import script

from backward_search.data import registry
from backward_search.data.report import Findings
from backward_search.errors import DataError, MissingError, StaleError, UserError
from backward_search.readers.wikiart import labels as wikiart_labels
from backward_search.readers.wikiart import source as wikiart
from backward_search.readers.wikiart.rows import Rows
from backward_search.readers.wikiart.tags import ATTRIBUTIONS

FORMS = ("wclasses", "class_data", "artgan", "parquet")
FEW = {"images": 60, "styles": 3, "genres": 2}


def prepare(root, *words):
    return script("A1.Data-Preprocessing-wikiart")(["--data_root", str(root), "--n_workers", "0", *words])


class Prepared:
    """What A1 wrote."""

    def __init__(self, root, *words):
        folder = prepare(root, *words)
        self.classes = json.loads((folder / "classes.json").read_text())
        self.report = json.loads((folder / "report.json").read_text())
        self.tables = {split: self.read(folder / f"preprocessed_wikiart_{split}.csv") for split in ("train", "test")}
        self.tags = {row["key"]: row for row in self.read(folder / "tags.csv")}
        self.images = root / "wikiart" / "images"

    @staticmethod
    def read(file):
        with file.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))

    def keys(self, split):
        return [row["path"].removeprefix("./data/wikiart/images/") for row in self.tables[split]]

    def labels(self):
        """By key the labels of artist, genre and style."""
        return {
            key: tuple(self.classes[name][int(row[name])] for name in ("artist", "genre", "style"))
            for split in self.tables
            for key, row in zip(self.keys(split), self.tables[split], strict=True)
        }


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "wikiart"


def artist(painting):
    if MISENCODED in painting.key:
        return MISENCODED
    return f"painter-{painting.artist}" if painting.artist else "other artist"


@pytest.mark.parametrize("form", ["wclasses", "class_data", "artgan"])
def test_every_form_of_lists_gives_the_same_rows(folder, form):
    paintings = write_wikiart(folder, form, 150, 4, 11)
    found = Prepared(folder.parent)
    expected = {p.key: (artist(p), genre_label(p.genre), style_folder(p.style)) for p in paintings}
    assert found.labels() == expected
    assert list(found.tables["train"][0]) == ["path", "artist", "genre", "style"]
    assert found.classes["genre"] == sorted(genre_label(genre) for genre in range(11))
    assert found.classes["genre"].index("other genre") == 6
    assert sorted(found.keys("train") + found.keys("test")) == sorted(expected)
    assert found.tags.keys() == expected.keys()
    assert all((found.images / key).is_file() for key in expected)
    assert {"wclasses": "wclasses.csv", "class_data": "class_data.json", "artgan": "ArtGAN"}[form] in found.report[
        "form"
    ]


def test_parquet_files_give_the_same_rows_without_their_names(folder):
    paintings = write_wikiart(folder, "parquet", 150, 4, 11, shards=3)
    found = Prepared(folder.parent)
    artists = ["other artist" if p.artist == 0 else f"painter-{p.artist}" for p in paintings]
    expected = {
        f"{style_folder(p.style)}/{row}.jpg": (name, genre_label(p.genre), style_folder(p.style))
        for row, (p, name) in enumerate(zip(paintings, artists, strict=True))
    }
    assert found.labels() == expected
    assert found.report["form"] == "3 Parquet files"
    colours = {}
    for row, painting in enumerate(paintings):
        image = np.asarray(Image.open(found.images / style_folder(painting.style) / f"{row}.jpg"), float)
        colours.setdefault(painting.style, []).append(image[:8].mean((0, 1)))
    within = max(np.ptp(np.array(some), axis=0).max() for some in colours.values())
    assert within < 20 < min(np.abs(colours[3][0] - colours[other][0]).max() for other in (4, 5, 6))


def test_the_published_split_is_that_of_numpys_legacy_generator(folder):
    paintings = write_wikiart(folder, **FEW)
    order = [p.key for p in paintings]
    np.random.seed(777)
    np.random.shuffle(order)
    found = Prepared(folder.parent, "--seed", "5")
    assert (found.keys("train"), found.keys("test")) == (order[:48], order[48:])
    assert (found.report["split"], found.report["test queries"]) == ("as published", "the paper's")
    prepare(folder.parent, "--seed", "6")  # the seed does not matter here, so that nothing is stale


def test_the_published_split_has_the_papers_sizes():
    keys = [f"A/{row}.jpg" for row in range(81_444)]
    _, splits = wikiart.split(Rows(keys, keys, keys, keys), None, Findings())
    assert (len(splits["train"]), len(splits["test"])) == (65_155, 16_289)


@pytest.mark.parametrize("form", ["class_data", "artgan", "parquet"])
def test_other_forms_are_split_by_the_seed_and_say_so(folder, form):
    write_wikiart(folder, form, **FEW)
    first = Prepared(folder.parent)
    with pytest.raises(StaleError, match="split_seed"):
        prepare(folder.parent, "--seed", "1")
    second = Prepared(folder.parent, "--seed", "1", "--overwrite")
    assert first.keys("test") != second.keys("test")
    assert len(first.keys("test")) == len(second.keys("test")) == 12
    assert sorted(first.labels()) == sorted(second.labels())
    assert first.report["split"] == "made with --seed 0, not the published one"
    assert first.report["test queries"] == "will not be the paper's"


def test_tags_come_from_the_attributions_table(folder):
    paintings = write_wikiart(folder, attributions=False, **FEW)
    rows = [[p.key, "", "", "", ""] for p in paintings]
    rows[0][1:] = ["Portrait", "Art Nouveau", "oil, canvas", "Ferdinand, White  Horse"]
    rows[1][1:] = ["abstract", "", "", ""]
    rows[2][1:] = ["None", "NA", "nan", "null"]  # pandas 1.3, which made the published tags, keeps the first of these
    rows[3][1:] = ["", "", "", "A, ,B"]
    write(folder / "attributions" / ATTRIBUTIONS, table([["path", "Genre", "Style", "Media", "tag"], *rows]))
    found = Prepared(folder.parent)
    tags = [(found.tags[p.key]["tags"], found.tags[p.key]["query_tags"]) for p in paintings[:5]]
    assert tags == [
        ("portrait,artnouveau,oil,canvas,ferdinand,whitehorse", "ferdid,whitehorse,oil,canvas,portrait,artnouveau"),
        ("abstract", ",abstract,"),
        ("none", ",none,"),
        ("a,b", "a,b,,"),
        ("", ",,"),
    ]


def test_without_that_table_tags_are_genre_style_and_artist(folder):
    paintings = write_wikiart(folder, attributions=False, **FEW)
    found = Prepared(folder.parent)
    assert found.report["tags"] == "genre, style and artist, as there is no wikiart_attributions.csv"
    assert found.report["test queries"] == "will not be the paper's"
    assert found.tags[paintings[5].key]["tags"] == "color_field_painting,painter-6"  # no known genre
    assert found.tags[paintings[0].key]["query_tags"] == "abstract,art_nouveau_modern"  # no known artist


def test_a_row_that_the_attributions_lack_has_no_tags_and_is_named(folder):
    paintings = write_wikiart(folder, **FEW)
    text = attribution_table(paintings, np.random.default_rng(0))
    rows = [row for row in csv.reader(io.StringIO(text)) if row[0] != paintings[4].key]
    rows = [[row[0].replace(MISENCODED, "joaqu#U00e3#U00adn-sorolla"), *row[1:]] for row in rows]
    write(folder / "attributes" / ATTRIBUTIONS, table(rows))
    found = Prepared(folder.parent)
    assert found.tags[paintings[4].key]["query_tags"] == ",,"
    assert found.tags[paintings[13].key]["tags"]
    assert found.report["repaired"] == {
        "not in wikiart_attributions.csv, taken as without tags": {"count": 1, "examples": [paintings[4].key]},
        "spelled differently in wikiart_attributions.csv": {"count": 1, "examples": [paintings[13].key]},
    }


SPELLINGS = {
    "escaped": lambda key: key.replace("ã\u00ad", "#U00e3#U00ad"),
    "right": lambda key: key.replace("ã\u00ad", "í"),
    "decomposed": lambda key: key.replace("ã\u00ad", unicodedata.normalize("NFD", "í")),
    "Latin-1": lambda key: key.replace("ã\u00ad", "\udced"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_images_under_another_spelling_are_found(folder, spelling):
    paintings = write_wikiart(folder, on_disk=SPELLINGS[spelling], **FEW)
    found = Prepared(folder.parent)
    assert found.labels().keys() == {p.key for p in paintings}  # what A1 makes is called as in the list
    assert all((found.images / key).is_file() for key in found.labels())
    examples = found.report["repaired"]["image file spelled differently than in the list"]["examples"]
    assert examples == [paintings[13].key]


@pytest.mark.parametrize("spelling", ["escaped", "right", "decomposed"])
def test_images_that_are_left_alone_keep_their_spelling(folder, spelling):
    respelled = SPELLINGS[spelling]
    paintings = write_wikiart(folder, home="images", on_disk=respelled, **FEW)
    found = Prepared(folder.parent)
    assert found.labels().keys() == {respelled(p.key) for p in paintings}
    assert found.tags[respelled(paintings[13].key)]["tags"]
    assert found.report["repaired"]["image file spelled differently than in the list"]["count"] == 1


def test_a_file_name_that_is_no_text_is_replaced_by_the_listed_one(folder):
    paintings = write_wikiart(folder, home="images", on_disk=SPELLINGS["Latin-1"], **FEW)
    found = Prepared(folder.parent)
    assert found.labels().keys() == {p.key for p in paintings}
    assert (found.images / paintings[13].key).is_file()


def test_images_are_made_from_images_raw_and_left_alone_without_it(folder):
    paintings = write_wikiart(folder, images=10, styles=1, genres=1, size=(700, 500))
    found = Prepared(folder.parent)
    assert Image.open(found.images / paintings[0].key).size == (358, 256)
    assert found.report["image files"] == "from images_raw, short side 256 pixels"
    made = {p.key: (found.images / p.key).stat().st_mtime_ns for p in paintings}
    Prepared(folder.parent, "--overwrite")
    assert made == {p.key: (found.images / p.key).stat().st_mtime_ns for p in paintings}


@pytest.mark.parametrize("form", ["wclasses", "parquet"])
def test_small_images_are_copied_unless_they_are_to_be_as_published(form, folder):
    write_wikiart(folder, form, **FEW, size=(40, 30))
    copied = Prepared(folder.parent)
    first = copied.images / copied.keys("train")[0]
    with Image.open(first) as image:
        assert image.quantization[0][0] > 1  # not quality 100
    if form == "wclasses":
        assert first.read_bytes() == (folder / "images_raw" / copied.keys("train")[0]).read_bytes()
    with pytest.raises(StaleError, match="as_published"):
        Prepared(folder.parent, "--as_published", "True")
    shutil.rmtree(copied.images)
    Prepared(folder.parent, "--as_published", "True", "--overwrite", "True")
    with Image.open(first) as image:
        assert set(image.quantization[0]) == {1}


def test_images_without_images_raw_are_left_as_they_are(folder):
    paintings = write_wikiart(folder, images=10, styles=1, genres=1, size=(700, 500), home="images")
    before = {p.key: (folder / "images" / p.key).read_bytes() for p in paintings}
    found = Prepared(folder.parent)
    assert before == {p.key: (found.images / p.key).read_bytes() for p in paintings}
    assert "as they are" in found.report["image files"]


@pytest.mark.parametrize("home", ["images_raw", "images"])
def test_rows_without_a_usable_image_leave_the_published_split(folder, home):
    paintings = write_wikiart(folder, home=home, **FEW)
    full = [p.key for p in paintings]
    np.random.seed(777)
    np.random.shuffle(full)
    lost = {full[3], full[50]}
    for key in lost:
        (folder / home / key).unlink()
    if home == "images_raw":
        (folder / home / full[20]).write_bytes(b"no image")
        lost.add(full[20])
    found = Prepared(folder.parent)
    assert found.keys("train") == [key for key in full[:48] if key not in lost]
    assert found.keys("test") == [key for key in full[48:] if key not in lost]
    assert set(found.report["dropped"]["missing image"]["examples"]) == {full[3], full[50]}
    assert found.report["dropped"].get("unreadable image", {}).get("examples", []) == [full[20]] * (len(lost) - 2)


def test_an_image_listed_twice_is_counted_once_and_moves_no_other(folder):
    paintings = write_wikiart(folder, **FEW)
    file = folder / "attributes" / "wclasses.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:8], lines[5], *lines[8:]]))
    order = [p.key for p in paintings]
    order.insert(7, "again")
    np.random.seed(777)
    np.random.shuffle(order)
    found = Prepared(folder.parent)
    assert found.keys("train") == [key for key in order[:48] if key != "again"]
    assert found.keys("test") == [key for key in order[48:] if key != "again"]
    assert found.report["dropped"]["image listed before"]["examples"] == [paintings[4].key]


def test_the_artgan_release_counts_what_it_lists_twice_or_not_at_all(folder):
    paintings = write_wikiart(folder, "artgan", **FEW)
    with (folder / "attributes" / "genre_val.csv").open("a") as file:
        file.write(f"{paintings[1].key},9\r\n")
    found = Prepared(folder.parent)
    assert found.labels()[paintings[1].key][1] == "abstract"
    report = found.report
    assert report["repaired"]["genre listed twice, took the first"]["examples"] == [p.key for p in paintings[:2]]
    assert report["images in no list of genres"] == sum(p.genre == 10 for p in paintings) > 0
    assert report["images in no list of artists"] == sum(p.artist == 0 for p in paintings)
    assert report["expected"]["style rows"] == {"expected": 81_446, "found": 60}
    assert report["expected"]["genre rows"] == {"expected": 64_995, "found": 32}


def test_the_artgan_release_names_its_artists(folder):
    write_wikiart(folder, "artgan", class_files=True, **FEW)
    found = Prepared(folder.parent)
    assert set(found.classes["artist"]) >= {"painter-no-1", "painter-no-5", "other artist"}
    assert found.classes["genre"] == ["abstract", "other genre"]


def test_a_path_with_a_comma_is_read_from_every_list(folder):
    style = style_folder(3)
    names = ["a_b,c.jpg", "a_12,13.jpg", "a_d.jpg", *(f"a_{i}.jpg" for i in range(10, 20))]
    for name in names:
        (folder / "images" / style).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / "images" / style / name)
    for part, some in (("train", names[:8]), ("val", names[8:])):
        write(folder / f"style_{part}.csv", "".join(f"{style}/{name},3\r\n" for name in some))
        write(folder / f"genre_{part}.csv", "".join(f'"{style}/{name}",2\r\n' for name in some))
        write(folder / f"artist_{part}.csv", "".join(["path,,index\r\n\r\n", *(f"{style}/{n},,7\r\n" for n in some)]))
    assert Prepared(folder.parent).labels() == {f"{style}/{name}": ("a", "genre painting", style) for name in names}


def test_artists_are_named_after_the_beginning_of_their_files():
    keys = ["A/ann_x.jpg", "B/ann_y.jpg", "B/bob_ann.jpg", "A/cy_1.jpg", "A/cy_2.jpg", "A/dan_1.jpg", "A/eve_2.jpg"]
    names = wikiart_labels.artist_names(np.array([5, 5, 5, 7, 8, 12, 12]), keys)
    assert names == {5: "ann", 7: "artist 007", 8: "artist 008", 12: "artist 012"}


def test_a_style_id_that_contradicts_the_folder_is_reported(folder):
    paintings = write_wikiart(folder, **FEW)
    file = folder / "attributes" / "wclasses.csv"
    first = paintings[0]
    file.write_text(file.read_text().replace(f"{first.key},0,129,143", f"{first.key},0,129,144"))
    found = Prepared(folder.parent)
    assert found.labels()[first.key][2] == "Art_Nouveau_Modern"
    assert found.report["repaired"]["style id of another style than the folder's, took the folder's"]["count"] == 1


@pytest.mark.parametrize("text", [".", "attributes", "attributions"])
@pytest.mark.parametrize("home", ["images_raw", "images", "wikiart", "."])
def test_files_are_found_in_every_place(folder, text, home):
    paintings = write_wikiart(folder, images=12, styles=2, genres=1, text=text, home=home)
    assert Prepared(folder.parent).labels().keys() == {p.key for p in paintings}


def test_lists_without_images_give_way_to_parquet_files_for_good(folder):
    write_wikiart(folder, home="", **FEW)
    write_wikiart(folder, "parquet", **FEW)
    assert Prepared(folder.parent).report["form"] == "2 Parquet files"
    assert Prepared(folder.parent, "--overwrite").report["form"] == "2 Parquet files"


def test_parquet_images_are_written_once_and_lost_ones_again(folder):
    write_wikiart(folder, "parquet", **FEW)
    found = Prepared(folder.parent)
    images = sorted(found.images.rglob("*.jpg"))
    contents = {path: path.read_bytes() for path in images}
    images[0].unlink()
    images[1].write_bytes(b"finished, and not looked at")
    Prepared(folder.parent, "--overwrite")
    assert images[0].read_bytes() == contents[images[0]]
    assert images[1].read_bytes() == b"finished, and not looked at"


def rewritten(file, change):
    import pyarrow.parquet as pq

    pq.write_table(change(pq.read_table(file)), file)


def test_a_parquet_row_without_an_image_is_dropped(folder):
    import pyarrow as pa

    def without(content):
        column = content.column("image").to_pylist()
        column[2], column[3] = None, {"bytes": None, "path": "x.jpg"}
        return content.set_column(0, "image", pa.array(column, content.schema.field("image").type))

    write_wikiart(folder, "parquet", **FEW)
    rewritten(folder / "parquet" / "data" / "train-00001-of-00002.parquet", without)
    found = Prepared(folder.parent)
    examples = found.report["dropped"]["unreadable image"]["examples"]
    assert examples == [f"{style_folder(3 + row % 3)}/{row}.jpg" for row in (32, 33)]
    assert len(found.labels()) == 58


def damage_parquet(folder, what):
    import pyarrow as pa

    file = folder / "parquet" / "data" / "train-00001-of-00002.parquet"
    if what == "missing":
        file.unlink()
    elif what == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    elif what == "nameless":
        rewritten(file, lambda content: content.replace_schema_metadata({}))
    elif what == "column":
        rewritten(file, lambda content: content.drop_columns(["genre"]))
    else:
        ids = pa.array([{"large id": 99, "small id": -1, "no id": None}[what]] * 30, pa.int64())
        rewritten(file, lambda content: content.set_column(2, "genre", ids))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", r"1 of 2 Parquet files are missing in .*, such as train-00001-of-00002\.parquet: get them"),
        ("truncated", r"train-00001-of-00002\.parquet cannot be read"),
        ("nameless", r"does not name the classes"),
        ("column", r"has the columns image, artist, style, expected image, artist, genre, style"),
        ("large id", r"has the genre 99, expected 0 to 10"),
        ("small id", r"has the genre -1, expected 0 to 10"),
        ("no id", r"has the genre -1, expected 0 to 10"),
    ],
)
def test_damaged_parquet_files_are_named(folder, what, message):
    write_wikiart(folder, "parquet", **FEW)
    damage_parquet(folder, what)
    with pytest.raises(UserError, match=message):
        prepare(folder.parent)


def test_a_folder_without_wikiart_is_said_to_be_so(folder):
    for write_something in (
        lambda: None,
        lambda: folder.mkdir(exist_ok=True),
        lambda: write(folder / "images.txt", "1 x"),
    ):
        write_something()
        with pytest.raises(MissingError) as caught:
            prepare(folder.parent)
        message = str(caught.value)
        assert "\n" not in message
        for part in (str(folder), "wclasses.csv", "attributes", "https://huggingface.co/datasets/huggan/wikiart"):
            assert part in message


def test_lists_without_a_single_image_are_refused(folder):
    write_wikiart(folder, home="", **FEW)
    with pytest.raises(
        MissingError, match=r"none of the 60 images, such as Art_Nouveau_Modern/unknown-0_untitled\.jpg"
    ):
        prepare(folder.parent)


@pytest.mark.parametrize(
    ("form", "file", "content", "message"),
    [
        ("wclasses", "wclasses.csv", "file,artist,genre,style\n", "lists no image"),
        ("wclasses", "wclasses.csv", "file,artist,genre\nA/b.jpg,0,129\n", "cannot be read"),
        ("wclasses", "wclasses.csv", "f,a,g,s\nA/b.jpg,0,129,x\n", "cannot be read"),
        ("wclasses", "wclasses.csv", "f,a,g,s\nA/b.jpg,0,3,140\n", "the genre id 3, expected 129 to 139"),
        ("wclasses", "wclasses.csv", "f,a,g,s\nA/b.jpg,129,129,140\n", "the artist id 129, expected 0 to 128"),
        ("wclasses", "wclasses.csv", "f,a,g,s\nb.jpg,0,129,140\n", r"lists 'b\.jpg', expected <style>/<file>"),
        ("wclasses", "wikiart_attributions.csv", "path,Genre,Style\nA/b.jpg,,\n", "there is no media"),
        ("wclasses", "wikiart_attributions.csv", "path,Genre,Style,Media,tag\nA/b.jpg,,,,\n", r"but A/b\.jpg: put"),
        ("class_data", "class_data.json", '[["A/b.jpg", [0, 129]]]', "cannot be read"),
        ("class_data", "class_data.json", '{"A/b.jpg": 1}', "cannot be read"),
        ("artgan", "genre_val.csv", "Baroque/x.jpg,abstract\r\n", r"the line 'Baroque/x\.jpg,abstract'"),
        (
            "artgan",
            "genre_val.csv",
            "Baroque/x.jpg,10\r\nBaroque/y.jpg,11\r\n",
            r"lists Baroque/y\.jpg with the genre 11",
        ),
    ],
)
def test_lists_that_are_not_what_they_should_be_are_named(folder, form, file, content, message):
    write_wikiart(folder, form, **FEW)
    write(folder / "attributes" / file, content)
    with pytest.raises(DataError, match=message) as caught:
        prepare(folder.parent)
    assert str(folder / "attributes" / file).rpartition("/")[0] in str(caught.value)
    assert "\n" not in str(caught.value).strip()


def test_part_of_the_artgan_lists_is_not_enough(folder):
    write_wikiart(folder, "artgan", **FEW)
    (folder / "attributes" / "genre_val.csv").unlink()
    with pytest.raises(MissingError, match=r"no genre_val\.csv in"):
        prepare(folder.parent)


def test_checking_writes_nothing_but_its_report(folder):
    write_wikiart(folder, **FEW)
    next(path for path in (folder / "images_raw").rglob("*.jpg")).unlink()
    before = sorted(folder.rglob("*"))
    prepare(folder.parent, "--check_only")
    home = folder / "attributions"
    assert set(folder.rglob("*")) == {*before, home, home / "check.json"}
    checked = json.loads((home / "check.json").read_text())
    prepare(folder.parent)
    assert json.loads((home / "report.json").read_text())["splits"] == checked["splits"]


def test_the_registry_knows_wikiart(tmp_path):
    entry = registry.find("wikiart", tmp_path)
    assert entry.attributes_of(entry.default_category_type) == ("style", "genre")
    assert entry.attributes_of("style") == ("style",)
    assert entry.empty_tags is registry.EmptyTags.IN_GENERATION
    assert (entry.encoder_model, entry.num_epoch, entry.lr, entry.inverse_lambda) == ("convnext_base", 30, 0.01, 1.1)


def test_labels_stand_in_the_order_of_the_ids():
    assert [style_folder(style) for style in range(len(STYLES))] == list(wikiart_labels.STYLES)
    assert [genre_label(genre) for genre in range(len(GENRES) + 1)] == list(wikiart_labels.GENRES)


@pytest.mark.parametrize("form", ["wclasses", "parquet"])
def test_a_folder_of_the_builder_gives_1000_queries_a_task(folder, form):
    write_wikiart(folder, form)
    found = Prepared(folder.parent)
    script("A2")(["--dataset_name", "wikiart", "--data_root", str(folder.parent)])
    for task in ("style", "style-genre"):
        file = found.images.parent / "attributions" / f"query_{task}_wikiart_test_random.json"
        assert len(json.loads(file.read_text())["queries"]) == 1000


def test_placeholders_are_tags_as_published_alone(folder):
    paintings = write_wikiart(folder, attributions=False, **FEW)
    found = Prepared(folder.parent, "--as_published")
    assert found.tags[paintings[5].key]["tags"] == "othergenre,color_field_painting,painter-6"


def test_lists_are_counted_before_there_is_an_image(folder):
    write_wikiart(folder, attributions=False, **FEW)
    shutil.rmtree(folder / "images", ignore_errors=True)
    shutil.rmtree(folder / "images_raw", ignore_errors=True)
    prepare(folder.parent, "--check_only")
    content = json.loads((folder / "attributions" / "check.json").read_text())
    assert content["images"] == FEW["images"]
    assert content["WARNING: counts are of the lists"].startswith(f"none of the {FEW['images']} images")
    with pytest.raises(MissingError, match=r"none of the \d+ images"):
        prepare(folder.parent)


@pytest.mark.parametrize("place", ["WikiArt Dataset", "ArtGAN/WikiArt Dataset", "."])
def test_lists_where_a_checkout_has_them(folder, place):
    write_wikiart(folder, form="artgan", **FEW)
    moved = 0
    for file in [*folder.rglob("*_train.csv"), *folder.rglob("*_val.csv"), *folder.rglob("*_class.txt")]:
        task = file.name.partition("_")[0]
        target = folder / place / task.capitalize() / (file.stem if task == "artist" else file.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
        moved += 1
    assert moved >= 6
    prepare(folder.parent, "--check_only")
    content = json.loads((folder / "attributions" / "check.json").read_text())
    assert content["form"] == "the ArtGAN release"
    assert content["images"] == FEW["images"]
