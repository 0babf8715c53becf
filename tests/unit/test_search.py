"""The search against a plain loop over one query at a time, written from the description, under autograd."""

import pytest
import torch
from torch import Tensor, nn

from backward_search.heads import FrozenHeads
from backward_search.model import Head
from backward_search.search import SearchConfig, backward_search

E = 16
CLASSES = (5, 3, 4)


def trained_heads(seed: int = 0) -> list[Head]:
    torch.manual_seed(seed)
    heads = [Head(E, k) for k in CLASSES]
    for head in heads:
        for norm in (module for module in head if isinstance(module, nn.BatchNorm1d)):
            norm.running_mean = torch.rand(norm.num_features)
            norm.running_var = torch.rand(norm.num_features) + 0.2
            norm.weight.data = torch.rand(norm.num_features) + 0.5
            norm.bias.data = torch.randn(norm.num_features)
    return [head.double().eval() for head in heads]


def plain_search(heads: list[Head], z0: Tensor, y: list[int], config: SearchConfig) -> tuple[Tensor, int]:
    z = z0.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=config.lr)
    best, failures, kept = float("inf"), 0, z0
    for step in range(1, config.max_itr + 1):
        adam.zero_grad()
        losses = [
            nn.functional.cross_entropy(head(z[None]), torch.tensor([k])) for head, k in zip(heads, y, strict=True)
        ]
        loss = sum(losses) / len(losses) + config.lambda_ * (z - z0).abs().mean()
        loss.backward()
        adam.step()
        if not config.early_stopping:
            kept = z.detach().clone()
            continue
        if loss.item() <= best:
            best, failures, kept = loss.item(), 0, z.detach().clone()
        else:
            failures += 1
        if failures > 10:
            return kept, step
    return kept, config.max_itr


@pytest.fixture
def problem():
    heads = trained_heads()
    generator = torch.Generator().manual_seed(1)
    queries = torch.tanh(torch.randn(12, E, generator=generator, dtype=torch.float64))
    targets = torch.stack([torch.randint(k, (12,), generator=generator) for k in CLASSES], dim=1)
    return heads, queries, targets


def frozen(heads: list[Head]) -> FrozenHeads:
    return FrozenHeads.of(heads, torch.device("cpu"), torch.float64)


@pytest.mark.parametrize("conditions", [1, 2, 3])
@pytest.mark.parametrize("lambda_", [0.1, 3.2])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_it_agrees_with_a_plain_loop_over_single_queries(problem, conditions, lambda_, early_stopping):
    heads, queries, targets = problem
    config = SearchConfig(lambda_, early_stopping=early_stopping)
    result = backward_search(frozen(heads[:conditions]), queries, targets[:, :conditions], config)
    for row in range(len(queries)):
        kept, steps = plain_search(heads[:conditions], queries[row], targets[row, :conditions].tolist(), config)
        assert int(result.steps[row]) == steps
        assert torch.allclose(result.embeddings[row], kept, atol=1e-6)


def test_some_queries_stop_early_and_some_do_not(problem):
    heads, queries, targets = problem
    steps = backward_search(frozen(heads[:1]), queries, targets[:, :1], SearchConfig(0.5)).steps
    assert steps.min() < 100
    assert steps.max() == 100


def test_it_does_not_depend_on_how_the_batch_is_split(problem):
    heads, queries, targets = problem
    whole = backward_search(frozen(heads), queries, targets, SearchConfig(1.1))
    for size in (1, 5, 11):
        parts = [
            backward_search(frozen(heads), queries[i : i + size], targets[i : i + size], SearchConfig(1.1))
            for i in range(0, len(queries), size)
        ]
        assert torch.allclose(torch.cat([part.embeddings for part in parts]), whole.embeddings, atol=1e-9)
        assert torch.equal(torch.cat([part.steps for part in parts]), whole.steps)


def test_the_queries_themselves_are_left_alone(problem):
    heads, queries, targets = problem
    before = queries.clone()
    backward_search(frozen(heads), queries, targets, SearchConfig(0.1))
    assert torch.equal(queries, before)
