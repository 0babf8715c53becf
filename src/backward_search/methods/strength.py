"""Choosing how much the condition weighs against likeness, on training images alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from backward_search.gallery.memory import ranked
from backward_search.methods.answers import Answerer
from backward_search.methods.registry import Method

WEIGHTS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)
"""What is tried for the weight of a log-probability."""
STRENGTHS = (*(round(0.05 * step, 2) for step in range(1, 15)), 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0)
"""What is tried for the strength of a graded method."""
QUERIES, GALLERY, HITS = 500, 10_000, 10
"""Training images that are asked, and searched, at most; and the hits that are judged."""
LEAST = 200
"""Of fewer held-out images a trial says too little: it is then made among those that were trained on."""


@dataclass(frozen=True)
class Trial:
    """A search among training images.

    Attributes:
        answerer: its gallery are training images.
        embeddings: of the gallery (N, E).
        rows: the gallery row of each query (B,).
        targets: class ids of the conditions (B, A): the labels of other training images, so that they occur together.
    """

    answerer: Answerer
    embeddings: Tensor
    rows: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Sample:
    """Which training images a trial is made of.

    Attributes:
        gallery: their training rows (N,).
        queries: the places of the queries among those (B,).
        targets: class ids of the conditions (B, A): the labels of other images of the gallery.
    """

    gallery: Tensor
    queries: Tensor
    targets: Tensor

    @classmethod
    def drawn(cls, ids: Tensor, held_out: Tensor | None, seed: int) -> "Sample":
        """Draw one: among the training images that were held out, if they are enough, else among all.

        Args:
            ids: class ids of the training images in each conditioned attribute (M, A).
            held_out: the rows of those that were kept from training.
            seed: of the draw.
        """
        enough = held_out is not None and len(held_out) >= LEAST
        among = held_out if held_out is not None and enough else torch.arange(len(ids), device=ids.device)
        generator = torch.Generator().manual_seed(seed)
        gallery = among[torch.randperm(len(among), generator=generator)[:GALLERY].to(ids.device)]
        queries = torch.randperm(len(gallery), generator=generator)[:QUERIES].to(ids.device)
        lenders = torch.randint(len(gallery), (len(queries),), generator=generator).to(ids.device)
        return cls(gallery, queries, ids[gallery[lenders]])


def tried(how: Method) -> Sequence[float]:
    """The weights, or strengths, that are tried for a method, rising."""
    return STRENGTHS if how.graded else WEIGHTS


@torch.no_grad()
def choose_weight(trial: Trial, how: Method, aim: str, share: float) -> float:
    """Choose the weight of the condition's log-probability, or the strength of a graded method.

    For "precision" it is the smallest that attains the share of the precision@10 of the largest; for "context" the
    largest that keeps the share of the context@10 (mean cosine of query and hits) of the smallest. The query's own
    image is no hit.

    Args:
        trial: what is searched among.
        how: the method.
        aim: "precision" or "context".
        share: in (0, 1].
    """
    queries = trial.embeddings[trial.rows]
    if aim == "context":
        values = trial.answerer.gallery.similarity(queries)
    else:
        values = trial.answerer.labelled(queries, trial.targets).to(queries.dtype)
    weights = tried(how)
    reached = [float(values.gather(1, _hits(trial, how, weight)).mean()) for weight in weights]
    if aim == "context":
        kept = (weight for weight, value in zip(weights, reached, strict=True) if value >= share * reached[0])
        return max(kept, default=weights[0])
    return next(weight for weight, value in zip(weights, reached, strict=True) if value >= share * reached[-1])


def _hits(trial: Trial, how: Method, weight: float) -> Tensor:
    """The gallery rows (B, k) that the queries find under a weight, their own image left out."""
    answerer, queries = replace(trial.answerer, weight=weight), trial.embeddings[trial.rows]
    moved = answerer.move(how, queries, trial.targets).embeddings
    scores = answerer.scores(how, queries, moved, trial.targets)
    scores[torch.arange(len(queries)), trial.rows] = -torch.inf
    return ranked(scores, min(HITS, len(trial.embeddings) - 1)).rows
