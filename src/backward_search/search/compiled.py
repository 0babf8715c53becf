"""The search of a single query, compiled: the same steps as the solvers for batches, without a call per operation.

Needs numba (`pip install -r requirements-fast.txt`). The first search compiles, for some ten seconds; what it compiled
is kept beside this file for the next process.
"""

import importlib.util
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backward_search.errors import MissingError
from backward_search.search.backward import PATIENCE, SearchConfig, SearchResult
from backward_search.search.conditions import Conditions
from backward_search.search.heads import FrozenHeads
from backward_search.search.manifold import ManifoldConfig
from backward_search.search.single import condition_arrays

HAS_NUMBA = importlib.util.find_spec("numba") is not None


class CompiledSearch:
    """Searches one query at a time on the CPU; for a service that answers single queries, not for batches."""

    def __init__(self, heads: FrozenHeads) -> None:
        """Take the weights over.

        Args:
            heads: the conditioned heads, on the CPU.

        Raises:
            MissingError: numba is not installed.
        """
        _require_numba()
        from backward_search.search.compiled_kernel import search_one

        self._search_one = search_one
        w1, rest, self._biases = _layers(heads)
        self._layers = (w1, *rest)
        self._classes, self._dtype = heads.classes, heads.layers[0][0].dtype

    def __call__(self, query: Tensor, targets: Tensor | Conditions, config: SearchConfig) -> SearchResult:
        """Move one query; see `search.backward_search`.

        Args:
            query: its embedding (1, E), on the CPU.
            targets: class ids (1, A), or richer conditions of one query.
            config: how far and how fast.
        """
        if isinstance(targets, Tensor):
            targets = Conditions.of_ids(targets, self._classes, self._dtype)
        start = query[0].to(self._dtype).contiguous().numpy()
        rest = (*self._layers, *self._biases, *condition_arrays(targets, start.dtype), *_numbers(config))
        z, steps, loss, stopped = self._search_one(start, *rest)
        embedding = torch.from_numpy(z)[None]
        return SearchResult(embedding, torch.tensor([steps]), embedding.new_tensor([loss]), torch.tensor([stopped]))


class CompiledManifold:
    """The same for the manifold solver."""

    def __init__(self, heads: FrozenHeads, spread: Tensor) -> None:
        """Take the weights over.

        Args:
            heads: the conditioned heads, on the CPU.
            spread: the covariance of the training embeddings (E, E).

        Raises:
            MissingError: numba is not installed.
        """
        _require_numba()
        from backward_search.search.manifold_kernel import manifold_one

        self._manifold_one = manifold_one
        first = heads.layers[0][0].cpu()
        back = torch.matmul(first, spread.to(first))
        gram = torch.einsum("ahe,bie->abhi", back, first)
        w1, rest, self._biases = _layers(heads)
        self._layers = (w1, back.contiguous().numpy(), gram.contiguous().numpy(), *rest)
        self._classes, self._dtype = heads.classes, first.dtype

    def __call__(self, query: Tensor, targets: Tensor | Conditions, config: ManifoldConfig) -> SearchResult:
        """Move one query; see `manifold.manifold_search`.

        Args:
            query: its embedding (1, E), on the CPU.
            targets: class ids (1, A), or richer conditions of one query.
            config: how far and how fast.
        """
        floor = 0.0
        if isinstance(targets, Tensor):
            targets = Conditions.of_ids(targets, self._classes, self._dtype)
        else:
            floor = float(targets.floor())
        start = query[0].to(self._dtype).contiguous().numpy()
        numbers: tuple[Any, ...] = (floor, -math.log(config.target_probability), config.step, config.max_itr)
        rest = (*self._layers, *self._biases, *condition_arrays(targets, start.dtype), *numbers)
        z, steps, loss, met = self._manifold_one(start, *rest)
        embedding = torch.from_numpy(z)[None]
        return SearchResult(
            embedding,
            torch.tensor([steps]),
            embedding.new_tensor([loss]),
            torch.tensor([met]),
            stopped_by="condition met",
        )


def _require_numba() -> None:
    if not HAS_NUMBA:
        raise MissingError("the compiled search needs numba: pip install -r requirements-fast.txt")


def _layers(heads: FrozenHeads) -> tuple[np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """The first layers; the others, transposed where a product skips the inputs that are 0; and the biases."""
    (w1, b1), (w2, b2), (w3, b3) = ((weight.cpu(), bias.cpu()) for weight, bias in heads.layers)
    rest = tuple(matrix.contiguous().numpy() for matrix in (w2, w2.mT, w3, w3.mT))
    return w1.contiguous().numpy(), rest, tuple(bias[:, 0].contiguous().numpy() for bias in (b1, b2, b3))


def _numbers(config: SearchConfig) -> tuple[Any, ...]:
    patience = PATIENCE if config.early_stopping else -1
    return config.lambda_, config.lr, config.max_itr, patience, *config.betas, config.eps
