"""How a query is answered: the methods behind `--method`, each from queries and conditions to the hits."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from backward_search.gallery import Gallery, Hits
from backward_search.heads import FrozenHeads
from backward_search.search import SearchConfig, backward_search
from backward_search.student import Student


@dataclass(frozen=True)
class Answer:
    """The hits of some queries.

    Attributes:
        hits: per query.
        steps: mean gradient evaluations per query.
        seconds: wall-clock seconds per query, ranking included.
    """

    hits: Hits
    steps: float
    seconds: float


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

    def answer(self, method: str, queries: Tensor, targets: Tensor, k: int) -> Answer:
        """Answer queries.

        Args:
            method: teacher, student, unchanged or random.
            queries: embeddings (B, E).
            targets: class ids of the conditions (B, A).
            k: hits per query.
        """
        if queries.is_cuda and method != "random":  # the first call of a kernel loads it
            self.gallery.search(self.move(method, queries, targets)[0], k)
            torch.cuda.synchronize(queries.device)
        start = time.perf_counter()
        if method == "random":
            hits, steps = self._random(len(queries), k), 0.0
        else:
            moved, steps = self.move(method, queries, targets)
            hits = self.gallery.search(moved, k)
            if queries.is_cuda:
                torch.cuda.synchronize(queries.device)
        return Answer(hits, steps, (time.perf_counter() - start) / len(queries))

    @torch.no_grad()
    def move(self, method: str, queries: Tensor, targets: Tensor) -> tuple[Tensor, float]:
        """The queries (B, E) as a method moves them, and its mean gradient evaluations per query."""
        if method == "unchanged":
            return queries, 0.0
        if method == "student":
            if self.student is None:
                raise ValueError("no student was given")
            return self.student.move(queries, targets), 0.0
        parts = [
            backward_search(self.heads, queries[i : i + self.batch_size], targets[i : i + self.batch_size], self.search)
            for i in range(0, len(queries), self.batch_size)
        ]
        steps = torch.cat([part.steps for part in parts]).double().mean()
        return torch.cat([part.embeddings for part in parts]), float(steps)

    def _random(self, count: int, k: int) -> Hits:
        generator = torch.Generator().manual_seed(self.seed)
        rows = torch.stack([torch.randperm(len(self.gallery), generator=generator)[:k] for _ in range(count)])
        return Hits(rows, torch.zeros(count, k))
