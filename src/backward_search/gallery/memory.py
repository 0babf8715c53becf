"""The gallery: the images among which is searched. An engine proposes rows, and the exact score ranks them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from backward_search.errors import OptionError
from backward_search.gallery.coarse import Rough
from backward_search.gallery.products import products
from backward_search.gallery.vectors import Vectors

SCORES_AT_ONCE = 2**23
"""Scores of one block, 32 MB: all queries against so many rows as this admits."""
VALUES_AT_ONCE = 2**18
"""Gathered numbers of one pass of the exact scores, 2 MB in double precision, which a core's cache holds."""
ROWS_AT_ONCE = 2**20
"""Rows of one block for a single query; of several, the fewer."""
BUSY_ROWS = 65536
"""Rows of one block for many queries: more keep the product no busier."""
COARSE_QUERIES = 4
"""Queries at once, at most, for which the copy in 8 bits is quicker than the embeddings."""
COARSE_BYTES = 2**30
"""Memory that the copy may take, unless something else is said."""
COARSE_HITS = 8192
"""Where more rows than this cannot be ruled out, all are scored."""
SPARE = 16
"""Rows that the exact engine proposes beyond those asked for, so that rounding in a block decides nothing."""
ROUNDING = 1e-5
"""How far a score taken in a block can lie from the exact one, relative to scores of size 1 and more."""
MOST_SPARE = 4096
"""Where more images than this are equal to within `ROUNDING`, their block's rounding decides which are kept."""


@dataclass(frozen=True)
class Hits:
    """The nearest images of each query, best first; equal similarities stand in gallery order.

    Attributes:
        rows: rows of the gallery (B, k) int64.
        similarity: cosine similarities, or whatever scores ranked the images, (B, k).
    """

    rows: Tensor
    similarity: Tensor


class Scorer(Protocol):
    """A way to score the gallery's images for B queries; larger is better."""

    def __len__(self) -> int:
        """The number of queries B."""

    @property
    def guide(self) -> Tensor:
        """The vectors (B, E) by whose cosine an approximate engine looks for candidates."""

    def block(self, rows: slice) -> Tensor:
        """The scores of all queries against a slice of the gallery, (B, stop - start), to rounding."""

    def pairs(self, rows: Tensor) -> Tensor:
        """The exact scores of each query against its own rows (B, n); a row's score never depends on the others."""


class Engine(Protocol):
    """What proposes, for each query, rows worth an exact score."""

    def shortlist(self, scorer: Scorer, count: int) -> Tensor:
        """Propose at least `count` rows per query, (B, n) int64 on the CPU or the queries' device; -1 fills gaps."""


