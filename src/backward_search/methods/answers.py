"""How a query is answered: the methods behind `--method`, each from queries and conditions to the hits."""

import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.gallery.memory import CosineScorer, Gallery, Hits, Scorer
from backward_search.methods.background import Background
from backward_search.methods.registry import METHODS, Method
from backward_search.methods.scoring import Likelihood, Passed, Probability, WeightedSum
from backward_search.solvers.adam import SearchConfig
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.objectives import ModuleHeads
from backward_search.solvers.teacher import SolverConfig, Teacher
from backward_search.student.frozen import FrozenStudent

FIRST = 4
"""Added to the score of an image that passes a filter: more than two cosines can differ by."""


@dataclass(frozen=True)
class Answer:
    """The hits of some queries.

    Attributes:
        hits: per query.
        steps: gradient evaluations of each query (B,).
        stopped: whether each stopped early (B,) bool.
        seconds: wall-clock seconds per query, ranking included.
    """

    hits: Hits
    steps: Tensor
    stopped: Tensor
    seconds: float

    def part(self, rows: slice) -> "Answer":
        """The answer to some of the queries."""
        hits = Hits(self.hits.rows[rows], self.hits.similarity[rows])
        return Answer(hits, self.steps[rows], self.stopped[rows], self.seconds)


@dataclass(frozen=True)
class Moved:
    """Where a method moved queries: embeddings (B, E), with steps and stopped as in `Answer`."""

    embeddings: Tensor
    steps: Tensor
    stopped: Tensor

    @classmethod
    def at_once(cls, embeddings: Tensor) -> "Moved":
        """Of a method that makes no steps."""
        steps = torch.zeros(len(embeddings), dtype=torch.int64)
        return cls(embeddings, steps, torch.zeros(len(embeddings), dtype=torch.bool))


