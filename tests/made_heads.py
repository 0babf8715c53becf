"""Heads with random weights and statistics, as if trained, for the tests of what runs through them."""

import torch
from torch import Tensor, nn

from backward_search.conditions.batch import Conditions
from backward_search.model.network import Head
from backward_search.solvers.heads import FrozenHeads

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


def frozen(heads: list[Head]) -> FrozenHeads:
    return FrozenHeads.of(heads, torch.device("cpu"), torch.float64)


def thousand(conditions: int) -> tuple[list[Head], Tensor, Tensor, Tensor]:
    """Heads, 1,000 random queries, their conditions, and a lambda of four for each."""
    generator = torch.Generator().manual_seed(conditions)
    queries = torch.tanh(torch.randn(1000, E, generator=generator, dtype=torch.float64))
    targets = torch.stack([torch.randint(k, (1000,), generator=generator) for k in CLASSES[:conditions]], dim=1)
    lambdas = torch.tensor([0.1, 0.5, 1.1, 3.2], dtype=torch.float64)[torch.arange(1000) % 4]
    return trained_heads(conditions)[:conditions], queries, targets, lambdas


def every_kind_of_condition() -> tuple[FrozenHeads, Tensor, Tensor, Conditions]:
    """Heads, queries, a class each of three attributes, and richer conditions: half sets or mixtures, all weighted."""
    generator = torch.Generator().manual_seed(2)
    count, heads = 60, frozen(trained_heads())
    queries = torch.tanh(torch.randn(count, E, generator=generator, dtype=torch.float64))
    targets = torch.stack([torch.randint(k, (count,), generator=generator) for k in CLASSES], dim=1)
    wanted = Conditions.of_ids(targets, heads.classes, torch.float64).wanted
    wanted[0, ::2] = 1 - wanted[0, ::2]
    wanted[1, ::3] = 0.7 * wanted[1, ::3] + 0.3 * torch.eye(heads.classes, dtype=torch.float64)[0]
    any_of = torch.zeros(3, count, dtype=torch.bool)
    any_of[0, ::2] = True
    conditions = Conditions(wanted, any_of, torch.rand(3, count, generator=generator, dtype=torch.float64))
    return heads, queries, targets, conditions


def all_but_impossible_sets() -> tuple[FrozenHeads, Tensor, Conditions]:
    """A head too sure of itself, queries, and "any other class": of a probability that cannot be told from 0."""
    heads = trained_heads()[:1]
    heads[0][-1].weight.data *= 3000
    stacked, queries = frozen(heads), thousand(1)[1][:20]
    own = torch.nn.functional.one_hot(stacked.logits(queries)[0].argmax(1), stacked.classes)
    return stacked, queries, Conditions(1.0 - own[None].double(), any_of=torch.ones(1, 20, dtype=torch.bool))