class CosineScorer:
    """Cosine similarity to the queries."""

    def __init__(self, queries: Tensor, vectors: Vectors, guide: Callable[[], Tensor] | None = None) -> None:
        """Score `vectors` (N, D) for queries (B, D).

        Args:
            queries: to which cosines are taken.
            vectors: one for each image.
            guide: gives what an engine looks by (B, E), where the vectors are not the embeddings that it knows.
        """
        exact = normalize(queries.to(vectors.device).double(), dim=1)
        self._unit, self._exact, self._vectors = exact.float(), exact, vectors
        self._guide = guide

    def __len__(self) -> int:
        """The number of queries."""
        return len(self._exact)

    @property
    def guide(self) -> Tensor:
        """What an engine looks by; made when one asks, which the exact one never does."""
        return self._unit if self._guide is None else self._guide()

    def block(self, rows: slice) -> Tensor:
        """The similarities to a slice of the gallery."""
        block = self._vectors.block(rows).to(self._unit.dtype)
        return products(self._unit, block).div_(self._vectors.lengths(rows))

    def rough(self, most: int) -> Rough | None:
        """The similarities to the whole gallery, roughly.

        Args:
            most: bytes of memory that a copy of the gallery in 8 bits may take.

        Returns:
            None where there is no such copy: it is made when few queries have been asked for some times.
        """
        coarse = self._vectors.coarse(most) if len(self._exact) <= COARSE_QUERIES else None
        return None if coarse is None else coarse.cosines(self._exact)

    def pairs(self, rows: Tensor) -> Tensor:
        """The similarities to each query's own rows, summed in double precision."""
        step = max(VALUES_AT_ONCE // (max(rows.shape[1], 1) * self._vectors.size), 1)
        scores = [self._few(rows[i : i + step], self._exact[i : i + step]) for i in range(0, len(rows), step)]
        return torch.cat(scores) if scores else torch.empty(rows.shape, device=self._unit.device)

    def _few(self, rows: Tensor, queries: Tensor) -> Tensor:
        images = self._vectors.take(rows).double()  # (b, n, E)
        products = (images * queries[:, None]).sum(dim=2)  # no matrix product: its rounding depends on the place
        cosines: Tensor = products / torch.linalg.vector_norm(images, dim=2).clamp(min=1e-12)
        return cosines.float()


class ExactEngine:
    """Scores every image, block by block; nothing but a block's scores is held."""

    def __init__(
        self,
        total: int,
        allowed: Tensor | None = None,
        block_rows: int = ROWS_AT_ONCE,
        coarse_bytes: int = COARSE_BYTES,
    ) -> None:
        """Search `total` rows.

        Args:
            total: rows of the gallery.
            allowed: which rows may be proposed, (total,) bool; all by default.
            block_rows: most rows scored at once.
            coarse_bytes: memory that a copy of a large gallery may take, by which rows are ruled out for few queries.
        """
        self._total, self._allowed, self._block_rows, self._coarse_bytes = total, allowed, block_rows, coarse_bytes

    def shortlist(self, scorer: Scorer, count: int) -> Tensor:
        """Propose every row that can be among the `count` best once scores are exact."""
        rough = scorer.rough(self._coarse_bytes) if isinstance(scorer, CosineScorer) else None
        rows = None if rough is None else self._not_ruled_out(scorer, count, rough)
        return self._of_all(scorer, count) if rows is None else rows

    def _not_ruled_out(self, scorer: Scorer, count: int, rough: Rough) -> Tensor | None:
        """The rows that can be among the `count` best.

        `count` rows that seem good have exact scores of at least some bar: what cannot reach it is none of the best.

        Returns:
            The rows (B, n), -1 in the gaps; None where they are too many, or too few seem good.
        """
        if self._allowed is not None:
            rough.forbid(self._allowed.numpy())
        best = rough.best(count)
        if best is None:
            return None
        bars = scorer.pairs(best).double().amin(dim=1) - ROUNDING  # scores are rounded to single precision
        left = [torch.from_numpy(rough.reaching(query, bar)) for query, bar in enumerate(bars.tolist())]
        return pad_sequence(left, True, -1.0) if max(map(len, left)) <= COARSE_HITS else None

    def _of_all(self, scorer: Scorer, count: int) -> Tensor:
        """The same by scoring every row."""
        asked = max(len(scorer), 1)
        busy = min(1024 * asked, BUSY_ROWS)
        size = max(min(self._block_rows, SCORES_AT_ONCE // asked, max(busy, ROWS_AT_ONCE // asked)), 1)
        spare = SPARE
        while True:
            hits = best_of(lambda rows: self._scores(scorer, rows), self._total, count + spare, size)
            if hits.rows.shape[1] < count + spare or spare >= MOST_SPARE or not self._undecided(hits, count):
                return hits.rows.masked_fill(hits.similarity == -torch.inf, -1)
            spare *= 8

    def _scores(self, scorer: Scorer, rows: slice) -> Tensor:
        scores = scorer.block(rows)
        if self._allowed is None:
            return scores
        return scores.masked_fill(~self._allowed[rows].to(scores.device), -torch.inf)

    def _undecided(self, hits: Hits, count: int) -> bool:
        """Whether a row left out could, for some query, score as high as the last of the best."""
        last = hits.similarity[:, count - 1]
        return bool((hits.similarity[:, -1] >= last - 2 * ROUNDING * last.abs().clamp(min=1)).any())


class Gallery:
    """Images as embeddings, and the engine that finds candidates among them."""

    def __init__(self, embeddings: Tensor | Vectors, engine: Engine | None = None, shortlist: int = 0) -> None:
        """Join embeddings (N, E) and an engine over the same rows.

        Args:
            embeddings: of every image.
            engine: what proposes candidates; left out, every image is scored.
            shortlist: candidates that an approximate engine proposes per query; never fewer than the hits asked for.
        """
        self.vectors = embeddings if isinstance(embeddings, Vectors) else Vectors([embeddings])
        self.engine: Engine = engine if engine is not None else ExactEngine(len(self.vectors))
        self._shortlist = shortlist

    def __len__(self) -> int:
        """The number of images."""
        return len(self.vectors)

    def exact(self) -> "Gallery":
        """The same images, every one scored."""
        return Gallery(self.vectors)

    def search(self, queries: Tensor, k: int) -> Hits:
        """The `k` nearest images of each query (B, E) by cosine similarity."""
        return self.best(CosineScorer(queries, self.vectors), k)

    def best(self, scorer: Scorer, k: int) -> Hits:
        """The `k` images of the highest exact score among those that the engine proposes.

        Raises:
            OptionError: the engine finds fewer than `k`, though the gallery has as many.
        """
        k = min(k, len(self))
        rows = self.engine.shortlist(scorer, max(k, self._shortlist)).to(self.vectors.device)
        rows = rows.sort(dim=1).values  # equal scores then stand in gallery order
        scores = scorer.pairs(rows.clamp(min=0)).masked_fill(rows < 0, -torch.inf)
        hits = ranked(scores, k)
        if hits.rows.shape[1] < k or bool((hits.similarity == -torch.inf).any()):
            raise OptionError(f"the engine found fewer than {k} images for a query: raise --shortlist and --nprobe")
        return Hits(rows.gather(1, hits.rows), hits.similarity)

    def similarity(self, queries: Tensor) -> Tensor:
        """The cosine of each query (B, E) with every image, (B, N), to rounding."""
        return CosineScorer(queries, self.vectors).block(slice(0, len(self)))


def best_of(score_block: Callable[[slice], Tensor], total: int, count: int, size: int) -> Hits:
    """The `count` best of `total` rows that are scored in blocks; equal scores stand in row order.

    Args:
        score_block: gives the scores (B, b) of a slice of rows.
        total: how many rows there are, at least 1.
        count: rows kept per query.
        size: rows of a block.
    """
    best = None
    for start in range(0, total, size):
        block = ranked(score_block(slice(start, min(start + size, total))), count)
        block = Hits(block.rows + start, block.similarity)
        best = block if best is None else _merged(best, block, count)
    if best is None:
        raise ValueError("there is nothing to rank")
    return best


def _merged(first: Hits, second: Hits, count: int) -> Hits:
    """The best of two lists, where all rows of the first come before those of the second."""
    merged = ranked(torch.cat([first.similarity, second.similarity], dim=1), count)
    return Hits(torch.cat([first.rows, second.rows], dim=1).gather(1, merged.rows), merged.similarity)


def ranked(scores: Tensor, k: int) -> Hits:
    """The `k` best of each row of scores (B, N), best first; equal scores stand in gallery order.

    `torch.topk` alone leaves the order of equal scores open. A row where they reach beyond the k-th place is sorted.
    """
    values, rows = scores.topk(min(k + 1, scores.shape[1]), dim=1)
    rows, order = rows.sort(dim=1)
    values, place = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    rows = rows.gather(1, place)
    if values.shape[1] > k:
        cut = (values[:, k - 1] == values[:, k]).nonzero().squeeze(1)
        if len(cut):
            whole = scores[cut].sort(dim=1, descending=True, stable=True)
            values[cut, :k], rows[cut, :k] = whole.values[:, :k], whole.indices[:, :k]
    return Hits(rows[:, :k], values[:, :k])


def recall(found: Tensor, exact: Tensor) -> float:
    """Recall@k of an engine: the share of the exact k hits that it finds, mean over queries.

    Args:
        found: rows of its hits (B, k).
        exact: rows of the exact hits (B, k).

    >>> recall(torch.tensor([[1, 2]]), torch.tensor([[2, 5]]))
    0.5
    """
    return float((found[:, :, None] == exact[:, None, :]).any(dim=1).double().mean())
