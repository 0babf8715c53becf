"""The image sets that the methods are compared on, drawn from Fashion-MNIST (Debian's package dataset-fashion-mnist).

`fashion` are the first 8,000 training and 2,000 test images. `styled` shows 3,750 items in four renderings each, on a
small canvas, moved and turned at random: two attributes, style and item, and a group per item, so that the very item
exists in every style.
"""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

FOLDER = Path("/usr/share/datasets/fashion-mnist")
NAMES = np.array(["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"])
ITEMS, SIDE = 3750, 48


def fashion(folder: Path = FOLDER) -> dict[str, np.ndarray]:
    """10,000 images (N, 28, 28) with labels and the official split."""
    (train, train_labels), (test, test_labels) = (_read(folder, name) for name in ("train", "t10k"))
    return {
        "images": np.concatenate([train[:8000], test[:2000]]),
        "labels": NAMES[np.concatenate([train_labels[:8000], test_labels[:2000]])],
        "split": np.array(["train"] * 8000 + ["test"] * 2000),
    }


def styled(folder: Path = FOLDER) -> dict[str, np.ndarray]:
    """15,000 images (N, 48, 48, 3) with style, item and group; the same at every call."""
    images, labels = _read(folder, "train")
    generator = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(images), generator=generator)[:ITEMS]
    shapes = torch.from_numpy(images[rows.numpy()].copy()).float() / 255
    drawn = [draw(_placed(shapes, generator), generator) for draw in STYLES.values()]
    stacked = torch.stack(drawn, dim=1).clamp(0, 1).mul(255).round().to(torch.uint8)  # (items, styles, 3, H, W)
    return {
        "images": stacked.flatten(0, 1).permute(0, 2, 3, 1).contiguous().numpy(),
        "style": np.tile(np.array(list(STYLES)), ITEMS),
        "item": np.repeat(NAMES[labels[rows.numpy()]], len(STYLES)),
        "group": np.repeat(np.array([f"item{row}" for row in rows.tolist()]), len(STYLES)),
    }


def _read(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    parts = []
    for kind, offset in (("images-idx3", 16), ("labels-idx1", 8)):
        with gzip.open(folder / f"{name}-{kind}-ubyte.gz") as file:
            parts.append(np.frombuffer(file.read(), np.uint8, offset=offset))
    return parts[0].reshape(-1, 28, 28), parts[1]


def _uniform(count: int, low: float, high: float, generator: torch.Generator, channels: int = 1) -> Tensor:
    """Numbers (count, channels, 1, 1) to multiply images with."""
    return low + (high - low) * torch.rand(count, channels, 1, 1, generator=generator)


def _placed(shapes: Tensor, generator: torch.Generator) -> Tensor:
    """Shapes (B, 28, 28) on the larger canvas (B, 1, H, W), turned by up to 10 degrees, moved by up to 3 pixels."""
    count = len(shapes)
    angle = _uniform(count, -10, 10, generator).deg2rad().flatten()
    moves = [_uniform(count, -6 / SIDE, 6 / SIDE, generator).flatten() for _ in range(2)]
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, -sin, moves[0]], 1), torch.stack([sin, cos, moves[1]], 1)], dim=1)
    grid = functional.affine_grid(turn, [count, 1, SIDE, SIDE], align_corners=False)
    return functional.grid_sample(shapes[:, None], grid, align_corners=False)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    reach = torch.arange(-6, 7) / sigma
    kernel = (-reach.square() / 2).exp()
    kernel = kernel / kernel.sum()
    wide = functional.conv2d(images, kernel[None, None, None], padding=(0, 6))
    return functional.conv2d(wide, kernel[None, None, :, None], padding=(6, 0))


def _mixed(share: Tensor, one: Tensor, other: Tensor) -> Tensor:
    return share * one + (1 - share) * other


def _photo(shape: Tensor, generator: torch.Generator) -> Tensor:
    """A colour, lit as it is, on a darker ground."""
    return _mixed(shape, _uniform(len(shape), 0.5, 1, generator, 3) * shape, _uniform(len(shape), 0, 0.5, generator, 3))


def _sketch(shape: Tensor, generator: torch.Generator) -> Tensor:
    """Dark outlines on paper."""
    sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
    slope = functional.conv2d(shape, torch.stack([sobel, sobel.T])[:, None], padding=1)
    edge = (slope.norm(dim=1, keepdim=True) / 1.5).clamp(0, 1)
    return _uniform(len(shape), 0.85, 1, generator, 3) * (1 - edge * _uniform(len(shape), 0.7, 1, generator))


def _halftone(shape: Tensor, generator: torch.Generator) -> Tensor:
    """Two inks in a screen of dots."""
    place = torch.arange(SIDE) * 2 * torch.pi / _uniform(len(shape), 3, 6, generator).floor()
    across = (place + _uniform(len(shape), 0, 6.28, generator)).sin()
    down = (place.mT + _uniform(len(shape), 0, 6.28, generator)).sin()
    dots = ((across * down + 1) / 2 > 1 - shape).float()
    return _mixed(dots, _uniform(len(shape), 0, 0.4, generator, 3), _uniform(len(shape), 0.7, 1, generator, 3))


def _wash(shape: Tensor, generator: torch.Generator) -> Tensor:
    """Two colours that run into each other."""
    soft = _blurred(shape, 2.2)
    soft = soft / soft.amax(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    soft = soft + _blurred(torch.randn(shape.shape, generator=generator), 2) * 0.25
    ink, paper = (_uniform(len(shape), low, 1, generator, 3) for low in (0, 0.5))
    return _mixed(soft.clamp(0, 1), ink, paper)


STYLES: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "photo": _photo,
    "sketch": _sketch,
    "halftone": _halftone,
    "wash": _wash,
}
