"""One picture in many files is one picture: each variant finds the others first, whichever is in the gallery."""

import csv
import json

import numpy as np
import pytest
from PIL import ExifTags, Image
from scripts_by_name import script

from backward_search import open_run
from backward_search.errors import DataError, OptionError, StaleError


def picture(seed):
    """A grey picture on white, taller than wide, unlike any other seed's."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 6), np.uint8)).resize((36, 48), Image.Resampling.NEAREST)
    ground = Image.new("L", (48, 64), 255)
    ground.paste(coarse, (6, 8))
    return ground


def turned(image, file, **options):
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = 6
    image.convert("RGB").transpose(Image.Transpose.ROTATE_90).save(file, exif=tags, **options)


def cut_out(image, file):
    """White is what shines through; where nothing is seen, the file has black."""
    clear = np.asarray(image)
    Image.fromarray(np.stack([np.where(clear == 255, 0, clear), np.where(clear == 255, 0, 255)], -1).astype("u1")).save(
        file
    )


VARIANTS = {
    "plain.png": lambda image, file: image.save(file),
    "photo.jpg": lambda image, file: image.convert("RGB").save(file, quality=95),
    "phone.jpg": lambda image, file: turned(image, file, quality=95),
    "turned.png": turned,
    "turned.webp": lambda image, file: turned(image, file, lossless=True),
    "turned.tif": turned,
    "cut-out.png": cut_out,
    "16-bits.png": lambda image, file: Image.fromarray(np.asarray(image).astype(np.uint16) * 257).save(file),
    "32-bits.tif": lambda image, file: Image.fromarray(np.asarray(image).astype(np.int32) * 257).save(file),
    "floats.tif": lambda image, file: Image.fromarray((np.asarray(image) / 255).astype(np.float32)).save(file),
    "cmyk.tif": lambda image, file: image.convert("RGB").convert("CMYK").save(file),
    "palette.png": lambda image, file: image.convert("P").save(file),
    "no-ending": lambda image, file: image.save(file, "PNG"),
    "called.jpg": lambda image, file: image.save(file, "PNG"),
}


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """A run; its gallery has a picture for each variant, saved as that variant."""
    folder = tmp_path_factory.mktemp("variants")
    for part, first in (("train", 100), ("test", 0)):
        for number, (name, save) in enumerate(VARIANTS.items()):
            place = folder / "source" / part / ("even", "odd")[number % 2] / f"{part}-{number:02d}-{name}"
            place.parent.mkdir(parents=True, exist_ok=True)
            save(picture(first + number), place)
    roots = ["--dataset_name", "variants", "--data_root", str(folder / "data")]
    given = ["--source", str(folder / "source"), "--image_size", "32", "--augment", "False", "--n_workers", "1"]
    script("A1.Data-Preprocessing-custom")([*roots, *given])
    run = [*roots, "--weight_root", str(folder / "weight"), "--encoder_model", "small_cnn", "--num_epoch", "1"]
    run += ["--n_workers", "0", "--device", "cpu"]
    script("B1")([*run, "--batch_size", "8", "--pretrained", "False"])
    script("C1")(run)
    return run


def first_hits(options, file, output):
    asked = ["--condition", "label=odd", "--query_image", str(file), "--methods", "unchanged", "--output", str(output)]
    script("E2")([*options, *asked])
    with output.with_suffix(".csv").open(encoding="utf-8", newline="") as rows:
        return [row["hit"].split("/")[1] for row in csv.DictReader(rows)][:2]


def test_a_plain_picture_finds_the_variant_in_the_gallery(options, tmp_path):
    for number, name in enumerate(VARIANTS):
        picture(number).save(tmp_path / "query.png")
        hits = first_hits(options, tmp_path / "query.png", tmp_path / "figure.png")
        assert hits[0].startswith(f"test-{number:02d}-{name}"), name


def test_every_variant_finds_its_picture(options, tmp_path):
    number = 5
    for name, save in VARIANTS.items():
        save(picture(number), tmp_path / name)
        hits = first_hits(options, tmp_path / name, tmp_path / "figure.png")
        assert hits[0].startswith(f"test-{number:02d}-"), name


@pytest.fixture
def mixed(tmp_path):
    """A folder of pictures of any name, among other files."""
    folder = tmp_path / "mixed" / "deep"
    folder.mkdir(parents=True)
    for number, (name, save) in enumerate(VARIANTS.items()):
        save(picture(200 + number), folder / name)
    (folder / "notes.txt").write_text("no picture")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / "drawing").write_text("<svg/>")
    return folder.parent


LEFT_OUT = ("1 files that are no images (such as notes.txt)", "1 SVG drawings: export as PNG (such as drawing)")


def test_c1_takes_a_folder_by_content_and_says_what_it_leaves_out(options, mixed, caplog):
    embeddings = script("C1")([*options, "--image_folder", str(mixed)])
    (rows,) = embeddings.rglob("*folder-mixed-*.csv")
    assert rows.read_text(encoding="utf-8").splitlines()[1:] == sorted(f"deep/{name}" for name in VARIANTS)
    assert all(f"left out below {mixed}: {words}" in caplog.text for words in LEFT_OUT)
    (mixed / "page.jpg").write_text("<html>")
    again = [*options, "--image_folder", str(mixed), "--overwrite", "True"]
    with pytest.raises(DataError, match=r"page.jpg is a web page: fetch the images again"):
        script("C1")(again)
    script("C1")([*again, "--skip_unreadable", "True"])
    (unreadable,) = embeddings.rglob("*folder-mixed-*unreadable*")
    assert "page.jpg is a web page" in unreadable.read_text(encoding="utf-8")


def test_c3_takes_a_folder_by_content(options, mixed, caplog):
    script("C3")([*options, "--add", str(mixed)])
    assert f"added {len(VARIANTS)} images" in caplog.text
    assert all(words in caplog.text for words in LEFT_OUT)


def test_one_limit_of_size_at_every_entry(options, tmp_path):
    (tmp_path / "scans" / "a").mkdir(parents=True)
    scan = tmp_path / "scans" / "a" / "scan.png"
    picture(1).resize((100, 100)).save(scan)
    less, enough = ["--max_pixels", "9999"], ["--max_pixels", "10000"]
    words = r"scan.png has 100 x 100 pixels: the most is --max_pixels 9999, pass more, or make it smaller"
    asked = ["--condition", "label=odd", "--query_image", str(scan), "--methods", "unchanged"]
    figure = ["--output", str(tmp_path / "figure.png")]
    for name, more in (("C1", ["--image_folder", str(scan.parent)]), ("C3", ["--add", str(scan.parent)])):
        with pytest.raises(DataError, match=words):
            script(name)([*options, *more, *less])
        script(name)([*options, *more, *enough])
    with pytest.raises(OptionError, match=words):
        script("E2")([*options, *asked, *figure, *less])
    script("E2")([*options, *asked, *figure, *enough])
    named = dict(zip(options[::2], options[1::2], strict=True))
    roots = {"data_root": named["--data_root"], "weight_root": named["--weight_root"], "device": "cpu"}
    assert open_run("variants", **roots, max_pixels=10000).embed([scan]).shape[0] == 1
    with pytest.raises(DataError, match=words):
        open_run("variants", **roots, max_pixels=9999).embed([scan])


def test_a_query_image_that_is_none_is_named_with_what_to_do(options, tmp_path):
    for name, content, words in (
        ("a.heic", b"\0\0\0\x18ftypheic", "a.heic is a HEIC picture: pip install pillow-heif"),
        ("b.jpg", b"whatever", r"b.jpg cannot be read \(.+\)"),
        ("c.jpg", None, "c.jpg does not exist"),
    ):
        if content:
            (tmp_path / name).write_bytes(content)
        asked = ["--condition", "label=odd", "--query_image", str(tmp_path / name), "--methods", "unchanged"]
        with pytest.raises(OptionError, match=rf"--query_image .*: image .*{words}$"):
            script("E2")([*options, *asked])


def test_the_background_of_a_set_is_that_of_its_runs(tmp_path):
    for number in range(12):
        place = tmp_path / "source" / ("even", "odd")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        cut_out(picture(number), place)
    roots = ["--dataset_name", "dark", "--data_root", str(tmp_path / "data")]
    given = ["--source", str(tmp_path / "source"), "--image_size", "32", "--augment", "False", "--n_workers", "1"]
    script("A1.Data-Preprocessing-custom")([*roots, *given])
    with pytest.raises(StaleError, match="background"):
        script("A1.Data-Preprocessing-custom")([*roots, *given, "--background", "black"])
    script("A1.Data-Preprocessing-custom")([*roots, *given, "--background", "black", "--overwrite", "True"])
    made = tmp_path / "data" / "dark" / "images" / "even" / "0.png"
    assert Image.open(made).getpixel((0, 0)) == (0, 0, 0)
    run = [*roots, "--weight_root", str(tmp_path / "weight"), "--encoder_model", "small_cnn", "--num_epoch", "1"]
    run += ["--n_workers", "0", "--device", "cpu"]
    script("B1")([*run, "--batch_size", "8", "--pretrained", "False"])
    script("C1")(run)
    named = {"data_root": str(tmp_path / "data"), "weight_root": str(tmp_path / "weight"), "device": "cpu"}
    embedded = open_run("dark", **named).embed([made, tmp_path / "source" / "even" / "0.png"])
    assert (embedded[0] - embedded[1]).abs().max() < 1e-6
    assert json.loads((made.parents[2] / "attributions" / "manifest-A1.json").read_text())["settings"]["background"]
