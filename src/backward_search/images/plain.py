"""Any picture as 8 bits of red, green and blue, as a person sees it.

Deep greys (16 and 32 bits, floats) are brought to their range. Which range that is, their values say:

- floats within 0 and 1 are shares of white;
- whole numbers of 0 to 65535, stored in whatever type, fill the least of 1, 8, 10, 12, 14 and 16 bits that holds them,
  as cameras and scanners have these depths, and many store them in 16 bits;
- anything else, such as negative numbers or heights in metres, goes from its least value (black) to its greatest.

NaN is black; an infinite value is as black or as white as the finite ones get. Transparency of every kind, also a
transparent colour, is laid on a background before anything is scaled, so that edges mix with the background.
"""

import numpy as np
from PIL import Image

from backward_search.data.opening import WHITE

BITS = (1, 8, 10, 12, 14, 16)
"""The depths of whole numbers."""
_PIECE = 2**22  # values worked on at once
_SAMPLE_FORMAT, _BITS_PER_SAMPLE, _PHOTOMETRIC = 339, 258, 262  # tags of TIFF files
_KEY_FACTORS = {"1": 255, "L;2": 85, "L;4": 17}
"""What Pillow multiplies shallow greys with, but not the grey that is transparent."""


def as_rgb(image: Image.Image, background: str | None = WHITE) -> Image.Image:
    """A picture in mode RGB, itself where it is so already; decodes one of which only the header is read.

    Args:
        image: in any mode.
        background: what shows through where it is transparent, such as "#ffffff". None: a picture with transparency
            keeps it, and comes in mode RGBA.
    """
    _correct_key(image)
    image.load()  # some formats learn their mode from the pixels
    deep = image.mode.startswith("I;16") or image.mode in ("I", "F")
    see_through = _is_see_through(image)
    if not deep and not see_through:
        return image if image.mode == "RGB" else image.convert("RGB")
    clear = _deep_in_rgba(image) if deep else _in_rgba(image)
    if background is None:
        return clear if see_through else clear.convert("RGB")
    ground = Image.new("RGB", image.size, background)
    ground.paste(clear, mask=clear)
    return ground


def grey_levels(values: np.ndarray) -> np.ndarray:
    """Greys of any number type brought to 8 bits, as the module says: (H, W) -> (H, W) uint8.

    >>> grey_levels(np.array([0.0, 0.5, 1.0])), grey_levels(np.array([0, 2048, 4095])), grey_levels(np.array([-5, 5]))
    (array([  0, 128, 255], dtype=uint8), array([  0, 128, 255], dtype=uint8), array([  0, 255], dtype=uint8))
    """
    low, high = _range(values)
    levels = np.empty(values.shape, np.uint8)
    rows = max(1, _PIECE // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        part = values[start : start + rows].astype(np.float64)
        part = np.nan_to_num(part, nan=low, posinf=high, neginf=low).clip(low, high)
        levels[start : start + rows] = np.rint((part - low) * (255 / (high - low)))
    return levels


def _is_see_through(image: Image.Image) -> bool:
    """Whether a picture may be transparent somewhere."""
    of_palette = image.mode == "P" and image.palette is not None and image.palette.mode.endswith("A")
    return image.mode.lower().endswith("a") or of_palette or "transparency" in image.info


def _range(values: np.ndarray) -> tuple[float, float]:
    """The values that are black and white."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and high < 2 ** BITS[-1] and (values.dtype.kind != "f" or bool((finite == np.rint(finite)).all())):
        return 0.0, float(next(2**bits - 1 for bits in BITS if high < 2**bits))
    return (low, high) if high > low else (low, low + 1)


def _in_rgba(image: Image.Image) -> Image.Image:
    if image.mode == "RGBA":
        return image
    return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")


def _deep_in_rgba(image: Image.Image) -> Image.Image:
    """A picture in deep greys, whose transparent grey, if there is one, is a 16-bit number."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode == "I" and tags.get(_SAMPLE_FORMAT, (1,))[0] == 1 and tags.get(_BITS_PER_SAMPLE, (0,))[0] == 32:
        values = values.view(np.uint32)  # Pillow has no such mode
    levels = grey_levels(values)
    if tags.get(_PHOTOMETRIC) == 0:
        levels = 255 - levels  # 0 is white, which Pillow heeds in 8 bits only
    clear = Image.fromarray(levels).convert("RGBA")
    key = image.info.get("transparency")
    if isinstance(key, int):
        clear.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return clear


def _correct_key(image: Image.Image) -> None:
    """Bring a PNG file's transparent colour to the depth in which Pillow gives the picture."""
    key, tiles = image.info.get("transparency"), getattr(image, "tile", None)
    raw = tiles[0][3] if tiles and image.format == "PNG" else ""
    if isinstance(key, int) and raw in _KEY_FACTORS:
        image.info["transparency"] = min(key * _KEY_FACTORS[raw], 255)
    elif isinstance(key, tuple) and raw == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in key)
