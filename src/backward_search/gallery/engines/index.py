"""What an engine is: a kind of index that proposes images, how it is built and searched, and how it grows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor
from torch.nn.functional import normalize

from backward_search.gallery.memory import Engine, Scorer
from backward_search.gallery.vectors import Vectors
from backward_search.progress import progress

ADDED_AT_ONCE = 16384
"""Rows that are read, normalised and handed to an index at a time."""


@dataclass(frozen=True)
class BuildSettings:
    """How an index is built.

    Attributes:
        hnsw_m: links of an image in an HNSW graph.
        hnsw_ef_construction: candidates looked at for them.
        ivf_lists: cells of an inverted file; 0 chooses by the gallery's size.
        pq_bytes: bytes an image is compressed to.
        seed: of the training sample.
    """

    hnsw_m: int = 32
    hnsw_ef_construction: int = 80
    ivf_lists: int = 0
    pq_bytes: int = 32
    seed: int = 0


EXACT = "exact"
"""The engine that scores every image, and needs no index."""


@dataclass(frozen=True)
class EngineSettings:
    """Which engine finds the images near a query, and how its index is searched.

    Attributes:
        engine: a name of `registry.ENGINES`, or `EXACT`.
        shortlist: candidates per query that are scored exactly.
        nprobe: cells of an inverted file that are looked into.
        ef_search: candidates that an HNSW graph keeps on its way, never fewer than the shortlist.
    """

    engine: str = EXACT
    shortlist: int = 200
    nprobe: int = 32
    ef_search: int = 200


@dataclass(frozen=True)
class Segment:
    """Consecutive rows of the gallery that were indexed together.

    Attributes:
        first: their first row.
        count: how many.
    """

    first: int
    count: int


@dataclass(frozen=True)
class Fields:
    """What a filter can ask of some images, row by row.

    Attributes:
        keys: their keys.
        labels: per attribute the labels; "" where unknown.
        probabilities: per attribute the class probabilities (n, K) float32.
    """

    keys: list[str]
    labels: dict[str, list[str]]
    probabilities: dict[str, np.ndarray]


FieldsOf = Callable[[slice], Fields]
"""Gives the fields of a slice of the gallery."""


class Index(Protocol):
    """An index of one gallery. What is added counts once the gallery's table names it; until then it is invisible."""

    def build(self, vectors: Vectors, fields: FieldsOf) -> None:
        """Index all rows anew, as one segment."""

    def add(self, segment: Segment, vectors: Vectors, fields: FieldsOf) -> None:
        """Index further rows; whatever an interrupted addition left at their place is replaced."""

    def drop(self, rows: list[int]) -> None:
        """Forget rows, where the index can; they are kept out of every shortlist anyway."""

    def open(self, segments: list[Segment], allowed: np.ndarray | None, settings: EngineSettings) -> Engine:
        """Open the named segments for searching.

        Args:
            segments: the rows that count.
            allowed: which rows may be proposed, (N,) bool; all by default.
            settings: how it is searched.
        """

    def discard(self) -> None:
        """Remove what lies elsewhere than in the index's folder."""

    def close(self) -> None:
        """Let go of files and connections."""


@dataclass(frozen=True)
class Place:
    """Where an index is kept, and of what.

    Attributes:
        folder: of its files, `<run>/galleries/<name>/<engine>-<generation>`.
        settings: how it is built.
        classes: the labels of every attribute.
        address: of a server that holds it, where it does not lie in the folder.
    """

    folder: Path
    settings: BuildSettings
    classes: dict[str, list[str]]
    address: str = ""


@dataclass(frozen=True)
class EngineKind:
    """A kind of index.

    Attributes:
        name: as in `--engine`.
        index: the index at a place, which need not exist yet.
        built_with: the options of C2 that an index depends on.
        searched_with: the options that a search depends on beside the shortlist, with their marks in file names.
    """

    name: str
    index: Callable[[Place], Index]
    built_with: tuple[str, ...] = ()
    searched_with: Mapping[str, str] = field(default_factory=dict)


class Selected:
    """An engine whose gallery is some rows of the indexed one."""

    def __init__(self, engine: Engine, rows: np.ndarray, total: int) -> None:
        """Renumber what `engine` proposes.

        Args:
            engine: searches the indexed gallery.
            rows: the indexed row of each image of the gallery, (n,).
            total: rows of the indexed gallery.
        """
        self._engine = engine
        self._place = np.full(total + 1, -1)  # the last entry stands for the gaps
        self._place[rows] = np.arange(len(rows))

    def shortlist(self, scorer: Scorer, count: int) -> Tensor:
        """Propose rows of the smaller gallery."""
        rows = self._engine.shortlist(scorer, count)
        return rows.new_tensor(self._place)[rows]


def unit_blocks(vectors: Vectors, rows: slice) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows in blocks, normalised to length 1, so that inner products are cosines: (slice, (b, E) float32)."""
    starts = range(rows.start, rows.stop, ADDED_AT_ONCE)
    for start in progress(starts, "indexing", "block"):
        block = slice(start, min(start + ADDED_AT_ONCE, rows.stop))
        yield block, normalize(vectors.block(block), dim=1).cpu().numpy()
