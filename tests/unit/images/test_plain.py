"""What a picture of any mode looks like as 8 bits of red, green and blue."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from backward_search.data.opening import Opening
from backward_search.images.opening import open_picture
from backward_search.images.plain import as_rgb, grey_levels

RAMP = np.tile(np.linspace(0, 65535, 32).astype(np.uint16), (32, 1))
EIGHT = np.rint(RAMP / 257).astype(np.uint8)
CLEAR = Opening(None)


def stored(values, form, **options):
    file = io.BytesIO()
    (values if isinstance(values, Image.Image) else Image.fromarray(values)).save(file, form, **options)
    return file.getvalue()


def greys(content):
    picture = np.asarray(open_picture(content))
    assert (picture == picture[..., :1]).all()
    return picture[..., 0]


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PGM", "JPEG2000"])
def test_16_bits_become_the_8_bits_of_the_same_picture(form):
    content = b"P5 32 32 65535\n" + RAMP.astype(">u2").tobytes() if form == "PGM" else stored(RAMP, form)
    assert np.abs(greys(content).astype(int) - EIGHT).max() <= (1 if form == "JPEG2000" else 0)


@pytest.mark.parametrize(
    "values",
    [
        RAMP.astype(">u2"),
        RAMP >> 4,  # 12 of 16 bits
        RAMP >> 8,
        RAMP.astype(np.int32),
        RAMP.astype(np.int32) - 40_000,
        RAMP.astype(np.int32) * 30_000,
        (RAMP / 65535).astype(np.float32),
        (RAMP / 257).astype(np.float32).round(),  # 8 bits
        RAMP.astype(np.float32) / 7 - 3000,
    ],
    ids=["big-endian", "12", "8", "int32", "signed", "large", "shares", "whole floats", "heights"],
)
def test_deep_greys_are_brought_to_the_range_that_they_have(values):
    for content in ([stored(values, "TIFF")] if values.dtype != ">u2" else []) or [stored(RAMP, "TIFF")]:
        assert np.abs(greys(content).astype(int) - EIGHT).max() <= 1
    assert np.abs(grey_levels(values).astype(int) - EIGHT).max() <= 1


def test_a_dark_picture_stays_dark():
    assert greys(stored(RAMP // 3, "PNG")).max() == 85
    assert grey_levels(np.array([[0.0, 0.25]])).tolist() == [[0, 64]]
    assert grey_levels(np.array([[0, 100]], np.uint16)).tolist() == [[0, 100]]  # 8 bits in 16
    assert grey_levels(np.array([[0, 1]], np.int32)).tolist() == [[0, 255]]


def test_what_is_no_number_is_black_and_what_is_infinite_is_the_end():
    values = np.array([[np.nan, -np.inf, -2, 0, 2, np.inf]], np.float32)
    assert grey_levels(values).tolist() == [[0, 0, 0, 128, 255, 255]]
    assert greys(stored(values, "TIFF")).tolist() == [[0, 0, 0, 128, 255, 255]]
    assert grey_levels(np.full((2, 2), np.nan)).tolist() == [[0, 0], [0, 0]]
    assert grey_levels(np.full((1, 2), -7.0)).tolist() == [[0, 0]]


def test_large_pictures_are_worked_on_in_pieces(monkeypatch):
    monkeypatch.setattr("backward_search.images.plain._PIECE", 100)
    assert (grey_levels(RAMP) == EIGHT).all()


@pytest.mark.parametrize("bits", [16, 32])
def test_tiff_files_that_call_0_white(bits):
    values = RAMP if bits == 16 else (RAMP / 65535).astype(np.float32)
    assert (greys(stored(values, "TIFF", tiffinfo={262: 0})) == 255 - greys(stored(values, "TIFF"))).all()


def test_unsigned_32_bits_are_no_negative_numbers():
    values = (RAMP.astype(np.uint32) * 65537).view(np.int32)
    tag = struct.pack("<HHI", 339, 3, 1)  # the sample format, which Pillow writes as signed
    content = stored(values, "TIFF").replace(tag + b"\2", tag + b"\1")
    with Image.open(io.BytesIO(content)) as image:
        assert image.tag_v2[339] == (1,)
    assert (greys(content) == EIGHT).all()


def letter(mode="RGBA"):
    """A black square on nothing that is black, too, as drawing programs write it."""
    image = Image.new("RGBA", (24, 24), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (8, 8, 16, 16))
    image.putpixel((0, 0), (200, 0, 0, 128))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "form"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF"), ("RGBA", "ICO")]
)
def test_what_is_transparent_lies_on_white(mode, form):
    options = {"WEBP": {"lossless": True}, "ICO": {"sizes": [(24, 24)]}}.get(form, {})
    content = stored(letter(mode), form, **options)
    picture = np.asarray(open_picture(content))
    assert (picture[20, 20] == 255).all()
    assert (picture[12, 12] == 0).all()
    corner = 200 if mode == "RGBA" else 60
    assert abs(int(picture[0, 0, 0]) - (corner * 128 + 255 * 127) / 255) <= 1
    assert (np.asarray(open_picture(content, opening=Opening("#0000ff")))[20, 20] == (0, 0, 255)).all()
    clear = open_picture(content, opening=CLEAR)
    assert clear.mode == "RGBA"
    assert clear.getpixel((20, 20))[3] == 0


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA"])
def test_rare_modes_with_transparency(mode):
    image = {"La": letter("LA"), "RGBa": letter(), "PA": letter("RGB").convert("P")}[mode].convert(mode)
    if mode == "PA":
        image.putalpha(letter().getchannel("A"))
    picture = np.asarray(as_rgb(image))
    assert (picture[20, 20] == 255).all()
    assert (picture[12, 12] == 0).all()


@pytest.mark.parametrize("form", ["PNG", "GIF"])
@pytest.mark.parametrize("key", [0, b"\x00\xff\xff"])
def test_palettes_with_a_transparent_colour(form, key):
    if form == "GIF" and key != 0:
        pytest.skip("a GIF file has one transparent colour at most")
    image = Image.new("P", (24, 24), 0)
    image.putpalette([0, 0, 0, 10, 10, 10] + [255] * 756)
    image.paste(1, (8, 8, 16, 16))
    picture = np.asarray(open_picture(stored(image, form, transparency=key)))
    assert (picture[20, 20] == 255).all()
    assert (picture[12, 12] == 10).all()


def png(depth, colour, rows, key):
    """A PNG file with a transparent colour, of a depth that Pillow does not write."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    width = {(1, 0): 8, (4, 0): 2, (8, 0): 1, (16, 0): 1, (16, 2): 1, (8, 2): 1}[depth, colour] * len(rows[0])
    width //= len(rows[0]) if (depth, colour) == (1, 0) else {0: depth // 8 or 1, 2: 3 * depth // 8}[colour]
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), (b"tRNS", key), (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(1, 0, [b"\xf0"], b"\0\0"), [255] * 8),
        (png(1, 0, [b"\xf0"], b"\0\1"), [9, 9, 9, 9, 0, 0, 0, 0]),
        (png(4, 0, [b"\x1f"], b"\0\1"), [9, 255]),
        (png(8, 0, [b"\x01\xff"], b"\0\1"), [9, 255]),
        (png(16, 0, [b"\x00\x01\xff\xff"], b"\0\1"), [9, 255]),
        (png(8, 2, [b"\1\2\3\7\7\7"], b"\0\1\0\2\0\3"), [9, 7]),
        (png(16, 2, [b"\1\0\2\0\3\0\7\7\7\7\7\7"], b"\1\0\2\0\3\0"), [9, 7]),
    ],
    ids=["1 black", "1 white", "4", "8", "16", "RGB", "RGB 16"],
)
def test_a_transparent_colour_of_png_files_of_every_depth(content, expected):
    ground = "#ffffff" if expected == [255] * 8 else "#090909"
    assert np.asarray(open_picture(content, opening=Opening(ground)))[0, :, 0].tolist() == expected


