"""FAISS indexes in files that are searched memory-mapped: flat, inverted file with product quantisation, and HNSW."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from backward_search.errors import DataError, OptionError
from backward_search.extras import need
from backward_search.gallery.engines.index import (
    BuildSettings,
    EngineKind,
    EngineSettings,
    FieldsOf,
    Place,
    Segment,
    unit_blocks,
)
from backward_search.gallery.memory import Engine, Scorer
from backward_search.gallery.vectors import Vectors
from backward_search.storage.atomic import replacing

LEAST_FOR_PQ = 1024
"""Images below which a product quantiser of 256 codes is not worth its training."""
TRAINING_ROWS_PER_LIST = 40
"""Images that an inverted file's cell is learnt from, on average."""


class FaissIndex:
    """One file per segment; rows are numbered within it. Inner products of unit vectors are cosines."""

    def __init__(self, folder: Path, kind: str, settings: BuildSettings) -> None:
        """Name an index.

        Args:
            folder: of its files.
            kind: faiss-flat, faiss-ivfpq or faiss-hnsw.
            settings: how it is built.

        Raises:
            MissingError: FAISS is not installed.
        """
        need("faiss", "faiss")
        self._folder, self._kind, self._settings = folder, kind, settings

    def build(self, vectors: Vectors, fields: FieldsOf) -> None:
        """Train and fill the index."""
        del fields
        trained = _trained(self._kind, vectors, self._settings)
        if self._kind == "faiss-ivfpq":  # what is added later shares the cells
            _write(trained, self._folder / "trained.faiss")
        self._fill(trained, Segment(0, len(vectors)), vectors)

    def add(self, segment: Segment, vectors: Vectors, fields: FieldsOf) -> None:
        """Write the file of a further segment."""
        del fields
        if self._kind == "faiss-ivfpq":
            empty = _read(self._folder / "trained.faiss", mapped=False)
        else:
            empty = _trained(self._kind, vectors, self._settings, slice(segment.first, segment.first + segment.count))
        self._fill(empty, segment, vectors)

    def drop(self, rows: list[int]) -> None:
        """Do nothing: the files stay as they are, and `open` is told which rows may be proposed."""

    def open(self, segments: list[Segment], allowed: np.ndarray | None, settings: EngineSettings) -> Engine:
        """Map the files of the segments."""
        parts = [_Part(_read(self.file(segment), mapped=True), segment, allowed, settings) for segment in segments]
        return FaissEngine(parts)

    def discard(self) -> None:
        """Do nothing: all of it lies in its folder."""

    def close(self) -> None:
        """Do nothing: files are unmapped when nothing refers to them."""

    def file(self, segment: Segment) -> Path:
        """The file of a segment."""
        return self._folder / f"rows-{segment.first:010d}.faiss"

    def _fill(self, index: Any, segment: Segment, vectors: Vectors) -> None:
        for _, block in unit_blocks(vectors, slice(segment.first, segment.first + segment.count)):
            index.add(block)
        _write(index, self.file(segment))


