"""The teacher's way from a query to its answer, and a map of the embedding space to see it on."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.errors import OptionError
from backward_search.methods.answers import Answerer

SPOTS = 2500
"""Gallery images on a map, at most."""
NEIGHBOURS, SHARPNESS = 10, 0.015
"""How a point is put among others: by so many of them, of which one loses a factor e for so much less cosine."""
NAMES = {"tsne": "t-SNE", "umap": "UMAP", "pca": "principal components"}


@dataclass(frozen=True)
class Walk:
    """The way of one query under one lambda: t_0 ... t_n, (n + 1, E), of which t_n is the teacher's answer.

    The lambda is None for the solver that has none.
    """

    lambda_: float | None
    points: Tensor

    @property
    def steps(self) -> int:
        """How many steps lead to the answer."""
        return len(self.points) - 1


def walks(
    answerer: Answerer, query: Tensor, targets: Tensor | Conditions, lambdas: Sequence[float | None]
) -> list[Walk]:
    """The ways of one query under several lambdas.

    Args:
        answerer: of the teacher.
        query: its embedding (1, E).
        targets: what is wanted: class ids (1, A), or a richer condition.
        lambdas: one for each way; None alone for the solver that has none.
    """
    count = len(lambdas)
    wanted = targets.repeat(count, 1) if isinstance(targets, Tensor) else targets.repeated(count)
    strengths = None if None in lambdas else query.new_tensor(lambdas)
    found = answerer.teacher.search(query.repeat(count, 1), wanted, lambdas=strengths, trace=True)
    assert found.path is not None
    last = (found.path - found.embeddings[:, None]).abs().sum(2).argmin(1)  # the kept point is one of them
    ends = zip(lambdas, found.path, last.tolist(), strict=True)
    return [Walk(value, path[: step + 1]) for value, path, step in ends]


def stops(steps: int, rows: int) -> list[int]:
    """The steps of a way that are shown: `rows` of them, evenly spaced, the first and the last among them.

    >>> stops(21, 3)
    [0, 10, 21]
    """
    if rows < 2:
        return [steps]
    return sorted({round(steps * i / (rows - 1) - 1e-9) for i in range(rows)})


def spots(first: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Which of `count` gallery images a map shows: at most `SPOTS`, those of `first` (a mask) before others."""
    order = np.random.default_rng(seed).permutation(count)
    order = order[np.argsort(~first[order], kind="stable")]
    return np.sort(order[:SPOTS])


def flattened(vectors: Tensor, ways: Sequence[Tensor], how: str, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """A map of vectors in the plane, in which those of a small angle are near, and where ways lie on it.

    t-SNE and UMAP know the vectors alone: beside them the points of a way would be neighbours of one another first, and
    an island. They are put among the vectors that are nearest to them instead. Principal components are of the vectors,
    and the ways are projected on them.

    Args:
        vectors: (M, E).
        ways: points (n, E) each.
        how: "tsne", "umap" or "pca".
        seed: of the first two.

    Returns:
        The vectors (M, 2), and each way (n, 2).

    Raises:
        OptionError: UMAP is not installed.
    """
    unit, *lines = (_unit(each) for each in (vectors, *ways))
    if how == "pca":
        middle = unit.mean(0)
        axes = np.linalg.svd(unit - middle, full_matrices=False)[2][:2].T
        return (unit - middle) @ axes, [(line - middle) @ axes for line in lines]
    flat = _umap(unit, seed) if how == "umap" else _tsne(unit, seed)
    return flat, [_among(unit, flat, line) for line in lines]


def _unit(vectors: Tensor) -> np.ndarray:
    return np.asarray(torch.nn.functional.normalize(vectors, dim=1).cpu().double().numpy())


def _tsne(unit: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE  # a second that only the map spends

    perplexity = min(30.0, (len(unit) - 1) / 3)
    return np.asarray(TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=seed).fit_transform(unit))


def _umap(unit: np.ndarray, seed: int) -> np.ndarray:
    try:
        umap = importlib.import_module("umap")
    except ImportError:
        raise OptionError("--map umap needs another package: pip install umap-learn, or pass tsne or pca") from None
    return np.asarray(umap.UMAP(metric="cosine", random_state=seed).fit_transform(unit))


def _among(unit: np.ndarray, flat: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The mean place of the vectors nearest to each point, those of the largest cosine counting most."""
    cosine = points @ unit.T
    near = np.argsort(-cosine, axis=1)[:, :NEIGHBOURS]
    nearness = np.take_along_axis(cosine, near, axis=1)
    weight = np.exp((nearness - nearness[:, :1]) / SHARPNESS)
    return np.asarray((weight[..., None] * flat[near]).sum(1) / weight.sum(1, keepdims=True))
