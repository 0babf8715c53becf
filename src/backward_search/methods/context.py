"""The methods that ask two questions: what shares most with the query by the context map, what meets the condition.

With f the context map under the conditioned attributes (`context.network`), z0 the query, z where it is moved to, x an
image and P(x) the geometric mean of the probabilities of the conditions.
"""

from typing import ClassVar

from torch import Tensor

from backward_search.gallery.memory import CosineScorer
from backward_search.methods.asking import CONTEXT, TRAINING, Ask, Moved
from backward_search.methods.knowledge import Knowledge
from backward_search.methods.moving import SHIFT
from backward_search.methods.null_space import STRENGTH, TRIED
from backward_search.methods.protocol import Method, Term
from backward_search.solvers.protocol import Knob

SHIFTED = 0.3
"""The share of `best`'s likeness that is likeness to the shifted query; chosen on training images (docs/methods.md)."""


class Context(Method):
    """cos(f(z0), f(x)) + s P(x), s being its strength: at 0 likeness alone, at 2 little but the condition."""

    name = "context"
    summary = "what is shared with the query by the context map, and the probability of the condition"
    knobs: ClassVar[tuple[Knob, ...]] = (STRENGTH,)
    needs: ClassVar[frozenset[str]] = frozenset({TRAINING, CONTEXT})
    tried = TRIED
    scores_cosines = False

    def terms(self, known: Knowledge, ask: Ask, moved: Tensor) -> list[Term]:
        """What is shared, and the probability."""
        strength = ask.config.value(STRENGTH)
        shared: Term = (1.0, known.context.of(ask.queries))
        return [shared, *([(strength, known.probability(ask))] if strength else [])]


class Best(Context):
    """0.7 cos(f(z0), f(x)) + 0.3 cos(z, x) + s P(x): s is its strength.

    The query is moved the share s of the shift between class means, at most the whole of it; so s = 0 asks for likeness
    alone. What no token says of an image, such as that it shows the very same thing, the moved query finds.
    """

    name = "best"
    summary = "what is shared with the query, likeness to the shifted query, and the probability of the condition"
    knobs = (STRENGTH, SHIFT)

    def move(self, known: Knowledge, ask: Ask) -> Moved:
        """By part of the shift."""
        share = min(ask.config.value(STRENGTH), 1)
        return Moved.at_once(known.shifted(ask, ask.config.value(SHIFT) * share))

    def terms(self, known: Knowledge, ask: Ask, moved: Tensor) -> list[Term]:
        """Both likenesses, and the probability."""
        (_, shared), *probability = super().terms(known, ask, moved)
        near: Term = (SHIFTED, CosineScorer(moved, known.gallery.vectors))
        return [(1 - SHIFTED, shared), near, *probability]
