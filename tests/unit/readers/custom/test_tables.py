"""Tables as Excel, Windows, pandas and people write them."""

import unicodedata

import pytest
from PIL import Image

from backward_search.errors import DataError, OptionError
from backward_search.readers.custom.cells import cleaned
from backward_search.readers.custom.delimited import read_delimited
from backward_search.readers.custom.forms import read_listing
from backward_search.readers.custom.listing import Reading, Roles
from backward_search.readers.custom.missing import MISSING

ROWS = [("img/0.jpg", "crème"), ("img/1.jpg", "brûlée"), ("img/2.jpg", "crème")]


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        draw(tmp_path / "img" / f"{number}.jpg")
    return tmp_path


def draw(file):
    file.parent.mkdir(exist_ok=True)
    Image.new("RGB", (4, 4)).save(file)


def text(separator=",", head=("path", "kind"), rows=ROWS):
    return "\r\n".join(separator.join(row) for row in [head, *rows]) + "\r\n"


def listed(folder, content, name="table.csv", roles=None, **reading):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_listing(folder / name, roles or Roles(), Reading(**reading))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (text().encode("utf-8-sig"), "table.csv"),
        (text(";").encode("utf-8-sig"), "table.csv"),
        (text("\t").encode("utf-16"), "table.csv"),
        (text("\t").encode(), "table.tsv"),
        (text("|").encode(), "table.txt"),
        (b"sep=,\r\n" + text().encode(), "table.csv"),
        (b"sep=;\n" + text(";").encode("utf-8"), "table.csv"),
        (b'"sep=\t"\r\n' + text("\t").encode(), "table.csv"),
        (text().replace("\r\n", "\r").encode(), "table.csv"),
        (text(head=("Path", "kind")).encode(), "table.csv"),
        (text(head=("path", "kind", "", "")).encode(), "table.csv"),
        (text(rows=[(*row, "", "") for row in ROWS]).encode(), "table.csv"),
        ("path, kind\n" + "\n".join(f'"{path}", "{kind}"' for path, kind in ROWS), "table.csv"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_forms_of_one_table(folder, content, name):
    found = listed(folder, content, name)
    assert found.columns["kind"].tolist() == ["crème", "brûlée", "crème"]
    assert found.names == ["img/0.jpg", "img/1.jpg", "img/2.jpg"]
    assert not found.left_out


def test_another_encoding_is_named_or_refused(folder):
    with pytest.raises(DataError, match=r"line 2 is not in UTF-8.*--encoding cp1252"):
        listed(folder, text().encode("cp1252"))
    assert listed(folder, text().encode("cp1252"), encoding="cp1252").columns["kind"][1] == "brûlée"
    with pytest.raises(DataError, match="--encoding utf-16-le"):
        listed(folder, text().encode("utf-16-le"))
    assert listed(folder, text().encode("utf-16-le"), encoding="utf-16-le").names[0] == "img/0.jpg"
    with pytest.raises(DataError, match="--encoding klingon is unknown"):
        listed(folder, text(), encoding="klingon")


def test_a_semicolon_in_a_label_is_no_separator(folder):
    rows = [("img/0.jpg", "a; b"), ("img/1.jpg", "c; d")]
    assert listed(folder, text(rows=rows)).columns["kind"].tolist() == ["a; b", "c; d"]
    decimal = "path;kind;share\nimg/0.jpg;a;1,5\nimg/1.jpg;b;2,5\n"
    assert listed(folder, decimal).columns["share"].tolist() == ["1,5", "2,5"]


def test_a_line_with_too_many_fields_is_named_or_left_out_and_counted(folder):
    content = 'path,kind\nimg/0.jpg,"a, b"\n\nimg/1.jpg,c, d\nimg/2.jpg,e\n'
    with pytest.raises(DataError, match=r"line 4 has 3 fields, the header has 2.*--skip_malformed True"):
        listed(folder, content)
    found = listed(folder, content, skip_malformed=True)
    assert found.columns["kind"].tolist() == ["a, b", "e"]
    assert found.left_out == {"lines with too many fields": ["line 4"]}


def test_lines_are_counted_as_an_editor_does(folder):
    content = 'path,kind\nimg/0.jpg,"two\nlines"\nimg/1.jpg,c,d\n'
    with pytest.raises(DataError, match="line 4 has 3"):
        listed(folder, content)
    with pytest.raises(DataError, match="line 4 has 3"):
        listed(folder, "sep=,\npath,kind\nimg/0.jpg,a\nimg/1.jpg,c,d\n")


def test_a_line_with_too_few_fields_is_filled_and_counted(folder):
    found = listed(folder, "path,kind,tags\nimg/0.jpg,a\nimg/1.jpg,b,x\n")
    assert found.columns["tags"].tolist() == ["", "x"]
    assert found.repaired == {"lines with fewer fields than the header, the last ones are empty": ["line 2"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty: expected a header"),
        ("path,kind\n", "a header and no rows"),
        ("path,kind,kind\nimg/0.jpg,a,b\n", "two columns called kind"),
        ('path,kind\nimg/0.jpg,"a\nimg/1.jpg,b\n', "a quote on line 2 never closes"),
        ('path,kind\nimg/0.jpg,x\u2028y\nimg/1.jpg,"a\nimg/2.jpg,b\n', "a quote on line 3 never closes"),
        ("img/0.jpg,a\nimg/1.jpg,b\n", "begins with img/0.jpg, an image: put a header"),
        ("path,kind\nhttps://a.org/0.jpg,a\n", "images on the web, such as https://a.org/0.jpg: download"),
        ("path,kind\nC:\\dogs\\img\\0.jpg,a\nC:\\dogs\\img\\1.jpg,b\n", "without C:/dogs/ they name files beside"),
        ("path,kind\n0.jpg,a\n1.jpg,b\n", r"--path_template 'img/\{path\}'"),
        ("id,kind\n0,a\n1,b\n2,a\n", r"expected path: img/\{id\}.jpg names a file in 3 of 3 rows"),
        ("id,kind\n7,a\n8,b\n", "expected path: name the column"),
        (b"\x00\x01\x02", "is no table of text"),
    ],
)
def test_what_cannot_be_read_is_one_line(folder, content, message):
    with pytest.raises(DataError, match=message):
        listed(folder, content)


@pytest.mark.parametrize(
    "path",
    [
        "img\\0.jpg",
        ".\\img\\0.jpg",
        "./img/0.jpg",
        "img//0.jpg",
        " img/0.jpg ",
        "img%2F0.jpg",
        "IMG/0.JPG",
        "img/0",
        "file://{folder}/img/0.jpg",
        "{folder}/img/0.jpg",
    ],
)
def test_ways_to_write_a_path(folder, path):
    found = listed(folder, f"path,kind\n{path.format(folder=folder)},a\nimg/1.jpg,b\n")
    assert found.images.paths[0].samefile(folder / "img" / "0.jpg")
    assert not found.left_out


def test_paths_that_the_disk_spells_otherwise_are_counted_and_doubtful_ones_are_missing(folder):
    name = unicodedata.normalize("NFD", "é.jpg")
    draw(folder / "img" / name)
    found = listed(folder, "path,kind\nimg/é.jpg,a\nIMG/1.jpg,b\nimg/2.jpg,b\n")
    assert found.images.sizes.count(-1) == 0
    assert found.repaired["paths that the disk spells otherwise"] == ["img/é.jpg", "IMG/1.jpg"]
    draw(folder / "img" / "A.jpg")
    draw(folder / "img" / "a.JPG")
    found = listed(folder, "path,kind\nimg/a.jpg,a\nimg/1.jpg,b\n")
    assert found.images.sizes[0] == -1


def test_an_image_listed_twice_counts_once_whatever_its_path_looks_like(folder):
    found = listed(folder, "path,kind\nimg/0.jpg,a\n./img/0.jpg,a\nimg\\0.jpg,b\nimg/1.jpg,b\n")
    assert found.names == ["img/0.jpg", "img/1.jpg"]
    assert {reason: len(rows) for reason, rows in found.left_out.items()} == {
        "images listed twice, the first row counts": 1,
        "images listed twice with other labels, the first row counts": 1,
    }


def test_a_template_makes_the_paths(folder):
    content = "id,kind,size\n0,a,1\n1,b,1\n,b,2\n"
    found = listed(folder, content, path_template="img/{id}.jpg")
    assert found.names == ["img/0.jpg", "img/1.jpg"]
    assert list(found.columns) == ["kind", "size"]  # the ids have said what they had to say
    assert found.left_out == {"rows without a path": ["row 2"]}
    for template, message in (("img/{no}.jpg", "no column 'no'"), ("img/0.jpg", "no column in braces"), ("{", "'{'")):
        with pytest.raises(OptionError, match=message):
            listed(folder, content, path_template=template)


def test_words_for_nothing(folder):
    rows = [(f"img/{row}.jpg", word) for row, word in enumerate(("NA", "<NA>", "winter"))]
    found = listed(folder, text(rows=rows))
    assert found.columns["kind"].tolist() == ["", "", "winter"]
    assert found.facts == {"taken as missing (--missing_words)": "NA 1, <NA> 1"}
    assert listed(folder, text(rows=rows), missing_words=("<NA>",)).columns["kind"].tolist() == ["NA", "", "winter"]


def test_cells():
    import pandas as pd

    frame = pd.DataFrame(
        {
            "whole": ["3.0", "4.0", ""],
            "text": ["001", "002", "10"],
            "parts": ["3.0", "4.5", "1"],
            "words": ["é", unicodedata.normalize("NFD", "é"), " é "],
        }
    )
    found, noted = cleaned(frame, MISSING)
    assert found["whole"].tolist() == ["3", "4", ""]
    assert found["text"].tolist() == ["001", "002", "10"]
    assert found["parts"].tolist() == ["3.0", "4.5", "1"]
    assert set(found["words"]) == {"é"}
    assert noted.respelt == ["é"]


def test_a_large_table_takes_no_time(tmp_path):
    (tmp_path / "t.csv").write_text("id;kind\n" + "".join(f"{row};k{row % 7}\n" for row in range(20_000)))
    assert len(read_delimited(tmp_path / "t.csv").frame) == 20_000


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.xlsx", "export it as CSV"), ("a.zip", "unpack it"), ("a.npy", "numpy.savez"), ("a.bin", "expected one")],
)
def test_files_of_other_kinds(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=message):
        read_listing(tmp_path / name, Roles(), Reading())
