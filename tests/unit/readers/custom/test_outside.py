"""A source may not reach outside of its folder, neither to read an image nor to write one."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scripts_by_name import script

from backward_search.errors import DataError, UserError
from backward_search.storage.naming import folded, storable
from backward_search.storage.paths import DataPaths

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

STYLES = ["old", "new"] * 4
ALLOWED = ("--allow_outside", "True")
LONG = "n" * 300


def prepare(root, source, *words, name="mine"):
    return script("A1.Data-Preprocessing-custom")(
        ["--dataset_name", name, "--source", str(source), "--data_root", str(root), "--n_workers", "1", *words]
    )


def report(root):
    return json.loads(DataPaths.of(root, "mine").report.read_text())


def draw(file, colour=0):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (colour, 0, 0)).save(file)
    return file


def everything(folder):
    """What lies in a folder, and what the files hold."""
    return {file: file.read_bytes() if file.is_file() else None for file in sorted(folder.rglob("*"))}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "deep" / "data-root"


@pytest.fixture
def secret(tmp_path):
    return draw(tmp_path / "secret" / "photo.png", 200)


@pytest.fixture
def source(tmp_path, secret):
    """A folder of eight images beside that of the secret."""
    for number in range(8):
        draw(tmp_path / "mine" / "pictures" / f"{number}.png", number)
    return tmp_path / "mine"


def rows(source, **wrong):
    """The paths of the eight images, some of them others."""
    paths = [f"pictures/{number}.png" for number in range(8)]
    for number, path in wrong.items():
        paths[int(number.strip("_"))] = path
    return paths


def csv(source, paths, **columns):
    file = source / "table.csv"
    pd.DataFrame({"path": paths, "style": STYLES[: len(paths)], **columns}).to_csv(file, index=False)
    return file


def refused(root, source, *words):
    """The one line that a source is refused by; nothing has been written."""
    with pytest.raises(UserError) as refusal:
        prepare(root, source, *words)
    assert "\n" not in str(refusal.value)
    assert not list(root.rglob("*.png"))
    return str(refusal.value)


def test_a_row_that_climbs_out_is_refused_by_the_first_and_the_number(source, root, secret):
    table = csv(source, rows(source, _2="../secret/photo.png", _5=str(secret)))
    said = refused(root, table)
    assert "2 of 8 images" in said
    assert "'../secret/photo.png'" in said
    assert "--allow_outside True" in said
    assert "1 of 8 images" in refused(root, csv(source, rows(source, _2="pictures/../../secret/photo.png")))
    assert "'/" in refused(root, csv(source, rows(source, _2=str(secret))))
    assert "1 of 8" in refused(root, csv(source, rows(source, _2=secret.as_uri())))
    assert "1 of 8" in refused(root, csv(source, rows(source, _2="..\\SECRET\\Photo.png")))
    assert "1 of 8" in refused(root, csv(source, rows(source, _2="%2e%2e/secret/photo.png")))
    assert refused(root, table, "--check_only")


def test_outside_is_read_where_it_is_allowed_and_leaves_no_trace_in_the_settings(source, root, secret):
    table = csv(source, rows(source, _2="../secret/photo.png"))
    prepare(root, table, *ALLOWED)
    assert report(root)["images outside of the source's folder (--allow_outside)"] == "1"
    settings = json.loads(DataPaths.of(root, "mine").manifest("A1").read_text())
    assert "allow_outside" not in json.dumps(settings)
    prepare(root, csv(source, rows(source)), "--overwrite")
    assert "images outside of the source's folder (--allow_outside)" not in report(root)
    prepare(root, csv(source, rows(source)), *ALLOWED)  # or it would be stale


def test_paths_that_stay_inside_are_fine(source, root):
    absolute = str(source / "pictures" / "2.png")
    paths = rows(source, _1="../mine/pictures/1.png", _2=absolute, _3="pictures/../pictures/3.png")
    (source / "again").symlink_to(source / "pictures")
    (source / "pictures" / "link.png").symlink_to("4.png")
    paths[5], paths[4] = "again/5.png", "pictures/link.png"
    prepare(root, csv(source, paths))
    assert report(root)["dropped"] == {}


def test_a_link_of_the_table_s_folder_that_leads_out_is_refused(source, root, secret):
    (source / "pictures" / "9.png").symlink_to(secret)
    assert "'pictures/9.png'" in refused(root, csv(source, rows(source, _0="pictures/9.png")))
    (source / "away").symlink_to(secret.parent)
    assert "'away/photo.png'" in refused(root, csv(source, rows(source, _0="away/photo.png")))
    (source / "chain").symlink_to("away")
    assert "'chain/photo.png'" in refused(root, csv(source, rows(source, _0="chain/photo.png")))
    prepare(root, csv(source, rows(source, _0="chain/photo.png")), *ALLOWED)


def test_a_template_is_no_way_out(source, root):
    ids = [f"pictures/{number}" for number in range(7)] + ["../secret/photo"]
    table = csv(source, ids).rename(source / "ids.csv")
    table.write_text(table.read_text().replace("path", "id"))
    assert "'../secret/photo.png'" in refused(root, table, "--path_template", "{id}.png")
    assert refused(root, table, "--path_template", "../mine/{id}.png", "--label_columns", "style")
    prepare(root, table, "--path_template", "{id}.png", "--label_columns", "style", *ALLOWED)


def parquet(file, images, kind=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    kind = kind or pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(images, kind), "style": STYLES[: len(images)]})
    if file.suffix == ".arrow":
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    else:
        pq.write_table(table, file)
    return file


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_a_record_of_bytes_and_path_is_no_way_out(ending, source, root, secret):
    images = [{"bytes": None, "path": path} for path in rows(source, _3="../secret/photo.png", _4=str(secret))]
    file = parquet(source / f"some{ending}", images)
    said = refused(root, file)
    assert "2 of 8 images" in said
    assert "row 3" in said
    prepare(root, file, *ALLOWED)
    inside = (source / "pictures" / "0.png").read_bytes()
    images[3] = {"bytes": inside, "path": "../secret/photo.png"}  # whose bytes count, as the hub has it
    images[4] = {"bytes": inside, "path": None}
    prepare(root, parquet(source / f"some{ending}", images), "--overwrite")


def test_a_path_of_a_record_may_be_anything(source, root):
    paths = rows(source, _1="a\0b", _2=LONG, _3="pictures", _4="no/such.png")
    prepare(root, parquet(source / "some.parquet", [{"bytes": None, "path": path} for path in paths]))
    assert {reason: each["count"] for reason, each in report(root)["dropped"].items()} == {
        "missing image": 3,
        "unreadable image": 1,
    }


def test_a_shard_begins_at_its_own_folder_and_ends_at_the_source_s(source, root, secret):
    images = [{"bytes": None, "path": f"../{path}"} for path in rows(source)]
    parquet(source / "data" / "train.parquet", images[:4])
    parquet(source / "data" / "test.parquet", images[4:])
    for file in (source / "pictures").iterdir():
        file.rename(file.with_suffix(".bin"))
    images = [{"bytes": None, "path": image["path"].replace("png", "bin")} for image in images]
    parquet(source / "data" / "train.parquet", images[:4])
    parquet(source / "data" / "test.parquet", images[4:])
    prepare(root, source)
    (source / "data" / "train.parquet").rename(secret.parent / "train.parquet")
    (source / "data" / "train.parquet").symlink_to(secret.parent / "train.parquet")
    with pytest.raises(DataError, match=r"1 of 2 files.*data/train\.parquet.*--allow_outside True"):
        prepare(root, source)


@pytest.fixture
def classes(tmp_path, secret):
    """Class folders."""
    for number in range(8):
        draw(tmp_path / "own" / STYLES[number] / f"{number}.png", number)
    return tmp_path / "own"


def test_links_of_a_folder_that_lead_out_are_refused(classes, root, secret):
    (classes / "old" / "x.png").symlink_to(secret)
    said = refused(root, classes)
    assert "1 of 9 images" in said
    assert "'old/x.png'" in said
    (classes / "third").symlink_to(secret.parent)
    assert "2 of 10 images" in refused(root, classes)
    prepare(root, classes, *ALLOWED)


def test_links_of_a_folder_that_stay_inside_and_a_folder_that_is_a_link_are_fine(classes, root, tmp_path):
    (classes / "old" / "x.png").symlink_to("../new/1.png")
    (tmp_path / "shortcut").symlink_to(classes)
    prepare(root, tmp_path / "shortcut")
    assert len(list((root / "mine" / "images").rglob("*.png"))) == 9


def test_vectors_beside_images_are_no_way_out(source, root, secret):
    np.save(source / "v.npy", np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32))
    table = csv(source, rows(source, _6=str(secret)))
    assert "1 of 8 images" in refused(root, table, "--vectors", str(source / "v.npy"))
    (source / "parts").mkdir()
    (source / "parts" / "0.npy").symlink_to(secret.parent / "v.npy")
    (source / "v.npy").rename(secret.parent / "v.npy")
    assert "1 of 1 files" in refused(root, csv(source, rows(source)), "--vectors", str(source / "parts"))
    prepare(root, csv(source, rows(source)), "--vectors", str(source / "parts"), *ALLOWED)


NASTY = [
    *("..", ".", "../../../evil", "/evil", "..\\..\\evil", "a/../../../../evil", "nul\0byte", LONG, "CON", "aux.png"),
    *("end.", "end ", 'a:b*c?d"e<f>g|h', ".made-from.json", "line\nbreak", "-rf", "~", "COM\u00b9", "conin$"),
]


def test_no_name_of_a_table_is_written_outside(source, root, tmp_path):
    """Labels, keys and row names of every kind of wickedness: what lies outside of the output stays as it is."""
    vectors = np.random.default_rng(0).normal(size=(2 * len(NASTY), 4)).astype(np.float32)
    images = np.random.default_rng(0).integers(0, 255, (2 * len(NASTY), 8, 8, 3), np.uint8)
    np.savez(
        source / "all.npz",
        embeddings=vectors,
        images=images,
        style=["a", "b"] * len(NASTY),
        id=[*NASTY, *(f"{name}x" for name in NASTY)],
    )
    before = everything(tmp_path)
    prepare(root, source / "all.npz", "--key_column", "id", "--label_columns", "style", "--vector_column", "embeddings")
    after = everything(tmp_path)
    assert {file: after[file] for file in before} == before
    new = set(after) - set(before) - {root, root.parent}
    assert new
    assert all(file.is_relative_to(root) and file.resolve().is_relative_to(root) for file in new)


@pytest.mark.parametrize("name", NASTY)
def test_a_label_may_be_anything_and_names_no_file(name, source, root, tmp_path):
    table = source / "table.parquet"
    labels, tags = [name, "new"] * 4, [name] * 8
    pd.DataFrame({"path": rows(source), "style": labels, "tags": tags}).to_parquet(table)
    before = everything(tmp_path)
    prepare(root, table)
    after = everything(tmp_path)
    assert {file: after[file] for file in before} == before
    assert all(file.is_relative_to(root) for file in set(after) - set(before) - {root.parent})


@pytest.mark.parametrize("name", [*(name for name in NASTY if name != "-rf"), "a/b", "Style\n", "key"])
def test_a_column_that_cannot_name_files_is_no_attribute(name, source, root):
    table = csv(source, rows(source)).rename(source / "table.parquet")
    frame = pd.DataFrame({"path": rows(source), name: STYLES})
    frame.to_parquet(table)
    assert "cannot name an attribute" in refused(root, table, "--label_columns", "")


def test_attributes_that_some_disk_takes_for_one_are_refused(source, root):
    table = csv(source, rows(source), Style=STYLES)
    assert "'style' and 'Style' differ by case alone" in refused(root, table)
    prepare(root, table, "--label_columns", "Style")


def test_images_whose_names_some_disk_takes_for_one_get_files_of_their_own(tmp_path, root):
    folder, names = (
        tmp_path / "own",
        ["a.png", "A.png", "caf\u00e9.png", "cafe\u0301.png", "who?.png", "who*.png", "nul.png"],
    )
    for number, (style, name) in enumerate((style, name) for style in ("Cat", "cat", "dog") for name in names):
        draw(folder / style / name, number)
    prepare(root, folder)
    made = list((root / "mine" / "images").rglob("*.png"))
    assert len({folded(file.relative_to(root).as_posix()) for file in made}) == 21
    assert {Image.open(file).getpixel((0, 0))[0] for file in made} == set(range(21))
    assert all(storable(part) == part for file in made for part in file.parts[-2:])


def test_the_name_of_a_data_set_of_the_package_in_another_case_is_taken(source, root):
    with pytest.raises(UserError, match="cub is a data set of the package"):
        prepare(root, csv(source, rows(source)), name="cub")
