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


@pytest.mark.parametrize("way", ["crop", "squeeze"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_an_image_is_scaled_as_the_look_says(way, interpolation):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    found = fit(Image.fromarray(noise), Preprocessing(size=16, fit=way, interpolation=interpolation))
    expected = Image.fromarray(noise).resize((16, 16), getattr(Image.Resampling, interpolation.upper()))
    assert np.array_equal(found, np.array(expected))
