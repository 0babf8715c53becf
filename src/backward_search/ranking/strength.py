"""Choosing how much the condition weighs against likeness, on the training split alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from backward_search.galleries.gallery import ranked
from backward_search.ranking.answers import Answerer
from backward_search.ranking.methods import Method

WEIGHTS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)
"""What is tried."""
QUERIES, GALLERY, HITS = 500, 10_000, 10
"""Training images that are asked, and searched, at most; and the hits that are judged."""


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


def sample(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """What a trial is made of.

    Returns:
        The training rows of its gallery; and, as places among those, the queries and the images whose labels they want.
    """
    generator = torch.Generator().manual_seed(seed)
    gallery = torch.randperm(count, generator=generator)[:GALLERY]
    queries = torch.randperm(len(gallery), generator=generator)[:QUERIES]
    return gallery, queries, torch.randint(len(gallery), (len(queries),), generator=generator)


@torch.no_grad()
def choose_weight(trial: Trial, how: Method, aim: str, share: float) -> float:
    """Choose the weight of the condition's log-probability.

    For "precision" it is the smallest weight that attains the share of the precision@10 of the largest one; for
    "context" the largest that keeps the share of the context@10 (mean cosine of query and hits) of the smallest one.
    The query's own image is no hit.

    Args:
        trial: what is searched among.
        how: the method.
        aim: "precision" or "context".
        share: in (0, 1].
    """
    queries = trial.embeddings[trial.rows]
    moved = trial.answerer.move(how, queries, trial.targets).embeddings
    plain = trial.answerer.scores(how, queries, moved, trial.targets, 0.0)
    plain[torch.arange(len(queries)), trial.rows] = -torch.inf
    probability = trial.answerer.log_likelihood(queries, trial.targets)
    if aim == "context":
        values = trial.answerer.gallery.similarity(queries)
    else:
        values = trial.answerer.labelled(queries, trial.targets).to(queries.dtype)
    hits = [ranked(plain + weight * probability, HITS).rows for weight in WEIGHTS]
    reached = [float(values.gather(1, rows).mean()) for rows in hits]
    if aim == "context":
        kept = [weight for weight, value in zip(WEIGHTS, reached, strict=True) if value >= share * reached[0]]
        return kept[-1] if kept else WEIGHTS[0]
    return next(weight for weight, value in zip(WEIGHTS, reached, strict=True) if value >= share * reached[-1])
