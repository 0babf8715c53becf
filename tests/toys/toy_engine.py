"""An engine from outside the package: unit vectors in a file, of which the nearest are proposed."""

import numpy as np
import torch
from torch import Tensor

from backward_search.gallery.engines.index import EngineKind, EngineSettings, FieldsOf, Place, Segment, unit_blocks
from backward_search.gallery.engines.registry import ENGINES
from backward_search.gallery.memory import Engine, Scorer
from backward_search.gallery.vectors import Vectors


class Proposals:
    """The rows of the largest cosine."""

    def __init__(self, unit: np.ndarray, allowed: np.ndarray | None) -> None:
        self._unit, self._allowed = unit, allowed

    def shortlist(self, scorer: Scorer, count: int) -> Tensor:
        scores = scorer.guide.cpu().numpy() @ self._unit.T
        if self._allowed is not None:
            scores[:, ~self._allowed] = -np.inf
        return torch.from_numpy(np.argsort(-scores, axis=1, kind="stable")[:, :count].copy())


class UnitIndex:
    """One file for each segment."""

    def __init__(self, place: Place) -> None:
        self._folder = place.folder

    def build(self, vectors: Vectors, fields: FieldsOf) -> None:
        self.add(Segment(0, len(vectors)), vectors, fields)

    def add(self, segment: Segment, vectors: Vectors, fields: FieldsOf) -> None:
        rows = slice(segment.first, segment.first + segment.count)
        np.save(self._file(segment), np.concatenate([block for _, block in unit_blocks(vectors, rows)]))

    def drop(self, rows: list[int]) -> None:
        pass

    def open(self, segments: list[Segment], allowed: np.ndarray | None, settings: EngineSettings) -> Engine:
        return Proposals(np.concatenate([np.load(self._file(segment)) for segment in segments]), allowed)

    def discard(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _file(self, segment: Segment) -> str:
        return str(self._folder / f"unit-{segment.first}.npy")


ENGINES.register("unit", EngineKind("unit", UnitIndex))
