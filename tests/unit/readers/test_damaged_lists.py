"""Lists and tables of others that fuzzing found to end in something else than one line."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from raw_wikiart import GENRES, write_wikiart

from backward_search.data.report import Findings
from backward_search.errors import DataError, UserError
from backward_search.readers.columnar import opened_columnar
from backward_search.readers.cub.lists import read_numbered
from backward_search.readers.custom.forms import read_listing
from backward_search.readers.custom.listing import Reading, Roles
from backward_search.readers.custom.source import Split, source
from backward_search.readers.wikiart.forms import find_lists
from backward_search.readers.wikiart.parquet import image_jobs, read_rows
from backward_search.readers.wikiart.wclasses import read_class_data
from backward_search.storage.paths import DataPaths

LARGE = "9" * 5000


@pytest.mark.parametrize("number", [LARGE, "9" * 19])
def test_numbers_of_more_digits_than_python_or_arrays_take(number, tmp_path):
    (tmp_path / "images.txt").write_text(f"1 a/b.jpg\n{number} a/c.jpg\n")
    with pytest.raises(DataError, match=r"line 2 is .* expected a new number"):
        read_numbered(tmp_path / "images.txt")


@pytest.mark.parametrize("name", ["style_train.csv", "genre_class.txt"])
def test_the_same_in_the_artgan_release(name, tmp_path):
    write_wikiart(tmp_path, "artgan", images=6, home="", class_files=True)
    file = tmp_path / "attributes" / name
    line = f"{LARGE} {GENRES[0]}\n" if name.endswith(".txt") else f"Baroque/a.jpg,{LARGE}\n"
    file.write_text(file.read_text() + line)
    form = find_lists(tmp_path)
    with pytest.raises(DataError, match=name):
        form.read(Findings())


@pytest.mark.parametrize("number", ["1e999", "9" * 30])
def test_the_same_in_class_data(number, tmp_path):
    file = tmp_path / "class_data.json"
    file.write_text(f'[["Baroque/a.jpg", [0, 129, {number}]]]')
    with pytest.raises(DataError, match="cannot be read"):
        read_class_data(file, Findings())


def bad_text(count=4):
    """A column of texts that are no UTF-8, as Arrow takes it without looking."""
    offsets = pa.array(range(count + 1), pa.int32()).buffers()[1]
    return pa.StringArray.from_buffers(count, offsets, pa.py_buffer(b"\xff" * count))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_text_in_columns_that_is_no_text(suffix, tmp_path):
    file, table = tmp_path / f"table{suffix}", pa.table({"label": bad_text()})
    if suffix == ".parquet":
        pq.write_table(table, file)
    else:
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(DataError, match="replace it"), opened_columnar(file, "replace it") as opened:
        opened.read(columns=["label"]).column("label").to_pylist()


def test_offsets_of_an_arrow_file_that_lead_out_of_it(tmp_path):
    file, table = tmp_path / "table.arrow", pa.table({"label": ["abc", "defgh"]})
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    right, wild = (b"".join(number.to_bytes(4, "little") for number in (0, end, 8)) for end in (3, 2**31 - 1))
    assert file.read_bytes().count(right) == 1
    file.write_bytes(file.read_bytes().replace(right, wild))
    with pytest.raises(DataError, match="replace it"), opened_columnar(file, "replace it") as opened:
        opened.read(columns=["label"]).column("label").to_pylist()


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("style", ["a"], "expected class ids"),
        ("artist", [b"a"], "expected class ids"),
        ("genre", [1.5], "expected class ids"),
        ("image", [3], "expected bytes"),
        ("image", [{"path": "a.jpg"}], "expected bytes"),
        ("image", [{"bytes": "text"}], "expected bytes"),
    ],
)
def test_columns_of_wikiart_of_other_types(column, values, message, tmp_path):
    write_wikiart(tmp_path, "parquet", images=6, shards=1, size=(8, 6))
    file = next(tmp_path.rglob("*.parquet"))
    table = pq.read_table(file)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, pa.array(values * len(table))), file)
    with pytest.raises(DataError, match=message):
        read_rows([file], Findings())


def test_an_image_of_wikiart_may_be_missing(tmp_path):
    write_wikiart(tmp_path, "parquet", images=6, shards=1, size=(8, 6))
    file = next(tmp_path.rglob("*.parquet"))
    table = pq.read_table(file)
    pictures = [None, *table.column("image").to_pylist()[1:]]
    kind = table.schema.field("image").type
    pq.write_table(table.set_column(0, "image", pa.array(pictures, kind)), file)
    assert len(read_rows([file], Findings()).keys) == 6
    jobs = list(image_jobs([file], {0: tmp_path / "0.jpg"}, 8))
    assert len(jobs) == 1


@pytest.mark.parametrize("path", ["img/a\0.png", "img/" + "a" * 300 + ".png", "img\0/a.png"])
def test_paths_that_no_disk_holds(path, tmp_path):
    (tmp_path / "table.csv").write_text(f"path,label\n{path},x\nb.png,y\n", encoding="utf-8-sig")
    paths = DataPaths.of(tmp_path / "data", "own")
    with pytest.raises(UserError, match="exists"):
        source(paths, tmp_path / "table.csv", Roles(), Split(0.3, 0), image_size=16, augment=False, workers=0)


@pytest.mark.parametrize("path", ["../", ".", "/", ".."])
def test_a_path_that_names_no_file_is_none(path, tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "table.csv").write_text(f"path,label\na.png,x\n{path},x\nb.png,y\n")
    listing = read_listing(tmp_path / "table.csv", Roles(), Reading())
    assert listing.left_out == {"rows without a path": ["row 1"]}
    assert listing.names == ["a.png", "b.png"]


def test_class_data_of_one_number_too_many_levels(tmp_path):
    (tmp_path / "class_data.json").write_text("[" * 5000 + "]" * 5000)
    with pytest.raises(DataError, match="is not a JSON file"):
        read_class_data(tmp_path / "class_data.json", Findings())
    (tmp_path / "class_data.json").write_text(json.dumps([["Baroque/a.jpg", [0, None, 3]]]))
    with pytest.raises(DataError, match="cannot be read"):
        read_class_data(tmp_path / "class_data.json", Findings())
