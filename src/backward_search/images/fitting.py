"""Images on their way to the network: brought to size as bytes, normalised on the device."""

from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from backward_search.data.registry import Preprocessing
from backward_search.pytorch import stream_aside

LONGEST = 16
"""A picture this many times longer than wide is cut to its middle part before it is scaled: the rest is never seen."""


def fit(image: Image.Image, look: Preprocessing, generator: np.random.Generator | None = None) -> np.ndarray:
    """Bring an image to the network's size.

    Args:
        image: RGB.
        look: how.
        generator: source of random crop and flips, where the data set's training has them; None for the test form.

    Returns:
        (size, size, 3) uint8.
    """
    size, augment = look.size, generator if look.augment else None
    if look.fit == "squeeze":
        pixels = scaled(image, (size, size), look.interpolation)
    else:
        pixels = _square(_short_side_at(_middle(image), size, look.interpolation), size, augment)
    if augment is not None:
        vertical, horizontal = augment.random(2) < 0.5
        pixels = pixels[::-1] if vertical else pixels
        pixels = pixels[:, ::-1] if horizontal else pixels
    return np.ascontiguousarray(pixels)


def scaled(image: Image.Image, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """An RGB image scaled to (width, height), smoothed where it is made smaller, as (height, width, 3) uint8.

    By PyTorch's kernels for bytes, which are Pillow's in a fifth of the time. How exactly they round depends on the
    processor: of pure noise up to a fifth of the values is one level (of 255) apart from Pillow's, elsewhere a few in a
    hundred thousand bilinearly and a few in a thousand bicubically.

    Args:
        image: in mode RGB.
        size: width and height.
        interpolation: "bilinear" or "bicubic".
    """
    pixels = np.array(image)
    if image.size == size:
        return pixels
    channels_last = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
    found = interpolate(channels_last, size=size[::-1], mode=interpolation, antialias=True)
    return found[0].permute(1, 2, 0).numpy()


def _middle(image: Image.Image) -> Image.Image:
    width, height = image.size
    most = LONGEST * min(width, height)
    if max(width, height) <= most:
        return image
    left, top = (max(0, side - most) // 2 for side in (width, height))
    return image.crop((left, top, left + min(width, most), top + min(height, most)))


def _short_side_at(image: Image.Image, short_side: int, interpolation: str) -> np.ndarray:
    width, height = image.size
    long_side = int(short_side * max(width, height) / min(width, height))
    return scaled(image, (short_side, long_side) if width <= height else (long_side, short_side), interpolation)


def _square(pixels: np.ndarray, size: int, generator: np.random.Generator | None) -> np.ndarray:
    room = (pixels.shape[1] - size, pixels.shape[0] - size)
    if generator is None:
        left, top = (round(space / 2) for space in room)
    else:
        left, top = (int(generator.integers(space + 1)) for space in room)
    return pixels[top : top + size, left : left + size]


def normalise(pixels: Tensor, look: Preprocessing, device: torch.device) -> Tensor:
    """Move pixels to the device and normalise them: (B, 3, H, W) uint8 -> float32 of about zero mean, unit variance."""
    mean, std = _moments(look, device)
    return moved(pixels, device).float().sub_(mean).div_(std)


def moved(pixels: Tensor, device: torch.device) -> Tensor:
    """The pixels on the device; from memory that a GPU can reach they come while it works on those before."""
    if device.type != "cuda" or pixels.is_cuda or not pixels.is_pinned():
        return pixels.to(device, non_blocking=True)
    here, aside = torch.cuda.current_stream(device), stream_aside(device, "images")
    with torch.cuda.stream(aside):
        there = pixels.to(device, non_blocking=True)
    here.wait_stream(aside)
    there.record_stream(here)
    return there


@cache  # made anew for every batch, they would make the GPU wait for the copy
@torch.inference_mode(False)
def _moments(look: Preprocessing, device: torch.device) -> tuple[Tensor, Tensor]:
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) * 255 for values in (look.mean, look.std))
    return mean, std
