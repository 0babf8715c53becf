"""A data set of 400 images of 16 pixels, and the options of a small network on it."""

from pathlib import Path

import numpy as np
from scripts_by_name import script


def tiny_images(folder: Path) -> Path:
    """Bright or dark images, in one of three colours, as a file in `folder`."""
    rng = np.random.default_rng(0)
    light, shade = rng.integers(2, size=400), rng.integers(3, size=400)
    images = rng.integers(0, 60, (400, 16, 16, 3), dtype=np.uint8)
    for image, bright, colour in zip(images, light, shade, strict=True):
        image[..., colour] += np.uint8(60 + 120 * bright)
    np.savez(folder / "tiny.npz", images=images, light=light, shade=shade)
    return folder / "tiny.npz"


def tiny_set(folder: Path) -> Path:
    """Those images, prepared below `folder`."""
    tiny_images(folder)
    look = ["--image_size", "16", "--augment", "True", "--source", str(folder / "tiny.npz")]
    script("A1.Data-Preprocessing-custom")(["--dataset_name", "tiny", "--data_root", str(folder / "data"), *look])
    return folder


def words(data: Path, where: str, *more: str) -> list[str]:
    roots = ["--data_root", str(data / "data"), "--weight_root", str(data / where)]
    usual = ["--encoder_model", "small_cnn", "--encoding_size", "32", "--num_epoch", "3", "--n_workers", "0"]
    return ["--dataset_name", "tiny", *roots, *usual, *more]
