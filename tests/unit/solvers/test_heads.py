"""Folded, stacked heads against the heads they were made of."""

import torch
from made_heads import CLASSES, E, frozen, trained_heads
from torch import nn

from backward_search.conditions.batch import Conditions


def test_loss_and_gradient_are_those_of_the_heads_under_autograd():
    heads = trained_heads(3)
    z = torch.randn(9, E, dtype=torch.float64, requires_grad=True)
    targets = torch.stack([torch.randint(k, (9,)) for k in CLASSES], dim=1)
    expected = sum(
        nn.functional.cross_entropy(head(z), targets[:, a], reduction="none") for a, head in enumerate(heads)
    ) / len(heads)
    expected.sum().backward()
    stacked = frozen(heads)
    loss, gradient = stacked.loss_and_gradient(z.detach(), Conditions.of_ids(targets, stacked.classes, torch.float64))
    assert torch.allclose(loss, expected)
    assert torch.allclose(gradient, z.grad)