@dataclass(frozen=True)
class Answerer:
    """Everything that some method needs.

    Attributes:
        gallery: what is searched.
        heads: the conditioned heads.
        search: how the teacher searches.
        student: the student, for its own method only.
        background: for the methods that need one.
        batch_size: queries moved at once.
        shift: how much of the difference of class means a shift makes.
        weight: of the log-probability of the condition, or the strength of a graded method, in place of its own.
        rerank: weight of the log-probability of the condition beside any method's own score.
        seed: of random hits.
        spread: the covariance of the training embeddings, for the manifold solver.
        searched_heads: what the teacher descends on, where it is not `heads`: calibrated, for the manifold solver.
    """

    gallery: Gallery
    heads: FrozenHeads | ModuleHeads
    search: SolverConfig
    student: FrozenStudent | None = None
    background: Background | None = None
    batch_size: int = 512
    shift: float = 1.0
    weight: float | None = None
    rerank: float = 0.0
    seed: int = 0
    spread: Tensor | None = None
    searched_heads: FrozenHeads | None = None

    def answer(
        self, method: str, queries: Tensor, targets: Tensor | Conditions, k: int, lambdas: Tensor | None = None
    ) -> Answer:
        """Answer queries.

        Args:
            method: a name of `methods.METHODS`.
            queries: embeddings (B, E).
            targets: class ids of the conditions (B, A), or richer conditions for every method but the student.
            k: hits per query.
            lambdas: the teacher's lambda for each query (B,), in place of its one.
        """
        how = METHODS[method]
        if queries.is_cuda:  # the first call of a kernel loads it
            self._hits(how, queries, targets, k, lambdas)
            torch.cuda.synchronize(queries.device)
        start = time.perf_counter()
        hits, moved = self._hits(how, queries, targets, k, lambdas)
        if queries.is_cuda:
            torch.cuda.synchronize(queries.device)
        seconds = (time.perf_counter() - start) / len(queries)
        return Answer(hits, moved.steps.cpu(), moved.stopped.cpu(), seconds)

    @torch.no_grad()
    def _hits(
        self, how: Method, queries: Tensor, targets: Tensor | Conditions, k: int, lambdas: Tensor | None
    ) -> tuple[Hits, Moved]:
        if how.chance:
            return self._random(len(queries), k), Moved.at_once(queries)
        parts = []
        for rows in torch.split(torch.arange(len(queries), device=queries.device), self.batch_size):
            wanted = targets[rows] if isinstance(targets, Tensor) else targets.at(rows)
            moved = self.move(how, queries[rows], wanted, None if lambdas is None else lambdas[rows])
            parts.append((self._ranked(how, queries[rows], moved.embeddings, wanted, k), moved))
        return tuple(_joined([part[i] for part in parts]) for i in range(2))

    def move(self, how: Method, queries: Tensor, targets: Tensor | Conditions, lambdas: Tensor | None = None) -> Moved:
        """The queries (B, E) as a method moves them; see `answer`."""
        if not how.move:
            return Moved.at_once(queries)
        if how.move == "student":
            if self.student is None or not isinstance(targets, Tensor):
                raise ValueError("the student needs to be given, and class ids")
            if lambdas is None and isinstance(self.search, SearchConfig):
                lambdas = queries.new_full((len(queries),), self.search.lambda_)
            return Moved.at_once(self.student.move(queries, targets, lambdas))
        if how.move == "search":
            found = self.teacher.search(queries, targets, lambdas=lambdas)
            return Moved(found.embeddings, found.steps, found.stopped)
        conditions, logits = self._conditions(targets, queries), self.known.calibrated(self.heads.logits(queries))
        if how.move == "shift":
            amount = self.shift * min(self.weight_of(how), 1) if how.graded else self.shift
            return Moved.at_once(self.known.shifted(queries, conditions, logits, amount))
        return Moved.at_once(self.known.target_means(conditions, logits))

    def _ranked(self, how: Method, queries: Tensor, moved: Tensor, targets: Tensor | Conditions, k: int) -> Hits:
        return self.gallery.best(self.scorer(how, queries, moved, targets), k)

    def weight_of(self, how: Method) -> float:
        """The weight of a method: its own, unless another is set.

        Raises:
            ValueError: it is yet to be chosen.
        """
        weight = how.weight if self.weight is None else self.weight
        if isinstance(weight, str):
            raise ValueError(f"the weight of the condition is {weight!r}: give a number")
        return weight

    def scorer(self, how: Method, queries: Tensor, moved: Tensor, targets: Tensor | Conditions) -> Scorer:
        """What scores gallery images for each query, as `methods.Method` states it.

        Args:
            how: the method.
            queries: embeddings (B, E).
            moved: the same, moved.
            targets: the conditions.
        """
        weight, plain = self.weight_of(how), self.rerank
        if not (how.likeness or how.filter or weight or plain):
            return CosineScorer(moved, self.gallery.vectors)
        conditions, terms = self._conditions(targets, queries), list[tuple[float, Scorer]]()
        if how.likeness < 1:
            terms.append((1 - how.likeness, CosineScorer(moved, self.gallery.vectors)))
        if how.likeness:
            terms.append((how.likeness, self.known.likeness.of(queries)))
        if how.graded and weight:
            terms.append((weight, Probability(conditions, self.known.log_p, self._way(conditions, queries))))
        plain += 0 if how.graded else weight
        if plain:
            terms.append((plain, Likelihood(conditions, self.known.log_p, self._way(conditions, queries))))
        if how.filter:
            terms.append((FIRST, Passed(conditions, self.known.ids(how.filter), torch.zeros_like(queries))))
        return WeightedSum(terms)

    def _way(self, conditions: Conditions, queries: Tensor) -> Tensor:
        """Where images that meet the conditions lie, unit vectors (B, E)."""
        return self.known.direction(conditions, self.known.calibrated(self.heads.logits(queries)))

    def scores(self, how: Method, queries: Tensor, moved: Tensor, targets: Tensor | Conditions) -> Tensor:
        """The score of every gallery image for each query, (B, N); see `scorer`."""
        return self.scorer(how, queries, moved, targets).block(slice(0, len(self.gallery)))

    def log_likelihood(self, queries: Tensor, targets: Tensor | Conditions) -> Tensor:
        """How probable it is that each gallery image meets each condition, (B, N), by its own logits."""
        return self._conditions(targets, queries).log_likelihood(self.known.log_p)

    def labelled(self, queries: Tensor, targets: Tensor | Conditions) -> Tensor:
        """Which gallery images meet each condition by their labels, (B, N) bool."""
        return self._conditions(targets, queries).met_by(self.known.labels)

    @property
    def lambda_(self) -> float:
        """How close the teacher keeps to the query; 0 for the solver that knows no lambda."""
        return self.search.lambda_ if isinstance(self.search, SearchConfig) else 0.0

    def at(self, lambda_: float) -> "Answerer":
        """The same under another lambda.

        Raises:
            ValueError: the solver knows no lambda.
        """
        if not isinstance(self.search, SearchConfig):
            raise ValueError("the manifold solver knows no lambda")
        return replace(self, search=replace(self.search, lambda_=lambda_))

    @property
    def teacher(self) -> Teacher:
        """What the method that searches searches with."""
        return Teacher(self.searched_heads or self.heads, self.search, self.spread)

    @property
    def known(self) -> Background:
        """The background, which the method cannot do without."""
        if self.background is None:
            raise ValueError("this method needs a background")
        return self.background

    def _conditions(self, targets: Tensor | Conditions, queries: Tensor) -> Conditions:
        if isinstance(targets, Tensor):
            return Conditions.of_ids(targets, self.heads.classes, queries.dtype)
        return targets

    def _random(self, count: int, k: int) -> Hits:
        generator = torch.Generator().manual_seed(self.seed)
        rows = torch.stack([torch.randperm(len(self.gallery), generator=generator)[:k] for _ in range(count)])
        return Hits(rows, torch.zeros(count, k))


def _joined(parts: list[Any]) -> Any:
    """Dataclasses of tensors, joined along the first dimension."""
    kind = type(parts[0])
    return kind(*(torch.cat([getattr(part, name) for part in parts]) for name in kind.__annotations__))