def test_edges_mix_with_the_background_when_a_picture_is_scaled():
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 31, 64))
    small = np.asarray(open_picture(stored(image, "PNG"), short_side=8)).astype(int)
    flat = Image.new("RGB", (64, 64), "white")
    flat.paste((255, 0, 0), (0, 0, 31, 64))
    assert (small == np.asarray(open_picture(stored(flat, "PNG"), short_side=8))).all()
    assert small[..., 0].min() == 255  # no black that shines through


def test_opaque_pictures_do_not_change_by_a_level():
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    with_alpha = Image.fromarray(noise).convert("RGBA")
    assert (np.asarray(open_picture(stored(with_alpha, "PNG"))) == noise).all()
    assert open_picture(stored(Image.fromarray(noise), "PNG"), opening=CLEAR).mode == "RGB"


def test_lab_and_cmyk_stay_right():
    noise = Image.fromarray(np.full((8, 8, 3), (180, 90, 40), np.uint8))
    for mode, form in (("CMYK", "JPEG"), ("CMYK", "TIFF"), ("LAB", "TIFF")):
        if mode == "LAB":
            from PIL import ImageCms

            profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
            image = ImageCms.applyTransform(noise, ImageCms.buildTransform(*profiles, "RGB", "LAB"))
        else:
            image = noise.convert(mode)
        picture = np.asarray(open_picture(stored(image, form, **({"quality": 100} if form == "JPEG" else {}))))
        assert np.abs(picture.astype(int) - np.asarray(noise)).max() <= 4, (mode, form)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_of_several_frames_is_shown(form):
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    content = stored(first, form, save_all=True, append_images=[second, second])
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames > 1
    assert np.abs(np.asarray(open_picture(content)).astype(int) - (255, 0, 0)).max() <= 4
