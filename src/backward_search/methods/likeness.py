"""The plain methods: by likeness to the query as it is, at random, or with images that pass a filter first."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from backward_search.gallery.memory import Gallery, Hits
from backward_search.methods.asking import LABELS, TRAINING, Ask
from backward_search.methods.config import AnswerConfig
from backward_search.methods.knowledge import Knowledge
from backward_search.methods.protocol import Method, Term
from backward_search.methods.scoring import Passed

FIRST = 4
"""Added to the score of an image that passes a filter: more than two cosines can differ by."""


class Random(Method):
    """Images drawn at random."""

    name = "random"
    summary = "images drawn at random"
    offered = False
    ignores_engine = True
    at_once = True

    def marks(self, config: AnswerConfig) -> str:
        """The seed, unless it is 0."""
        return f"-seed{config.seed}" if config.seed else ""

    def record(self, config: AnswerConfig) -> dict[str, Any]:
        """The seed."""
        return {"seed": config.seed}

    def find(self, known: Knowledge, ask: Ask, moved: Tensor, k: int, gallery: Gallery) -> Hits:
        """Rows drawn by the seed, with scores of 0."""
        generator = torch.Generator().manual_seed(ask.config.seed)
        rows = torch.stack([torch.randperm(len(gallery), generator=generator)[:k] for _ in range(len(moved))])
        return Hits(rows, torch.zeros(rows.shape))


class Unchanged(Method):
    """The query as it is."""

    name = "unchanged"
    summary = "the query as it is"


class Filter(Method):
    """Images whose class ids meet the condition stand first, each part by likeness.

    Attributes:
        passing: which class ids of the knowledge (A, N) those are.
    """

    passing: ClassVar[str]
    exact_only = True
    scores_cosines = False

    def terms(self, known: Knowledge, ask: Ask, moved: Tensor) -> list[Term]:
        """Likeness, and more for those that pass than it can differ by."""
        passed = Passed(ask.conditions, getattr(known, self.passing), torch.zeros_like(ask.queries))
        return [*super().terms(known, ask, moved), (FIRST, passed)]


class PredictedFilter(Filter):
    """By the labels that the images' own logits predict."""

    name = "predicted_filter"
    summary = "images predicted to meet the condition, by similarity"
    needs: ClassVar[frozenset[str]] = frozenset({TRAINING})
    passing = "predicted"


class LabelFilter(Filter):
    """By the true labels: what a fully labelled gallery would give."""

    name = "label_filter"
    summary = "images labelled to meet it, by similarity: a ceiling"
    needs: ClassVar[frozenset[str]] = frozenset({TRAINING, LABELS})
    offered = False
    passing = "labels"
