"""What a method is: it moves queries, scores images, and says what it needs and which number sets its strength."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.gallery.memory import CosineScorer, Gallery, Hits, Scorer
from backward_search.methods.config import AnswerConfig
from backward_search.methods.scoring import Likelihood, WeightedSum
from backward_search.solvers.protocol import Knob, knob_value, turned

if TYPE_CHECKING:  # which puts methods and what they need together
    from backward_search.methods.knowledge import Knowledge

TRAINING, LABELS, STUDENT = "training", "labels", "student"
NEEDS = (TRAINING, LABELS, STUDENT)
"""What a method can need beside the heads and the gallery: training images, the gallery's true labels, a student."""

Term = tuple[float, Scorer]
"""A weight, and what it weighs."""


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

    def move(self, known: "Knowledge", ask: Ask) -> Moved:
        """The queries as the method moves them."""
        return Moved.at_once(ask.queries)

    def terms(self, known: "Knowledge", ask: Ask, moved: Tensor) -> list[Term]:
        """What is added up to the score of an image, at least one term.

        Args:
            known: what is known of gallery and attributes.
            ask: the queries.
            moved: the same, moved (B, E).
        """
        return [(1.0, CosineScorer(moved, known.gallery.vectors))]

    def scorer(self, known: "Knowledge", ask: Ask, moved: Tensor) -> Scorer:
        """What scores gallery images for each query: the terms, and by `rerank` the condition's log-probability."""
        terms = self.terms(known, ask, moved)
        if ask.config.rerank:
            terms = _reranked(terms, ask.config.rerank, known.likelihood(ask))
        (weight, first), *others = terms
        return first if not others and weight == 1 else WeightedSum(terms)

    def find(self, known: "Knowledge", ask: Ask, moved: Tensor, k: int, gallery: Gallery) -> Hits:
        """The `k` best images of a gallery for each query; see `terms`."""
        return gallery.best(self.scorer(known, ask, moved), k)

    def way(self, known: "Knowledge", ask: Ask) -> list[Tensor]:
        """For each query the points of its way (n + 1, E), from itself to where it is moved."""
        return list(torch.stack([ask.queries, self.move(known, ask).embeddings], dim=1))

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
