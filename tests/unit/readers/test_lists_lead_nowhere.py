"""A line of a published list may not lead out of the data set's folder; the folder itself may lie anywhere."""

import csv
import io
import json

import pytest
from raw_apy import write_apy
from raw_cub import write_cub
from raw_wikiart import write_wikiart
from scripts_by_name import script

from backward_search.errors import DataError
from backward_search.storage.paths import DataPaths

CUB = {"classes": 3, "images_per_class": 10, "attributes": 40}
APY = {"classes": 2, "train": 24, "test": 12}
WIKIART = {"images": 60, "styles": 3, "genres": 2}


def prepare(name, root, *words):
    return script(f"A1.Data-Preprocessing-{name}")(["--data_root", str(root), *words])


def refused(name, root, what, *words):
    before = sorted(root.parent.rglob("*"))
    with pytest.raises(DataError, match=what) as refusal:
        prepare(name, root, *words)
    assert "\n" not in str(refusal.value)
    written = [file for file in root.parent.rglob("*") if file not in before]
    assert all("attributions" in file.parts or file.name == "run.log" for file in written)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "deep" / "data"


@pytest.mark.parametrize("path", ["../evil.jpg", "..\\..\\evil/x.jpg", "../../../evil.jpg", "/evil.jpg", "C:/evil.jpg"])
def test_of_cub(path, root):
    write_cub(root / "CUB", **CUB)
    file = next((root / "CUB").rglob("images.txt"))
    lines = file.read_text().splitlines()
    number, name = lines[2].split()
    image = next((root / "CUB").rglob(name))
    for place in (image.parents[1] / "../evil.jpg", image.parents[4] / "evil.jpg"):
        place.write_bytes(image.read_bytes())
    lines[2] = f"{number} {path}"
    file.write_text("\n".join(lines) + "\n")
    refused("CUB", root, r"images\.txt lists .*evil")


def test_images_of_cub_may_be_links(root, tmp_path):
    write_cub(root / "CUB", **CUB)
    images = next((root / "CUB").rglob("*.jpg")).parents[1]
    images.rename(tmp_path / "big-disk")
    images.symlink_to(tmp_path / "big-disk")
    image = next((tmp_path / "big-disk").rglob("*.jpg"))
    image.rename(tmp_path / "one.jpg")
    image.symlink_to(tmp_path / "one.jpg")
    prepare("CUB", root)
    assert json.loads(DataPaths.of(root, "CUB").report.read_text())["dropped"] == {}


@pytest.mark.parametrize(
    "path", ["../../outside.jpg", "pascal/../../../outside.jpg", "..\\..\\outside.jpg", "absolute"]
)
def test_of_the_photographs_of_apy(path, root):
    write_apy(root / "APY", **APY, layout="published")
    table = root / "APY" / "images_raw" / "image_label.csv"
    lines = table.read_text().splitlines()
    number, inside, label = lines[1].split(",")
    outside = root / inside.rpartition("/")[2]
    outside.write_bytes((table.parent / inside).read_bytes())
    path = str(outside) if path == "absolute" else path.replace("outside.jpg", outside.name)
    table.write_text("\n".join([lines[0], f"{number},{path},{label}", *lines[2:]]) + "\n")
    refused("APY", root, r"image_label\.csv lists .*2008")


@pytest.mark.parametrize("label", ["../../../../evil", "/evil", "..\\..\\evil", "a:b", "x" * 300, "nul\0"])
def test_of_the_labels_of_apy_which_name_files(label, root):
    file = write_apy(root / "APY", **APY) / "apascal_train.txt"
    lines = file.read_text().splitlines()
    name, _, rest = lines[1].split(" ", 2)
    file.write_text("\n".join([lines[0], f"{name} {label} {rest}", *lines[2:]]) + "\n")
    refused("APY", root, "apascal_train.txt line 2 .*cannot name a file")


@pytest.mark.parametrize("form", ["wclasses", "class_data", "artgan"])
@pytest.mark.parametrize("path", ["../evil.jpg", "a/../../evil.jpg", "/etc/Rococo/x.jpg", "..\\..\\e\\evil.jpg"])
def test_of_wikiart(path, form, root):
    write_wikiart(root / "wikiart", form, **WIKIART)
    file = next(
        file
        for name in ("wclasses.csv", "class_data.json", "style_train.csv", "style_train")
        for file in sorted((root / "wikiart").rglob(name))
    )
    text = file.read_text(encoding="utf-8")
    if form == "class_data":
        content = json.loads(text)
        content[1][0] = path
        text = json.dumps(content)
    else:
        rows = list(csv.reader(io.StringIO(text)))
        rows[1][0] = path
        text = "\n".join(",".join(row) for row in rows) + "\n"
    file.write_text(text, encoding="utf-8")
    refused("wikiart", root, "lists .*x.jpg|lists .*evil", "--n_workers", "0")
