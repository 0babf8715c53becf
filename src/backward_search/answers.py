"""How a query is answered: the methods behind `--method`, each from queries and conditions to the hits."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from backward_search.conditions import Conditions
from backward_search.gallery import Gallery, Hits
from backward_search.heads import FrozenHeads
from backward_search.search import SearchConfig, backward_search
from backward_search.student import Student


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
        batch_size: queries moved at once.
        seed: of random hits.
    """

    gallery: Gallery
    heads: FrozenHeads
    search: SearchConfig
    student: Student | None = None
    batch_size: int = 512
    seed: int = 0

    def answer(
        self, method: str, queries: Tensor, targets: Tensor | Conditions, k: int, lambdas: Tensor | None = None
    ) -> Answer:
        """Answer queries.

        Args:
            method: teacher, student, unchanged or random.
            queries: embeddings (B, E).
            targets: class ids of the conditions (B, A), or richer conditions for the teacher.
            k: hits per query.
            lambdas: the teacher's lambda for each query (B,), in place of its one.
        """
        if queries.is_cuda and method != "random":  # the first call of a kernel loads it
            self.gallery.search(self.move(method, queries, targets, lambdas).embeddings, k)
            torch.cuda.synchronize(queries.device)
        start = time.perf_counter()
        if method == "random":
            hits, moved = self._random(len(queries), k), Moved.at_once(queries)
        else:
            moved = self.move(method, queries, targets, lambdas)
            hits = self.gallery.search(moved.embeddings, k)
            if queries.is_cuda:
                torch.cuda.synchronize(queries.device)
        seconds = (time.perf_counter() - start) / len(queries)
        return Answer(hits, moved.steps.cpu(), moved.stopped.cpu(), seconds)

    @torch.no_grad()
    def move(self, method: str, queries: Tensor, targets: Tensor | Conditions, lambdas: Tensor | None = None) -> Moved:
        """The queries (B, E) as a method moves them; see `answer`."""
        if method == "unchanged":
            return Moved.at_once(queries)
        if method == "student":
            if self.student is None or not isinstance(targets, Tensor):
                raise ValueError("the student needs to be given, and class ids")
            if lambdas is None:
                lambdas = queries.new_full((len(queries),), self.search.lambda_)
            return Moved.at_once(self.student.move(queries, targets, lambdas))
        parts = []
        for rows in torch.split(torch.arange(len(queries), device=queries.device), self.batch_size):
            wanted = targets[rows] if isinstance(targets, Tensor) else targets.at(rows)
            strengths = None if lambdas is None else lambdas[rows]
            parts.append(backward_search(self.heads, queries[rows], wanted, self.search, lambdas=strengths))
        return Moved(*(torch.cat([getattr(part, name) for part in parts]) for name in Moved.__annotations__))

    def _random(self, count: int, k: int) -> Hits:
        generator = torch.Generator().manual_seed(self.seed)
        rows = torch.stack([torch.randperm(len(self.gallery), generator=generator)[:k] for _ in range(count)])
        return Hits(rows, torch.zeros(count, k))
