"""What a method is: it moves queries, scores images, and says what it needs and which number sets its strength."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from backward_search.gallery.memory import CosineScorer, Gallery, Hits, Scorer
from backward_search.methods.asking import TRAINING, Ask, Moved
from backward_search.methods.config import AnswerConfig
from backward_search.methods.knowledge import Knowledge
from backward_search.methods.scoring import Likelihood, WeightedSum
from backward_search.solvers.protocol import Knob, knob_value, turned

Term = tuple[float, Scorer]
"""A weight, and what it weighs."""


class Method:
    """A way to answer queries. This one leaves them where they are, and ranks by cosine; others say what they change.

    Attributes:
        name: as in `--method`.
        summary: in a few words.
        knobs: what of its own can be set; the first is its slider.
        searches: whether the solver, or an imitation of it, moves the query: its knob is the slider then.
        needs: of `NEEDS`.
        exact_only: whether it wants images that an engine would not propose, however unlike the query they are.
        tried: the values of the first knob that are tried where it is to be chosen, rising.
        offered: whether the explorer offers it.
        scores_cosines: whether its scores are cosines with the moved query.
        ignores_engine: whether no index has a part in its hits.
        at_once: whether it answers all queries at once, not in batches.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    knobs: ClassVar[tuple[Knob, ...]] = ()
    searches: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset()
    exact_only: ClassVar[bool] = False
    tried: ClassVar[Sequence[float]] = ()
    offered: ClassVar[bool] = True
    scores_cosines: ClassVar[bool] = True
    ignores_engine: ClassVar[bool] = False
    at_once: ClassVar[bool] = False

    def asks(self, config: AnswerConfig) -> frozenset[str]:
        """What it needs under some settings, of `NEEDS`."""
        return self.needs | {TRAINING} if config.rerank else self.needs

    def marks(self, config: AnswerConfig) -> str:
        """The part of a result's file name that says how settings beside its slider's and knobs' differ from usual."""
        return ""

    def record(self, config: AnswerConfig) -> dict[str, Any]:
        """Further settings that its hits depend on, for the record of a result."""
        return {}

    def move(self, known: Knowledge, ask: Ask) -> Moved:
        """The queries as the method moves them."""
        return Moved.at_once(ask.queries)

    def terms(self, known: Knowledge, ask: Ask, moved: Tensor) -> list[Term]:
        """What is added up to the score of an image, at least one term.

        Args:
            known: what is known of gallery and attributes.
            ask: the queries.
            moved: the same, moved (B, E).
        """
        return [(1.0, CosineScorer(moved, known.gallery.vectors))]

    def scorer(self, known: Knowledge, ask: Ask, moved: Tensor) -> Scorer:
        """What scores gallery images for each query: the terms, and by `rerank` the condition's log-probability."""
        terms = self.terms(known, ask, moved)
        if ask.config.rerank:
            terms = _reranked(terms, ask.config.rerank, known.likelihood(ask))
        (weight, first), *others = terms
        return first if not others and weight == 1 else WeightedSum(terms)

    def find(self, known: Knowledge, ask: Ask, moved: Tensor, k: int, gallery: Gallery) -> Hits:
        """The `k` best images of a gallery for each query; see `terms`."""
        return gallery.best(self.scorer(known, ask, moved), k)

    def traced(self, known: Knowledge, ask: Ask) -> tuple[Moved, list[Tensor]]:
        """The queries as `move` moves them, and the points of each one's way (n + 1, E), from itself to there."""
        moved = self.move(known, ask)
        return moved, list(torch.stack([ask.queries, moved.embeddings], dim=1))

    def slider(self, config: AnswerConfig) -> Knob | None:
        """The knob that says how far it goes, if one does."""
        return config.solver.knob if self.searches else next(iter(self.knobs), None)

    def at(self, config: AnswerConfig, value: float) -> AnswerConfig:
        """The settings with the slider at a value."""
        knob = self.slider(config)
        assert knob is not None
        if not self.searches:
            return replace(config, knobs={**config.knobs, knob.option: value})
        return replace(config, solver=turned(config.solver, value))

    def strength(self, config: AnswerConfig) -> float | str | None:
        """The value of the slider; "auto" where it is yet to be chosen."""
        if self.searches:
            return knob_value(config.solver)
        return config.raw(self.knobs[0]) if self.knobs else None


def _reranked(terms: list[Term], weight: float, likelihood: Likelihood) -> list[Term]:
    """The terms with so much more weight of the log-probability, which may be one of them already."""
    there = [type(scorer) is Likelihood for _, scorer in terms]
    if not any(there):
        return [*terms, (weight, likelihood)]
    return [(own + weight, scorer) if it else (own, scorer) for (own, scorer), it in zip(terms, there, strict=True)]
