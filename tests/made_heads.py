"""Heads with random weights and statistics, as if trained, for the tests of what runs through them."""

import torch
from torch import nn

from backward_search.network.model import Head
from backward_search.search.heads import FrozenHeads

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
