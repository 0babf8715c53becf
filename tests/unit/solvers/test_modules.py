"""Anybody's modules as heads, through autograd."""

import pytest
import torch
from made_heads import CLASSES, E, frozen, trained_heads
from plain_search import plain_searches
from torch import nn

from backward_search.solvers.adam import Adam, backward_search


def setting():
    generator = torch.Generator().manual_seed(3)
    queries = torch.tanh(torch.randn(30, E, generator=generator, dtype=torch.float64))
    return queries, torch.stack([torch.randint(k, (30,), generator=generator) for k in CLASSES], dim=1)


def test_our_heads_give_the_same_as_modules():
    heads, (queries, targets) = trained_heads(), setting()
    own = backward_search(frozen(heads), queries, targets, Adam(0.5))
    foreign = backward_search(heads, queries, targets, Adam(0.5))
    assert torch.allclose(own.embeddings, foreign.embeddings, atol=1e-6)
    assert torch.equal(own.steps, foreign.steps)
    assert not foreign.embeddings.is_inference()


def test_a_head_of_another_shape_agrees_with_the_plain_loop():
    torch.manual_seed(5)
    head = nn.Sequential(nn.Linear(E, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 5)).double().eval()
    queries, targets = setting()
    lambdas = torch.full((30,), 0.3, dtype=torch.float64)
    kept, steps = plain_searches([head], queries, targets[:, :1], lambdas)
    head.zero_grad()
    moved = backward_search([head], queries, targets[:, :1], Adam(0.3))
    assert torch.allclose(moved.embeddings, kept, atol=1e-6)
    assert torch.equal(moved.steps, steps)
    assert all(parameter.grad is None for parameter in head.parameters())


def test_a_head_in_training_mode_is_refused():
    with pytest.raises(ValueError, match="call eval"):
        backward_search([nn.Linear(E, 5).double()], *setting(), Adam(0.3))
