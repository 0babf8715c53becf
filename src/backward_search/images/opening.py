"""The one place where a picture is decoded: for the network, for A1's copies, for what a user drops in."""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image

from backward_search.errors import DataError

SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"),
    *(".jp2", ".avif", ".tga", ".ico"),
)
"""How the names of image files end, where a folder is searched for them."""
LARGEST = 2**29
"""Most pixels of a picture; Pillow's own limit lies below the largest scans of WikiArt."""
REDUCED = 4
"""A JPEG file may be decoded at 1/2, 1/4 or 1/8 as long as it stays this many times larger than its target.

At 4 the result differs from that of a full decode by 0.2 of 255 levels on average (at 2 by up to 0.9)."""

_DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, RuntimeError, MemoryError),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow's decoders raise on damaged files of the various formats."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture upright, by its EXIF orientation."""
_ON_THEIR_SIDE = (_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8])


def open_picture(
    source: Path | bytes | BinaryIO, *, short_side: int | None = None, most: int | None = None
) -> Image.Image:
    """Decode a picture: as RGB, and upright, as its EXIF orientation has it.

    Departure: the published code took pictures as they lie in their files.

    Args:
        source: its file, its encoded bytes, or a stream of these.
        short_side: the largest length of the short side in pixels; a smaller picture is not enlarged. None: as it is.
        most: most pixels before that; `LARGEST` by default.

    Raises:
        DataError: it cannot be read, or is too large; the message names its file.
    """
    with opened(source, most) as image:
        upright = scaled_down(image, short_side)  # decodes: some formats name their orientation behind the pixels
        turn = _turn(image)
        return upright.transpose(turn) if turn is not None else upright


@contextmanager
def opened(source: Path | bytes | BinaryIO, most: int | None = None) -> Iterator[Image.Image]:
    """A picture of which only the header is read, as Pillow has it.

    Raises:
        DataError: it cannot be read, or is too large; also for what is decoded while it is open.
    """
    name = f"image {source}" if isinstance(source, Path) else "the image"
    try:
        with _LargeAllowed(), Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > (most or LARGEST):
                raise DataError(f"{name} has {image.width} x {image.height} pixels: make it smaller")
            yield image
    except FileNotFoundError:
        raise DataError(f"{name} does not exist: run the data set's A1 script again") from None
    except _DAMAGE as error:
        if not isinstance(source, Path):
            raise DataError("the file is not an image that can be read: take a JPEG or PNG") from None
        reason = str(error) or type(error).__name__
        raise DataError(f"{name} cannot be read ({reason}): repair or remove it, then run A1 again") from None


def upright_size(file: Path) -> tuple[int, int]:
    """Width and height of a picture as `open_picture` gives it, by its header.

    Raises:
        DataError: it cannot be read, or is too large.
    """
    with opened(file) as image:
        turn = None if image.format == "TIFF" else _turn(image)  # Pillow turns TIFF files itself
        width, height = image.size
    return (height, width) if turn in _ON_THEIR_SIDE else (width, height)


def scaled_down(image: Image.Image, short_side: int | None) -> Image.Image:
    """The image as RGB with its short side brought down; one that is still encoded is decoded smaller if it can be."""
    size = _final_size(image.size, short_side)
    if size == image.size:
        return image.convert("RGB")
    drafted = image.draft("RGB", (size[0] * REDUCED, size[1] * REDUCED))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS, box=drafted[1] if drafted else None)


def _final_size(size: tuple[int, int], short_side: int | None) -> tuple[int, int]:
    """The size (width, height) with the short side brought down to `short_side`.

    >>> _final_size((1000, 512), 256), _final_size((100, 300), 256)
    ((500, 256), (100, 300))
    """
    short = min(size)
    if short_side is None or short <= short_side:
        return size
    width, height = (side * short_side // short for side in size)
    return width, height


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What brings a picture upright; None where it is, and where its tags cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # on damaged tags
            return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _DAMAGE:
        return None


class _LargeAllowed:
    """Raises Pillow's own limit, one for the whole process, for as long as any thread has a picture open."""

    _lock, _users, _before = threading.Lock(), 0, Image.MAX_IMAGE_PIXELS

    def __enter__(self) -> None:
        kind = type(self)
        with kind._lock:
            if kind._users == 0:
                kind._before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, LARGEST
            kind._users += 1

    def __exit__(self, *_error: object) -> None:
        kind = type(self)
        with kind._lock:
            kind._users -= 1
            if kind._users == 0:
                Image.MAX_IMAGE_PIXELS = kind._before
