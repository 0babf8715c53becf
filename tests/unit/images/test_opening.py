"""One function opens a picture, so that a file comes out alike wherever it comes in."""

import io
import struct

import numpy as np
import pytest
from PIL import EpsImagePlugin, ExifTags, Image, ImageOps, features

from backward_search.data.opening import Opening
from backward_search.data.registry import Preprocessing
from backward_search.data.report import Findings
from backward_search.errors import DataError, TooLargeError
from backward_search.explorer.uploads import Uploads
from backward_search.images.loading import ImageRows
from backward_search.images.opening import open_picture, opened, upright_size
from backward_search.images.writing import ImageJob, make_images

SQUEEZED = Preprocessing(size=24, fit="squeeze", augment=False)


def drawn(width=36, height=24):
    """A picture that looks different from every side."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x * 7, y * 10, (x + y) * 3], axis=-1).astype(np.uint8))


def encoded(image, form="PNG", orientation=None, **options):
    tags = Image.Exif()
    if orientation:
        tags[ExifTags.Base.Orientation] = orientation
        options["exif"] = tags
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def pixels(image):
    assert image.mode == "RGB"
    return np.asarray(image)


def by_pillow(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.mark.parametrize("orientation", [None, *range(1, 10)])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "MPO", "AVIF"])
def test_a_picture_comes_out_upright_in_every_form(form, orientation, tmp_path):
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow knows no AVIF")
    more = {"save_all": True, "append_images": [drawn()]} if form == "MPO" else {}
    content = encoded(drawn(), form, orientation, **more)
    place = tmp_path / "a"
    place.write_bytes(content)
    expected = by_pillow(content)
    assert (pixels(open_picture(content)) == expected).all()
    assert (pixels(open_picture(io.BytesIO(content))) == expected).all()
    assert (pixels(open_picture(place)) == expected).all()
    assert upright_size(place) == open_picture(place).size


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK", "I;16"])
def test_every_mode_is_turned_and_becomes_rgb(mode):
    image = drawn().convert("L").convert(mode) if mode in ("LA", "I;16") else drawn().convert(mode)
    form = "TIFF" if mode == "CMYK" else "PNG"
    assert (pixels(open_picture(encoded(image, form))) == np.asarray(image.convert("RGB"))).all()
    content = encoded(image, form, 6)
    assert (pixels(open_picture(content)) == by_pillow(content)).all()


def test_a_picture_is_scaled_alike_from_every_side(tmp_path):
    large = drawn(600, 400)
    for orientation in range(1, 9):
        small = open_picture(encoded(large, "PNG", orientation), short_side=40)
        whole = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(large, "PNG", orientation))))
        assert small.size == ((60, 40) if orientation < 5 else (40, 60))
        difference = np.abs(pixels(small).astype(int) - pixels(whole.resize(small.size, Image.Resampling.LANCZOS)))
        assert difference.max() <= 1
    assert open_picture(encoded(large, "JPEG", 6), short_side=40).size == (40, 60)
    assert open_picture(encoded(large, "JPEG", 6), short_side=4000).size == (400, 600)


@pytest.mark.parametrize("orientation", [None, 3, 6])
def test_a1_the_loader_and_the_explorers_upload_see_the_same_picture(orientation, tmp_path):
    content = encoded(drawn(), "PNG", orientation)
    place = tmp_path / "given.png"
    place.write_bytes(content)
    expected = by_pillow(content)

    findings = Findings()
    sources = {"file": place, "bytes": content, "boxed": place}
    jobs = [
        ImageJob(0, name, source, tmp_path / f"{name}.png", box=(0, 0, 99, 99) if name == "boxed" else None)
        for name, source in sources.items()
    ]
    assert make_images(jobs, findings, 0) == set()
    for name in sources:
        assert (np.asarray(Image.open(tmp_path / f"{name}.png")) == expected).all()

    uploads = Uploads(tmp_path / "kept", 1)
    assert (np.asarray(Image.open(uploads.find(uploads.take(place)))) == expected).all()

    squeezed = Image.fromarray(expected).resize((24, 24), Image.Resampling.BILINEAR)
    for file in (place, tmp_path / "file.png", uploads.find(uploads.take(place))):
        assert (ImageRows([file], SQUEEZED, None)[0, 0][0] == np.asarray(squeezed)).all()


@pytest.mark.parametrize("name", ["deep.png", "floats.tif", "clear.png", "clear.webp", "cmyk.jpg", "palette.gif"])
def test_a_picture_of_any_kind_looks_the_same_to_a1_the_loader_and_an_upload(name, tmp_path):
    clear = drawn(1200, 800).convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 400, 800))
    image, options = {
        "deep.png": (Image.fromarray(np.asarray(drawn().convert("L")).astype(np.uint16) * 16), {}),
        "floats.tif": (Image.fromarray(np.asarray(drawn().convert("L")) / np.float32(7)), {}),
        "clear.png": (clear, {}),
        "clear.webp": (clear, {"lossless": True}),
        "cmyk.jpg": (drawn().convert("CMYK"), {"quality": 100}),
        "palette.gif": (clear.convert("P"), {"transparency": 0}),
    }[name]
    place, made = tmp_path / name, tmp_path / "made.png"
    image.save(place, **options)
    assert make_images([ImageJob(0, name, place, made, short_side=4000)], Findings(), 0) == set()
    uploads = Uploads(tmp_path / "kept", 9)
    whole = ImageRows([place], SQUEEZED, None)[0, 0][0].astype(int)
    for file, most in ((made, 0), (uploads.find(uploads.take(place)), 12)):  # an upload is kept at 1024 pixels
        assert np.abs(ImageRows([file], SQUEEZED, None)[0, 0][0] - whole).max() <= most


def test_a_picture_whose_tags_are_damaged_is_taken_as_it_is():
    content = encoded(drawn(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\xff\xff\xff")
    assert (pixels(open_picture(content)) == pixels(open_picture(encoded(drawn(), "JPEG")))).all()


@pytest.mark.parametrize("content", [encoded(drawn())[:-40], encoded(drawn())[:40], b"whatever"])
def test_what_cannot_be_read_is_named(content, tmp_path):
    place = tmp_path / "a.png"
    place.write_bytes(content)
    with pytest.raises(DataError, match=rf"image {place} cannot be read \(.+\): repair or remove it"):
        open_picture(place)
    with pytest.raises(DataError, match="the file is not an image that can be read: take a JPEG or PNG"):
        open_picture(content)
    with pytest.raises(DataError, match=rf"image {tmp_path}/b.png does not exist: run the data set's A1 script again"):
        open_picture(tmp_path / "b.png")


def test_pillows_limit_gives_way_to_ours_and_comes_back(tmp_path, monkeypatch):
    place = tmp_path / "scan.png"
    drawn(80, 60).save(place)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with opened(place), opened(place) as image:
        image.load()
    assert Image.MAX_IMAGE_PIXELS == 1000
    for most, size in ((80 * 60 - 1, "80 x 60"), (1000, "more than 2000")):
        words = rf"image {place} has {size} pixels: the most is --max_pixels {most}, pass more, or make it smaller"
        with pytest.raises(TooLargeError, match=words):
            open_picture(place, opening=Opening(max_pixels=most))
    assert Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.parametrize(
    "content",
    [
        b"FTEX\0\0 \0" + bytes(4) + b"\xff\0\0\xff\0" + bytes(11),
        struct.pack("<27f", 1, 16, 16, 0, 1, *[0] * 6, 16, 16, *[0] * 8, 1024, 64, *[0] * 3, 1),
    ],
)
def test_rare_formats_whose_decoders_trip(content):
    """Over an assertion, and over an attribute that only files of one picture have."""
    with pytest.raises(DataError, match="not an image"):
        open_picture(content)


def test_a_jpeg_much_larger_than_needed_is_decoded_smaller(tmp_path):
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    whole = Image.fromarray(coarse).resize((1600, 1200), Image.Resampling.BICUBIC)
    whole.save(tmp_path / "a.jpg", quality=95)
    whole.save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.jpg", enough=64).size == (400, 300)
    assert open_picture(tmp_path / "a.jpg", enough=76).size == (800, 600)  # 300 are less than four times 76
    assert open_picture(tmp_path / "a.jpg", enough=600).size == open_picture(tmp_path / "a.png", enough=64).size
    ways = [open_picture(tmp_path / "a.jpg", enough=enough).resize((64, 48)) for enough in (64, None)]
    apart = np.abs(np.subtract(*(np.asarray(way).astype(int) for way in ways)))
    assert apart.mean() < 0.5


def test_a_drawing_that_calls_itself_a_jpeg_starts_no_program(tmp_path, monkeypatch):
    drawing = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "a.jpg").write_bytes(drawing)
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("a program was started"))
    with pytest.raises(DataError, match="PostScript or Windows drawing: export as PNG"):
        open_picture(tmp_path / "a.jpg")
    with pytest.raises(DataError):
        open_picture(drawing)
