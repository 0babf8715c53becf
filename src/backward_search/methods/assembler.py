"""The one place where methods get what they need: for scripts, figures, the explorer and programs alike."""

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.gallery.memory import ExactEngine, Hits
from backward_search.methods.asking import Ask, Moved
from backward_search.methods.config import AUTO, Aim, AnswerConfig
from backward_search.methods.knowledge import Knowledge
from backward_search.methods.protocol import Method
from backward_search.methods.registry import METHODS
from backward_search.methods.source import Source
from backward_search.methods.strength import choose_strength
from backward_search.once import Once
from backward_search.together import Together

MOVING = threading.Lock()
"""Of the threads that ask single queries one moves its own at a time: so short steps only fight for the interpreter."""


@dataclass(frozen=True)
class Answer:
    """The hits of some queries.

    Attributes:
        hits: per query.
        moved: where the queries were moved to.
    """

    hits: Hits
    moved: Moved

    def part(self, rows: slice) -> "Answer":
        """The answer to some of the queries."""
        return Answer(*(_part(each, rows) for each in (self.hits, self.moved)))


@dataclass(frozen=True)
class Choice:
    """What the choice of a strength depends on.

    Attributes:
        method: its name.
        names: the conditioned attributes.
        aim: what it is chosen for.
        seed: of the draw of training images.
        knobs: the method's other knobs that were given, by option, in order.
    """

    method: str
    names: tuple[str, ...]
    aim: Aim
    seed: int
    knobs: tuple[tuple[str, float | str], ...]


class Assembler:
    """Answers queries over one source by every method; what is known is kept, and may be asked for by any thread."""

    def __init__(self, source: Source, *, most: int | None = None) -> None:
        """Of a source, from which nothing is taken before it is needed; of `most` sets of attributes it is kept."""
        self.source, self._once, self._strengths = source, Once(most), Once()
        self._ranking = Ranking(ranked_together, Moving.like)

    def knowledge(self, names: Sequence[str]) -> Knowledge:
        """What is known under some conditioned attributes."""
        key = tuple(names)
        return self._once(key, lambda: Knowledge(self.source, key))

    def settled(self, method: str, names: Sequence[str], config: AnswerConfig) -> AnswerConfig:
        """The settings with the method's first knob chosen on training images where it is to be."""
        how = METHODS.find(method)()
        if not how.knobs or how.searches or config.raw(how.knobs[0]) != AUTO:
            return config
        first = how.knobs[0].option
        others = tuple(sorted((option, value) for option, value in config.knobs.items() if option != first))
        choice = Choice(method, tuple(names), config.aim, config.seed, others)
        value = self._strengths(choice, lambda: choose_strength(self.knowledge(names), how, config))
        return replace(config, knobs={**config.knobs, first: value})

    @property
    def strengths(self) -> dict[Choice, float]:
        """The strengths that have been chosen so far."""
        return {choice: value for choice, value in self._strengths.made().items() if isinstance(choice, Choice)}

    def keep_strength(self, choice: Choice, value: float) -> None:
        """Take a strength as chosen, so that it is not chosen again."""
        self._strengths(choice, lambda: value)

    def asked(
        self,
        method: str,
        names: Sequence[str],
        queries: Tensor,
        conditions: Conditions,
        config: AnswerConfig,
        knobs: Tensor | None = None,
    ) -> "Asked":
        """Some queries, ready to be answered.

        Args:
            method: a name of `registry.METHODS`.
            names: the conditioned attributes, in the order of the conditions.
            queries: embeddings (B, E).
            conditions: theirs.
            config: the settings.
            knobs: the value of the solver's knob for each query (B,), in place of the solver's own.
        """
        settled = self.settled(method, names, config)
        ask = Ask(queries, conditions.to(queries.device, queries.dtype), settled, knobs)
        return Asked(METHODS.find(method)(), self.knowledge(names), ask, self._ranking)

    def answer(
        self, method: str, names: Sequence[str], queries: Tensor, conditions: Conditions, config: AnswerConfig, k: int
    ) -> "Answer":
        """The `k` hits of each query; see `asked`."""
        return self.asked(method, names, queries, conditions, config).answer(k)

    def refusal(self, method: str, names: Sequence[str], config: AnswerConfig) -> str:
        """Why a method cannot answer conditions on some attributes, in words; "" where it can."""
        how = METHODS.find(method)()
        if not isinstance(self.source.gallery.engine, ExactEngine) and (words := why_exact(how)):
            return words
        return next(filter(None, (self.source.lacks(need, names, config) for need in sorted(how.asks(config)))), "")


