"""Searches of any kind, as strategies: heads, queries, and conditions of classes, sets, mixtures and weights."""

import functools

import torch
from hypothesis import strategies as st
from made_heads import CLASSES, E, trained_heads
from torch import Tensor, nn

from backward_search.conditions.batch import Conditions

WIDTH = max(CLASSES)


@functools.cache
def some_heads(seed: int, sharpness: float):
    """Heads, the more sure of themselves the sharper."""
    heads = trained_heads(seed)
    for head in heads:
        head[-1].weight.data *= sharpness
    return heads


@st.composite
def conditions(draw, count: int, attributes: int):
    """Of some queries; what is wanted of an attribute is a class, several, or a mixture."""
    wanted = torch.zeros(attributes, count, WIDTH, dtype=torch.float64)
    any_of = torch.zeros(attributes, count, dtype=torch.bool)
    for a in range(attributes):
        for row in range(count):
            some = draw(st.lists(st.integers(0, CLASSES[a] - 1), min_size=1, max_size=CLASSES[a], unique=True))
            any_of[a, row] = len(some) > 1 and draw(st.booleans())
            shares = torch.tensor([1.0] * len(some) if any_of[a, row] else [draw(st.integers(1, 9)) for _ in some])
            wanted[a, row, some] = (shares if any_of[a, row] else shares / shares.double().sum()).double()
    if not draw(st.booleans()):
        return Conditions(wanted, any_of if any_of.any() else None)
    each = st.lists(st.sampled_from((0.0, 0.5, 1.0, 3.0)), min_size=attributes, max_size=attributes)
    weights = [draw(each.filter(any)) for _ in range(count)]
    return Conditions(
        wanted, any_of if any_of.any() else None, torch.tensor(weights, dtype=torch.float64).T.contiguous()
    )


@st.composite
def problems(draw, most: int = 4):
    """Heads, queries, and what they want."""
    attributes, count = draw(st.integers(1, len(CLASSES))), draw(st.integers(1, most))
    heads = some_heads(draw(st.integers(0, 4)), draw(st.sampled_from((1.0, 8.0))))[:attributes]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    queries = torch.randn(count, E, generator=generator, dtype=torch.float64) * draw(
        st.sampled_from((0.0, 0.3, 1.0, 9.0))
    )
    return heads, torch.tanh(queries), draw(conditions(count, attributes))


def loss_of(heads: list[nn.Module], z: Tensor, wanted: Conditions) -> Tensor:
    """The loss of each point (B,), attribute by attribute, written from its definition."""
    losses, weights = [], []
    for a, head in enumerate(heads):
        log_p = head(z).log_softmax(1)
        target = wanted.wanted[a, :, : log_p.shape[1]]
        for row in range(len(z)):
            members = log_p[row][target[row] > 0]
            of_set = wanted.any_of is not None and bool(wanted.any_of[a, row])
            losses.append(-members.logsumexp(0) if of_set else -(target[row] * log_p[row]).sum())
            weights.append(1.0 if wanted.weight is None else float(wanted.weight[a, row]))
    loss = torch.stack(losses).reshape(len(heads), len(z))
    weight = torch.tensor(weights, dtype=loss.dtype).reshape(loss.shape)
    return (loss * weight).sum(0) / weight.sum(0)
