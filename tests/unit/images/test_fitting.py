import pytest
import torch

from backward_search.data.registry import Preprocessing
from backward_search.images.fitting import normalise


def test_normalised_pixels_have_the_looks_mean_and_deviation():
    pixels = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    values = normalise(pixels, Preprocessing(mean=(0.5, 0.0, 1.0), std=(0.5, 1.0, 0.1)), torch.device("cpu"))
    assert values[0, :, 0, 0].tolist() == pytest.approx([1.0, 1.0, 0.0])
