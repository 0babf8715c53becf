"""The teacher's way from a query to its answer, and a map of the embedding space to see it on."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.errors import OptionError
from backward_search.methods.assembler import Assembler
from backward_search.methods.config import AnswerConfig

SPOTS = 2500
"""Gallery images on a map, at most."""
NEIGHBOURS, SHARPNESS = 10, 0.015
"""How a point is put among others: by so many of them, of which one loses a factor e for so much less cosine."""
NAMES = {"tsne": "t-SNE", "umap": "UMAP", "pca": "principal components"}


@dataclass(frozen=True)
class Walk:
    """The way of one query under one strength: t_0 ... t_n, (n + 1, E), of which t_n is the answer.

    The strength is the value of the solver's knob; None where there is one for all queries.
    """

    strength: float | None
    points: Tensor

    @property
    def steps(self) -> int:
        """How many steps lead to the answer."""
        return len(self.points) - 1


def walks(
    assembler: Assembler,
    names: Sequence[str],
    query: Tensor,
    conditions: Conditions,
    config: AnswerConfig,
    strengths: Sequence[float | None],
) -> list[Walk]:
    """The teacher's ways with one query under several strengths.

    Args:
        assembler: of the gallery.
        names: the conditioned attributes.
        query: its embedding (1, E).
        conditions: what is wanted.
        config: how the teacher searches.
        strengths: one for each way; None alone for a solver with one for all queries.
    """
    count = len(strengths)
    knobs = None if None in strengths else query.new_tensor(strengths)
    queries, wanted = query.repeat(count, 1), conditions.repeated(count)
    found = assembler.asked("teacher", names, queries, wanted, config, knobs).ways()
    return [Walk(value, points) for value, points in zip(strengths, found, strict=True)]


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