@dataclass(frozen=True)
class Moving:
    """Queries that have been moved, to be ranked for.

    Attributes:
        asked: the queries.
        moved: the same, moved (B, E).
        k: hits of each.
    """

    asked: "Asked"
    moved: Tensor
    k: int

    def like(self, other: "Moving") -> bool:
        """Whether others can be ranked for at the same time."""
        own, others = self.asked, other.asked
        same = own.known is others.known and type(own.how) is type(others.how) and self.k == other.k
        return same and own.ask.config == others.ask.config

    def find(self) -> Hits:
        """The hits of each."""
        asked = self.asked
        return asked.how.find(asked.known, asked.ask, self.moved, self.k, asked.known.gallery)


Ranking = Together[Moving, Hits]
"""What ranks for the single queries that several threads ask at once: the gallery is read once for all of them."""


@torch.no_grad()
def ranked_together(each: Sequence[Moving]) -> list[Hits]:
    """The hits of several, found in one pass over the gallery; a score never depends on the other queries."""
    if len(each) == 1:
        return [each[0].find()]
    ask = Ask.joined([one.asked.ask for one in each])
    moved = torch.cat([one.moved for one in each])
    hits = Moving(replace(each[0].asked, ask=ask), moved, each[0].k).find()
    ends = np.cumsum([0, *(len(one.moved) for one in each)])
    return [_part(hits, slice(start, end)) for start, end in pairwise(ends)]


@dataclass(frozen=True)
class Asked:
    """Queries that a method is asked.

    Attributes:
        how: the method.
        known: what is known under the conditioned attributes.
        ask: the queries, with their conditions and settings.
        ranking: ranks for them, where they are single ones together with those of other threads.
    """

    how: Method
    known: Knowledge
    ask: Ask
    ranking: Ranking

    @torch.no_grad()
    def answer(self, k: int) -> Answer:
        """Move each query, and find its `k` best images."""
        parts = []
        for some in self._batches():
            moved = some._moved()
            parts.append((some._hits(moved, k), moved))
        return Answer(*(_joined([part[i] for part in parts]) for i in range(2)))

    @torch.no_grad()
    def explained(self, k: int) -> tuple[Answer, list[Tensor]]:
        """The same, with the points of each query's way (n + 1, E), from itself to where the method moves it."""
        moved, points = self.how.traced(self.known, self.ask)
        return Answer(self._hits(moved, k), moved), points

    @torch.no_grad()
    def exactly(self, k: int, moved: Tensor) -> Hits:
        """The `k` best images of queries that have been moved already (B, E), every image of the gallery scored."""
        gallery, start, parts = self.known.gallery.exact(), 0, []
        for some in self._batches():
            part = moved[start : start + len(some.ask.queries)]
            parts.append(self.how.find(self.known, some.ask, part, k, gallery))
            start += len(part)
        hits: Hits = _joined(parts)
        return hits

    @torch.no_grad()
    def ways(self) -> list[Tensor]:
        """For each query the points of its way; see `explained`."""
        return self.how.traced(self.known, self.ask)[1]

    def first(self, count: int) -> "Asked":
        """The first of the queries."""
        return replace(self, ask=self.ask.at(slice(count)))

    @property
    def _single(self) -> bool:
        return len(self.ask.queries) == 1 and not self.how.at_once

    def _moved(self) -> Moved:
        with MOVING if self._single else nullcontext():
            return self.how.move(self.known, self.ask)

    def _hits(self, moved: Moved, k: int) -> Hits:
        moving = Moving(self, moved.embeddings, k)
        return self.ranking(moving) if self._single else moving.find()

    def _batches(self) -> "list[Asked]":
        count, size = len(self.ask.queries), self.ask.config.batch_size
        if self.how.at_once or count <= size:
            return [self]
        return [replace(self, ask=self.ask.at(slice(i, i + size))) for i in range(0, count, size)]


def why_exact(how: "Method | type[Method]") -> str:
    """Why a method needs every image to be scored; "" where an engine's proposals will do."""
    if not how.exact_only:
        return ""
    return (
        f"an engine proposes images by what they look like, and {how.name} wants those that pass first, however "
        "unlike: use the exact engine"
    )


def _joined(parts: list[Any]) -> Any:
    """Dataclasses of tensors, joined along the first dimension."""
    if len(parts) == 1:
        return parts[0]
    kind = type(parts[0])
    return kind(*(torch.cat([getattr(part, name) for part in parts]) for name in kind.__annotations__))


def _part(whole: Any, rows: slice) -> Any:
    return type(whole)(*(getattr(whole, name)[rows] for name in type(whole).__annotations__))
