"""Images on their way to the network: brought to size as bytes, normalised on the device."""

from functools import cache

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from backward_search.data.registry import Preprocessing


def fit(image: Image.Image, look: Preprocessing, generator: np.random.Generator | None = None) -> np.ndarray:
    """Bring an image to the network's size.

    Args:
        image: RGB.
        look: how.
        generator: source of random crop and flips, where the data set's training has them; None for the test form.

    Returns:
        (size, size, 3) uint8.
    """
    size, how = look.size, Image.Resampling[look.interpolation.upper()]
    augment = generator if look.augment else None
    if look.fit == "squeeze":
        image = image.resize((size, size), how)
    else:
        image = _square(_scaled(image, size, how), size, augment)
    if augment is not None:
        vertical, horizontal = augment.random(2) < 0.5
        image = ImageOps.flip(image) if vertical else image
        image = ImageOps.mirror(image) if horizontal else image
    return np.array(image)


def _scaled(image: Image.Image, short_side: int, how: Image.Resampling) -> Image.Image:
    width, height = image.size
    if min(width, height) == short_side:
        return image
    long_side = int(short_side * max(width, height) / min(width, height))
    size = (short_side, long_side) if width <= height else (long_side, short_side)
    return image.resize(size, how)


def _square(image: Image.Image, size: int, generator: np.random.Generator | None) -> Image.Image:
    room = (image.width - size, image.height - size)
    if generator is None:
        left, top = (round(space / 2) for space in room)
    else:
        left, top = (int(generator.integers(space + 1)) for space in room)
    return image.crop((left, top, left + size, top + size))


def normalise(pixels: Tensor, look: Preprocessing, device: torch.device) -> Tensor:
    """Move pixels to the device and normalise them: (B, 3, H, W) uint8 -> float32 of about zero mean, unit variance."""
    mean, std = _moments(look, device)
    return pixels.to(device, non_blocking=True).float().sub_(mean).div_(std)


@cache  # made anew for every batch, they would make the GPU wait for the copy
@torch.inference_mode(False)
def _moments(look: Preprocessing, device: torch.device) -> tuple[Tensor, Tensor]:
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) * 255 for values in (look.mean, look.std))
    return mean, std
