"""Products of few and many queries with images."""

import pytest
import torch

from backward_search.gallery import products as module
from backward_search.gallery.products import FEW, products


@pytest.mark.parametrize("queries", [1, 2, 7, FEW, FEW + 1])
@pytest.mark.parametrize("images", [0, 1, 7, 8, 100, 1003])
def test_products_are_those_of_a_loop_however_the_images_are_cut(monkeypatch, queries, images):
    monkeypatch.setattr(module, "LEAST_ROWS", 8)
    torch.manual_seed(0)
    asked, rows = torch.randn(queries, 12), torch.randn(images, 12)
    found = products(asked, rows)
    assert found.shape == (queries, images)
    expected = (asked.double()[:, None] * rows.double()).sum(2)
    assert torch.allclose(found.double(), expected, atol=1e-5)
    assert torch.allclose(products(asked, rows.T.contiguous().T), found, atol=1e-5)
    assert torch.allclose(products(asked.expand(queries, 12), rows[::2]), found[:, ::2], atol=1e-5)
