"""Pictures, format by format, through the one place that opens them."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from target import Ready, target

from backward_search.data.opening import Opening
from backward_search.errors import DataError
from backward_search.images.kinds import kind_of
from backward_search.images.opening import left_out_as, open_picture, upright_size

SMALL = Opening(max_pixels=2**18)
"""So that an input is read in milliseconds; what larger ones cost is tested elsewhere."""


def _picture(mode: str = "RGB", size: tuple[int, int] = (17, 13)) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def _saved(kind: str, mode: str = "RGB", size: tuple[int, int] = (17, 13), **how: Any) -> bytes:
    file = io.BytesIO()
    _picture(mode, size).save(file, kind, **how)
    return file.getvalue()


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a picture"
    return exif


def _ready(folder: Path, suffix: str, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> Ready:
    """Read from a file as A1 does, or from memory as the explorer does."""
    file = folder / f"picture{suffix}"

    def read(content: bytes) -> None:
        if len(content) % 2:
            open_picture(content, short_side=8, opening=SMALL)
            return
        file.write_bytes(content)
        try:
            upright_size(file, SMALL.max_pixels)
            open_picture(file, short_side=8 if len(content) % 4 else None, opening=SMALL)
        except DataError as error:
            left_out_as(file, error)
            kind_of(content)
            raise

    return Ready(seeds, read, words)


@target("image-jpeg")
def jpeg(folder: Path) -> Ready:
    """JPEG: plain, progressive, grey, CMYK, with EXIF."""
    more = (
        _saved("JPEG", progressive=True),
        _saved("JPEG", "L"),
        _saved("JPEG", "CMYK"),
        _saved("JPEG", exif=_turned()),
    )
    words = (
        b"\xff\xd8",
        b"\xff\xd9",
        b"\xff\xc0",
        b"\xff\xc4",
        b"\xff\xda",
        b"\xff\xe1",
        b"Exif\0\0",
        b"ICC_PROFILE\0",
        b"MPF\0",
    )
    return _ready(folder, ".jpg", [_saved("JPEG", quality=80), *more], words)


@target("image-png")
def png(folder: Path) -> Ready:
    """PNG in its modes, and animated."""
    modes = [_saved("PNG", mode) for mode in ("RGB", "RGBA", "P", "L", "1", "I;16", "LA") if mode != "I;16"]
    moving = _saved("PNG", save_all=True, append_images=[_picture("RGB")])
    exif = _saved("PNG", exif=_turned(), icc_profile=b"x" * 200)
    words = (
        b"IHDR",
        b"IDAT",
        b"IEND",
        b"PLTE",
        b"tRNS",
        b"iCCP",
        b"eXIf",
        b"acTL",
        b"fcTL",
        b"fdAT",
        b"zTXt",
        b"iTXt",
        b"gAMA",
    )
    return _ready(folder, ".png", [*modes, moving, exif], words)


@target("image-webp")
def webp(folder: Path) -> Ready:
    """WebP: with and without loss, transparent, animated."""
    kinds = [_saved("WEBP"), _saved("WEBP", "RGBA", lossless=True), _saved("WEBP", exif=_turned())]
    moving = _saved("WEBP", save_all=True, append_images=[_picture().rotate(180)])
    return _ready(
        folder, ".webp", [*kinds, moving], (b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"EXIF")
    )


@target("image-gif")
def gif(folder: Path) -> Ready:
    """GIF: single, animated, transparent."""
    moving = _saved("GIF", "P", save_all=True, append_images=[_picture("P").rotate(180)])
    return _ready(
        folder,
        ".gif",
        [_saved("GIF", "P"), _saved("GIF", "L", transparency=0), moving],
        (b"GIF89a", b"\x21\xf9\x04", b";"),
    )


@target("image-tiff")
def tiff(folder: Path) -> Ready:
    """TIFF: packed in several ways, of several modes."""
    packed = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    kinds = [_saved("TIFF", compression=each) for each in packed]
    modes = [_saved("TIFF", mode) for mode in ("L", "1", "RGBA", "CMYK", "F", "I")]
    return _ready(folder, ".tif", [*kinds, *modes, _saved("TIFF", exif=_turned())], (b"II*\0", b"MM\0*", b"II+\0"))


@target("image-bmp")
def bmp(folder: Path) -> Ready:
    """BMP and DIB."""
    kinds = [_saved("BMP", mode) for mode in ("RGB", "L", "P", "1", "RGBA")]
    return _ready(folder, ".bmp", [*kinds, _saved("DIB")], (b"BM", b"\x28\0\0\0", b"\x7c\0\0\0"))


@target("image-ppm", text=True)
def ppm(folder: Path) -> Ready:
    """PPM, PGM, PBM, and their texts."""
    texts = (b"P3\n# c\n2 2 255\n1 2 3 4 5 6 7 8 9 10 11 12\n", b"P2\n2 2\n15\n1 2 3 4\n", b"P1\n3 1\n1 0 1\n")
    more = (b"Pf\n2 1\n-1.0\n" + bytes(8), b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\nabc")
    return _ready(folder, ".ppm", [_saved("PPM"), _saved("PPM", "L"), _saved("PPM", "1"), *texts, *more[:1]], more[1:])


@target("image-jp2")
def jp2(folder: Path) -> Ready:
    """JPEG 2000."""
    kinds = [_saved("JPEG2000"), _saved("JPEG2000", "RGBA"), _saved("JPEG2000", "L", no_jp2=True)]
    return _ready(
        folder, ".jp2", kinds, (b"jp2h", b"ihdr", b"colr", b"jp2c", b"\xff\x4f\xff\x51", b"\xff\x93", b"pclr", b"cmap")
    )


@target("image-avif")
def avif(folder: Path) -> Ready:
    """AVIF."""
    return _ready(
        folder,
        ".avif",
        [_saved("AVIF", speed=10), _saved("AVIF", "RGBA", speed=10)],
        (b"ftyp", b"avif", b"meta", b"ispe"),
    )


@target("image-heic")
def heic(folder: Path) -> Ready:
    """HEIC, by the package that adds it."""
    from backward_search.images.kinds import load_plugins

    load_plugins()
    seeds = [_saved("HEIF", quality=50, size=(32, 32))]
    return _ready(folder, ".heic", seeds, (b"ftyp", b"heic", b"meta", b"ispe", b"iloc", b"hvcC"))


@target("image-tga")
def tga(folder: Path) -> Ready:
    """TGA, which has no mark."""
    kinds = [_saved("TGA", mode) for mode in ("RGB", "RGBA", "L", "P")]
    return _ready(folder, ".tga", [*kinds, _saved("TGA", compression="tga_rle")], (b"TRUEVISION-XFILE.\0",))


@target("image-ico")
def ico(folder: Path) -> Ready:
    """ICO."""
    kinds = [
        _saved("ICO", "RGBA", (32, 32), sizes=[(16, 16), (32, 32)]),
        _saved("ICO", "RGB", (16, 16), bitmap_format="bmp"),
    ]
    return _ready(folder, ".ico", kinds)


@target("image-rare")
def rare(folder: Path) -> Ready:
    """What else Pillow writes, and so can read."""
    of_modes = {
        "BLP": "P",
        "DDS": "RGBA",
        "ICNS": "RGBA",
        "IM": "RGB",
        "MSP": "1",
        "PCX": "RGB",
        "SGI": "RGB",
        "SPIDER": "F",
        "XBM": "1",
        "QOI": "RGB",
        "EPS": "RGB",
        "PDF": "RGB",
        "MPO": "RGB",
        "PALM": "L",
    }
    seeds = []
    for kind, mode in of_modes.items():
        try:
            seed = _saved(kind, mode, (16, 16))
            open_picture(seed, short_side=8, opening=SMALL)
        except Exception:
            continue
        seeds.append(seed)
    psd = b"8BPS\0\1" + bytes(6) + b"\0\3" + b"\0\0\0\2\0\0\0\2\0\x08\0\3" + bytes(12) + b"\0\0" + bytes(12)
    xpm = b'/* XPM */\nstatic char *x[] = {\n"2 1 2 1",\n"a c #ff0000",\n"b c #00ff00",\n"ab"\n};\n'
    return _ready(
        folder, ".bin", seeds, (psd, xpm, b"SIMPLE  =", b"%PDF", b"%!PS", b"DDS ", b"icns", b"qoif", b"BLP2", b"FTEX")
    )
