"""What a method is asked, and what it makes of the queries."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.methods.config import AnswerConfig

TRAINING, LABELS, STUDENT, CONTEXT = "training", "labels", "student", "context"
NEEDS = (TRAINING, LABELS, STUDENT, CONTEXT)
"""What a method can need beside the heads and the gallery: training images, the gallery's true labels, a student, a
context map."""


@dataclass(frozen=True)
class Ask:
    """Some queries as a method gets them.

    Attributes:
        queries: embeddings (B, E).
        conditions: theirs, on their device and in their precision.
        config: the settings; no knob is yet to be chosen.
        knobs: the value of the solver's knob for each query (B,), in place of the solver's own.
    """

    queries: Tensor
    conditions: Conditions
    config: AnswerConfig
    knobs: Tensor | None = None

    def at(self, rows: slice) -> "Ask":
        """Some of them."""
        some = torch.arange(len(self.queries), device=self.queries.device)[rows]
        knobs = None if self.knobs is None else self.knobs[rows]
        return Ask(self.queries[rows], self.conditions.at(some), self.config, knobs)

    @classmethod
    def joined(cls, asks: "Sequence[Ask]") -> "Ask":
        """Those of several in one, under the settings that they share; knobs have had their part in the move."""
        queries = torch.cat([ask.queries for ask in asks])
        return cls(queries, Conditions.joined([ask.conditions for ask in asks]), asks[0].config)


@dataclass(frozen=True)
class Moved:
    """Where a method moved queries.

    Attributes:
        embeddings: (B, E).
        steps: gradient evaluations of each (B,) int64.
        stopped: whether each stopped early (B,) bool.
    """

    embeddings: Tensor
    steps: Tensor
    stopped: Tensor

    @classmethod
    def at_once(cls, embeddings: Tensor) -> "Moved":
        """By a method that makes no steps."""
        steps = torch.zeros(len(embeddings), dtype=torch.int64)
        return cls(embeddings, steps, torch.zeros(len(embeddings), dtype=torch.bool))
