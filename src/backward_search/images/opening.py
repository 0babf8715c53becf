"""The one place where a picture is decoded: for the network, for A1's copies, for what a user drops in."""

import io
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, ClassVar

from PIL import ExifTags, Image

from backward_search.data.opening import MAX_PIXELS, USUAL, WHITE, Opening
from backward_search.errors import DataError, TooLargeError
from backward_search.images.kinds import NO_PICTURES, OTHER, Kind, is_raw, kind_of, load_plugins
from backward_search.images.plain import as_rgb
from backward_search.storage.swelling import swells

CHANNELS = 3
"""Bytes of a decoded pixel."""
REDUCED = 4
"""A JPEG file may be decoded at 1/2, 1/4 or 1/8 as long as it stays this many times larger than its target.

At 4 the result differs from that of a full decode by 0.2 of 255 levels on average (at 2 by up to 0.9)."""

REPAIR, ABSENT = "repair or remove it, then run A1 again", "run the data set's A1 script again"
"""What is to be done about an image of a data set that cannot be read, or is not there."""
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, RuntimeError, MemoryError),
    *(AssertionError, AttributeError, struct.error, zlib.error),
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
    source: Path | bytes | BinaryIO,
    *,
    short_side: int | None = None,
    enough: int | None = None,
    opening: Opening = USUAL,
) -> Image.Image:
    """Decode a picture: as RGB, and upright, as its EXIF orientation has it. `images.plain` says what becomes of greys.

    Of an animated picture it is the first frame.

    Departure: the published code took pictures as they lie in their files.

    Args:
        source: its file, its encoded bytes, or a stream of these.
        short_side: the largest length of the short side in pixels; a smaller picture is not enlarged. None: as it is.
        enough: what it is scaled to afterwards: a JPEG file with many times as much may be decoded smaller.
        opening: what shows through where it is transparent (without a colour for that it comes as RGBA), and how many
            pixels it may have before that.

    Raises:
        TooLargeError: it has more pixels.
        DataError: it cannot be read; the message names its file.
    """
    with opened(source, opening.max_pixels) as image:
        if enough is not None:
            image.draft("RGB", _final_size(image.size, enough * REDUCED))
        plain = scaled_down(image, short_side, opening.background)
        turn = turn_of(image)  # asked now that it is decoded: some formats name it behind the pixels
        return plain.transpose(turn) if turn is not None else plain


@contextmanager
def opened(source: Path | bytes | BinaryIO, most: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """A picture of which only the header is read, as Pillow has it.

    Raises:
        TooLargeError: it has more than `most` pixels.
        DataError: it cannot be read; also for what is decoded while it is open.
    """
    load_plugins()
    name = f"image {source}" if isinstance(source, Path) else "the image"
    try:
        if isinstance(source, Path) and not stat.S_ISREG(source.stat().st_mode):
            raise OSError  # a pipe would be read for ever
        with _LargeAllowed(most), Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.format in NO_PICTURES:
                raise OSError  # Pillow would start another program for it
            if image.width * image.height > most:
                raise TooLargeError(f"{name} has {image.width} x {image.height} pixels: {_remedy(most)}")
            if swells(_size_of(source), image.width * image.height * CHANNELS):
                raise DataError(f"{name} unpacks to far more than it holds: save it again, smaller")
            if is_raw(image, source.suffix.lower() if isinstance(source, Path) else ""):
                raise OSError  # the kind is found below
            yield image
    except FileNotFoundError:
        raise DataError(f"{name} does not exist: {ABSENT}") from None
    except Image.DecompressionBombError:
        raise TooLargeError(f"{name} has more than {2 * most} pixels: {_remedy(most)}") from None
    except _DAMAGE as error:
        raise DataError(_in_words(source, name, error)) from None


def _size_of(source: Path | bytes | BinaryIO) -> int:
    """The bytes of an encoded picture."""
    if isinstance(source, Path):
        return source.stat().st_size
    if isinstance(source, bytes):
        return len(source)
    here = source.tell()
    size = source.seek(0, os.SEEK_END)
    source.seek(here)
    return size


def left_out_as(source: object, error: DataError) -> str:
    """Under which words a report counts a picture that could not be opened.

    Args:
        source: its file, or its content.
        error: what came of it.
    """
    if isinstance(source, Path) and not os.path.exists(source):  # noqa: PTH110, for it takes every name
        return "missing image"
    if isinstance(error, TooLargeError):
        return "images of too many pixels: pass a larger --max_pixels"
    kind = kind_of(source) if isinstance(source, Path | bytes) else None
    return "unreadable image" if kind in (None, OTHER) else str(kind)


def _remedy(most: int) -> str:
    return f"the most is --max_pixels {most}, pass more, or make it smaller"


def _in_words(source: Path | bytes | BinaryIO, name: str, error: Exception) -> str:
    kind: Kind | None = kind_of(source) if isinstance(source, Path | bytes) else None
    if kind is not None and kind.remedy:
        return f"{name if isinstance(source, Path) else 'the file'} is {kind.one}: {kind.remedy}"
    if not isinstance(source, Path):
        return "the file is not an image that can be read: take a JPEG or PNG"
    return f"{name} cannot be read ({str(error) or type(error).__name__}): {REPAIR}"


def upright_size(file: Path, most: int = MAX_PIXELS) -> tuple[int, int]:
    """Width and height of a picture as `open_picture` gives it, by its header.

    Raises:
        DataError: it cannot be read, or is too large.
    """
    with opened(file, most) as image:
        turn, (width, height) = turn_of(image), image.size
        if image.format == "TIFF":  # newer versions of Pillow turn these themselves, and say so before they do
            tags = getattr(image, "tag_v2", {})
            width, height = tags.get(256, width), tags.get(257, height)  # as it lies in the file
    return (height, width) if turn in _ON_THEIR_SIDE else (width, height)


def scaled_down(image: Image.Image, short_side: int | None, background: str | None = WHITE) -> Image.Image:
    """The image as RGB with its short side brought down; one that is still encoded is decoded smaller if it can be.

    Args:
        image: in any mode.
        short_side: see `open_picture`.
        background: the colour that shows through; None keeps transparency.
    """
    size = _final_size(image.size, short_side)
    if size == image.size:
        plain = as_rgb(image, background)
        return plain.copy() if plain is image else plain
    drafted = image.draft("RGB", (size[0] * REDUCED, size[1] * REDUCED))
    return as_rgb(image, background).resize(size, Image.Resampling.LANCZOS, box=drafted[1] if drafted else None)


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


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """What brings a picture upright; None where it is, and where its tags cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # on damaged tags
            return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _DAMAGE:
        return None


class _LargeAllowed:
    """Raises Pillow's own limit, one for the whole process, for as long as any thread has a picture open."""

    _lock, _before = threading.Lock(), Image.MAX_IMAGE_PIXELS
    _limits: ClassVar[list[int]] = []

    def __init__(self, most: int) -> None:
        self._most = most

    def __enter__(self) -> None:
        kind = type(self)
        with kind._lock:
            if not kind._limits:
                kind._before = Image.MAX_IMAGE_PIXELS
            kind._limits.append(self._most)
            Image.MAX_IMAGE_PIXELS = max(kind._limits)

    def __exit__(self, *_error: object) -> None:
        kind = type(self)
        with kind._lock:
            kind._limits.remove(self._most)
            Image.MAX_IMAGE_PIXELS = max(kind._limits) if kind._limits else kind._before
