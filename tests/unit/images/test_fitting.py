import numpy as np
import pytest
import torch
from PIL import Image

from backward_search.data.registry import Preprocessing
from backward_search.images.fitting import fit, normalise


def test_normalised_pixels_have_the_looks_mean_and_deviation():
    pixels = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    values = normalise(pixels, Preprocessing(mean=(0.5, 0.0, 1.0), std=(0.5, 1.0, 0.1)), torch.device("cpu"))
    assert values[0, :, 0, 0].tolist() == pytest.approx([1.0, 1.0, 0.0])


@pytest.mark.parametrize("size", [(40, 40), (57, 40), (40, 91), (16, 16), (9, 12)])
@pytest.mark.parametrize(("interpolation", "most"), [("bilinear", 1), ("bicubic", 2)])
def test_an_image_is_scaled_as_the_look_says(size, interpolation, most):
    def is_close(found, expected):
        apart = found.astype(int) - np.asarray(expected).astype(int)
        assert np.abs(apart).max() <= most
        assert np.abs(apart).mean() <= 0.25  # not the same kernel on every processor: below 0.05, or about 0.2

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
    how = getattr(Image.Resampling, interpolation.upper())
    squeezed = fit(noise, Preprocessing(size=16, fit="squeeze", interpolation=interpolation))
    is_close(squeezed, noise.resize((16, 16), how))
    wide = int(16 * max(size) / min(size))
    whole = noise.resize((wide, 16) if size[0] > size[1] else (16, wide), how)
    left, top = (round((side - 16) / 2) for side in whole.size)
    cut = fit(noise, Preprocessing(size=16, interpolation=interpolation))
    is_close(cut, whole.crop((left, top, left + 16, top + 16)))


def test_training_crops_and_flips_by_the_generator():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 40, 3), dtype=np.uint8))
    found = [fit(noise, Preprocessing(size=16), np.random.default_rng(seed)) for seed in range(40)]
    pixels = np.asarray(noise)
    ways = set()
    for each in found:
        for flips in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
            turned = each[:: flips[0], :: flips[1]]
            for left in range(25):
                if np.array_equal(turned, pixels[:, left : left + 16]):
                    ways.add((left, flips))
    assert len(ways) > 25
    assert {flips for _, flips in ways} == {(1, 1), (-1, 1), (1, -1), (-1, -1)}


@pytest.mark.parametrize("size", [(20_000, 2), (3, 30_000)])
def test_a_strip_takes_no_memory(size):
    image = Image.new("RGB", size)
    image.paste((255, 0, 0), (size[0] // 2 - 40, size[1] // 2 - 40, size[0] // 2 + 40, size[1] // 2 + 40))
    assert fit(image, Preprocessing(size=64)).tolist() == np.full((64, 64, 3), (255, 0, 0)).tolist()
