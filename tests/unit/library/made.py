"""A searcher on made heads and embeddings."""

import torch
from torch import nn

from backward_search import Searcher
from backward_search.student.network import Student

LABELS = {"style": ["Baroque", "Rococo", "Cubism"], "genre": ["portrait", "landscape"]}
E, N = 16, 400


def heads():
    torch.manual_seed(0)
    return {name: nn.Sequential(nn.Linear(E, 12), nn.Tanh(), nn.Linear(12, len(k))) for name, k in LABELS.items()}


def gallery(count=N):
    return torch.randn(count, E, generator=torch.Generator().manual_seed(1))


def truth(count=N):
    generator = torch.Generator().manual_seed(2)
    return {name: torch.randint(len(labels), (count,), generator=generator) for name, labels in LABELS.items()}


def students():
    torch.manual_seed(3)
    return {("style",): Student(E, [3]).eval(), ("style", "genre"): Student(E, [3, 2]).eval()}


def searcher(count=N, **more):
    given = {"keys": [f"image{i}" for i in range(count)], "truth": truth(count), "students": students()} | more
    return Searcher(heads(), LABELS, gallery(count), **given)
