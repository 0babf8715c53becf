"""The methods that ask two questions, likeness being taken outside the conditioned attributes' subspace.

What is like the query apart from the condition, and what meets the condition? With z0 the query, z where it is moved
to, x an image, and Q what takes the conditioned attributes' subspace out (`concept.Likeness`),
n(z0, x) = cos(Q (z0 - m), Q (x - m)) is likeness apart from the condition.
"""

from typing import ClassVar

from torch import Tensor

from backward_search.gallery.memory import CosineScorer
from backward_search.methods.asking import TRAINING, Ask, Moved
from backward_search.methods.config import AUTO
from backward_search.methods.knowledge import Knowledge
from backward_search.methods.moving import SHIFT
from backward_search.methods.protocol import Method, Term
from backward_search.solvers.protocol import Knob

STRENGTH = Knob(
    *("strength", "strength", "strength"),
    "0: what is like the query; 1 and more: what meets the condition",
    *(0.0, 2.0, AUTO),
)
"""How much the probability of the condition counts beside likeness."""
TRIED = (*(round(0.05 * step, 2) for step in range(1, 15)), 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0)
"""The values of it that are tried where it is to be chosen."""


class ConceptNull(Method):
    """n(z0, x) + w log p(condition | x), w being its strength."""

    name = "concept_null"
    summary = "likeness apart from the condition, and its probability"
    knobs = (Knob("strength", "strength", "strength", "weight of the condition's log-probability", 0.0, 1.0, 0.1),)
    needs: ClassVar[frozenset[str]] = frozenset({TRAINING})
    tried = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)
    offered = False
    scores_cosines = False

    def terms(self, known: Knowledge, ask: Ask, moved: Tensor) -> list[Term]:
        """Likeness apart from the condition, and the log-probability."""
        weight = ask.config.value(self.knobs[0])
        likeness: Term = (1.0, known.likeness.of(ask.queries))
        return [likeness, *([(weight, known.likelihood(ask))] if weight else [])]


class ShiftNull(Method):
    """(cos(z, x) + n(z0, x)) / 2 + s P(x): s is its strength, P the geometric mean of the conditions' probabilities.

    The query is moved the share s of the shift between class means, at most the whole of it; so s = 0 asks for likeness
    alone. A sum of likeness and probability, not its logarithm, is what the expected number of hits that meet the
    condition is worth against their likeness; and no image is out of reach for being improbable.
    """

    name = "shift_null"
    summary = "likeness to the shifted query, likeness apart from the condition, and its probability"
    knobs = (STRENGTH, SHIFT)
    needs: ClassVar[frozenset[str]] = frozenset({TRAINING})
    tried = TRIED
    scores_cosines = False

    def move(self, known: Knowledge, ask: Ask) -> Moved:
        """By part of the shift."""
        share = min(ask.config.value(self.knobs[0]), 1)
        return Moved.at_once(known.shifted(ask, ask.config.value(SHIFT) * share))

    def terms(self, known: Knowledge, ask: Ask, moved: Tensor) -> list[Term]:
        """Both likenesses, and the probability."""
        strength = ask.config.value(self.knobs[0])
        likeness: list[Term] = [
            (0.5, CosineScorer(moved, known.gallery.vectors)),
            (0.5, known.likeness.of(ask.queries)),
        ]
        return [*likeness, *([(strength, known.probability(ask))] if strength else [])]
