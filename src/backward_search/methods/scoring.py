"""What a method ranks by, as a scorer: over the whole gallery block by block, or over the rows an engine proposes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.gallery.memory import Scorer

LEAST = -1e30
"""The score of an image that cannot meet a condition: below all others, and still a hit where nothing else is left."""
VALUES_AT_ONCE = 2**22
"""Gathered probabilities of one pass of the exact scores, 32 MB in double precision."""


class Likelihood:
    """How probable it is that an image meets each query's condition: the logarithm.

    Attributes:
        pull: how far a weight of 1 draws an engine's search towards the class means, in lengths of a unit vector. Of
            several values the one that recalls most over the methods on glyphs, Fashion-MNIST and renderings of it.
    """

    pull = 3.0

    def __init__(self, conditions: Conditions, log_p: Tensor, direction: Callable[[], Tensor]) -> None:
        """Score images.

        Args:
            conditions: of B queries.
            log_p: log-probabilities of the gallery's classes (A, N, K).
            direction: gives the way to where images that meet the conditions lie, unit vectors (B, E).
        """
        self._conditions, self._log_p, self._direction = conditions, log_p, direction

    def __len__(self) -> int:
        """The number of queries."""
        return len(self._conditions)

    @property
    def guide(self) -> Tensor:
        """The way to where images lie that meet the conditions (B, E); made when an engine asks."""
        return self.pull * self._direction()

    def block(self, rows: slice) -> Tensor:
        """The log-probabilities of a slice of the gallery."""
        return self._conditions.log_likelihood(self._log_p[:, rows]).clamp(min=LEAST)

    def pairs(self, rows: Tensor) -> Tensor:
        """The log-probabilities of each query's own rows, summed in double precision."""
        attributes, _, classes = self._log_p.shape
        step = max(VALUES_AT_ONCE // (max(rows.shape[1], 1) * attributes * classes), 1)
        parts = []
        for some in torch.split(torch.arange(len(rows), device=rows.device), step):
            log_p = self._log_p[:, rows[some]].double()  # (A, b, n, K)
            parts.append(self._conditions.at(some).log_likelihood_of_own(log_p).float())
        return torch.cat(parts).clamp(min=LEAST)


class Probability(Likelihood):
    """The geometric mean, over the conditions, of their probabilities."""

    pull = 1.0

    def block(self, rows: slice) -> Tensor:
        """The probabilities of a slice of the gallery."""
        return self._conditions.mean_probability(super().block(rows))

    def pairs(self, rows: Tensor) -> Tensor:
        """The probabilities of each query's own rows."""
        return self._conditions.mean_probability(super().pairs(rows))


class Passed:
    """1 for images that meet each query's condition by their class ids, 0 for the others."""

    def __init__(self, conditions: Conditions, ids: Tensor, guide: Tensor) -> None:
        """Score images.

        Args:
            conditions: of B queries.
            ids: class ids of the gallery (A, N).
            guide: (B, E); zeros where likeness alone is to propose images.
        """
        self._conditions, self._ids, self.guide = conditions, ids, guide

    def __len__(self) -> int:
        """The number of queries."""
        return len(self._conditions)

    def block(self, rows: slice) -> Tensor:
        """Which images of a slice pass."""
        return self._conditions.met_by(self._ids[:, rows]).to(self.guide.dtype)

    def pairs(self, rows: Tensor) -> Tensor:
        """Which of each query's own rows pass."""
        return self._conditions.met_by(self._ids[:, rows]).to(self.guide.dtype)


class WeightedSum:
    """A sum of scores, each with a weight; what guides an engine is the same sum of their guides."""

    def __init__(self, terms: Sequence[tuple[float, Scorer]]) -> None:
        """Add up at least one term: (weight, scorer)."""
        self._terms = list(terms)

    def __len__(self) -> int:
        """The number of queries."""
        return len(self._terms[0][1])

    @property
    def guide(self) -> Tensor:
        """The vectors (B, E) whose cosine with an image comes closest to the sum."""
        return torch.stack([weight * scorer.guide for weight, scorer in self._terms]).sum(0)

    def block(self, rows: slice) -> Tensor:
        """The scores of a slice of the gallery."""
        return self._sum([scorer.block(rows) for _, scorer in self._terms])

    def pairs(self, rows: Tensor) -> Tensor:
        """The scores of each query's own rows."""
        return self._sum([scorer.pairs(rows) for _, scorer in self._terms])

    def _sum(self, parts: list[Tensor]) -> Tensor:
        total = self._terms[0][0] * parts[0]
        for (weight, _), part in zip(self._terms[1:], parts[1:], strict=True):
            total += weight * part
        return total