class _Part:
    """One mapped segment."""

    def __init__(self, index: Any, segment: Segment, allowed: np.ndarray | None, settings: EngineSettings) -> None:
        self._index, self._segment, self._settings = index, segment, settings
        mine = None if allowed is None else allowed[segment.first : segment.first + segment.count]
        self._bits = None if mine is None or mine.all() else np.packbits(mine, bitorder="little")

    def search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The cosines and gallery rows (B, n) of the candidates; rows of -1 fill gaps."""
        cosines, rows = self._index.search(
            queries, min(count, self._segment.count), params=_parameters(self._index, self._settings, count, self._bits)
        )
        return cosines, np.where(rows < 0, -1, rows + self._segment.first)


class FaissEngine:
    """Searches every segment and joins what they find."""

    def __init__(self, parts: list[_Part]) -> None:
        """Search opened segments."""
        self._parts = parts

    def shortlist(self, scorer: Scorer, count: int) -> Tensor:
        """Propose the `count` rows that the segments together find nearest."""
        queries = normalize(scorer.guide, dim=1).cpu().numpy()
        found = [part.search(queries, count) for part in self._parts]
        cosines, rows = (np.concatenate(arrays, axis=1) for arrays in zip(*found, strict=True))
        best = np.argsort(np.where(rows < 0, np.inf, -cosines), axis=1, kind="stable")[:, :count]
        return torch.from_numpy(np.take_along_axis(rows, best, axis=1))


def _trained(kind: str, vectors: Vectors, settings: BuildSettings, rows: slice | None = None) -> Any:
    """An empty index, trained on a sample of the rows."""
    import faiss

    rows = rows or slice(0, len(vectors))
    total = rows.stop - rows.start
    if kind == "faiss-flat":
        return faiss.IndexFlatIP(vectors.size)
    if kind == "faiss-hnsw":
        index = faiss.IndexHNSWSQ(
            vectors.size, faiss.ScalarQuantizer.QT_8bit, settings.hnsw_m, faiss.METRIC_INNER_PRODUCT
        )
        index.hnsw.efConstruction = settings.hnsw_ef_construction
        index.train(_sample(vectors, rows, 100_000, settings.seed))
        return index
    _check_pq(total, vectors.size, settings)
    lists = settings.ivf_lists or _lists_for(total)
    quantizer = faiss.IndexFlatIP(vectors.size)
    index = faiss.IndexIVFPQ(quantizer, vectors.size, lists, settings.pq_bytes, 8, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = settings.seed + 1
    index.train(_sample(vectors, rows, max(TRAINING_ROWS_PER_LIST * lists, 20_000), settings.seed))
    return index


def _check_pq(total: int, size: int, settings: BuildSettings) -> None:
    if total < LEAST_FOR_PQ:
        raise OptionError(f"--engine faiss-ivfpq needs {LEAST_FOR_PQ} images, the gallery has {total}: use exact")
    if size % settings.pq_bytes:
        raise OptionError(f"--pq_bytes {settings.pq_bytes} must divide the embeddings' {size} numbers")
    if settings.ivf_lists > total:
        raise OptionError(f"--ivf_lists {settings.ivf_lists} is more than the {total} images of the gallery")


def _lists_for(total: int) -> int:
    """The power of two nearest to 2 sqrt(N), at most a 39th of the images and at most 65,536."""
    wanted = min(2 * total**0.5, total / 39, 65536)
    return int(2 ** round(np.log2(max(wanted, 1))))


def _sample(vectors: Vectors, rows: slice, count: int, seed: int) -> np.ndarray:
    """Unit vectors of some rows, each once, read in their order."""
    total = rows.stop - rows.start
    chosen = np.sort(random.Random(seed).sample(range(total), min(count, total)))
    return np.asarray(normalize(vectors.take(torch.from_numpy(chosen + rows.start)), dim=1).cpu().numpy())


def _parameters(index: Any, settings: EngineSettings, count: int, bits: np.ndarray | None) -> Any:
    import faiss

    chosen = {} if bits is None else {"sel": faiss.IDSelectorBitmap(bits)}
    if isinstance(index, faiss.IndexIVF):
        return faiss.SearchParametersIVF(nprobe=settings.nprobe, **chosen)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(efSearch=max(settings.ef_search, count), **chosen)
    return faiss.SearchParameters(**chosen)


def _write(index: Any, place: Path) -> None:
    import faiss

    with replacing(place) as temporary:
        faiss.write_index(index, str(temporary))


def _read(file: Path, *, mapped: bool) -> Any:
    import faiss

    try:
        flags = faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY if mapped else 0
        return faiss.read_index(str(file), flags)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{file} cannot be read ({reason}): run C2 with --overwrite True") from None


def _kind(name: str, built_with: tuple[str, ...] = (), searched_with: dict[str, str] | None = None) -> EngineKind:
    def index(place: Place) -> FaissIndex:
        """The index at a place."""
        return FaissIndex(place.folder, name, place.settings)

    return EngineKind(name, index, built_with, searched_with or {})


FLAT = _kind("faiss-flat")
IVFPQ = _kind("faiss-ivfpq", ("ivf_lists", "pq_bytes", "seed"), {"nprobe": "nprobe"})
HNSW = _kind("faiss-hnsw", ("hnsw_m", "hnsw_ef_construction", "seed"), {"ef_search": "ef"})
