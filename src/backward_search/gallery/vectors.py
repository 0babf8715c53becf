"""Many embeddings as one matrix: in memory or memory-mapped, in one file or in the shards of a growing gallery."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backward_search.errors import DataError
from backward_search.gallery.coarse import LEAST, TRIED, Coarse, bytes_of, has_kernel, is_right
from backward_search.storage.mapped import mapped

COARSE_FROM, COARSE_AFTER = 200_000, 8
"""Rows from which a copy in 8 bits saves time, and how often it is asked for before it is made: a process of a few
queries is done sooner without one."""
COPIED = 65536
"""Rows that are read at a time to be copied."""
COPYING = threading.Lock()
"""One copy is made at a time; who asks meanwhile does without."""


class Vectors:
    """Rows (N, E) that lie in one or more parts; only what is asked for is read, and moved to the device."""

    def __init__(self, parts: Sequence[Tensor], device: torch.device | None = None) -> None:
        """Join parts, each (n, E).

        Args:
            parts: in the order of their rows, all of the same E.
            device: where blocks go; left out, they stay where the parts lie.
        """
        self._parts = list(parts)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        self._device = device if device is not None else parts[0].device
        self._measured = np.zeros(len(self), dtype=bool)
        with torch.inference_mode(False):  # filled in whatever mode the searches are made
            self._lengths = torch.empty(len(self), device=self._device)
        self._coarse: Coarse | None = None
        self._coarse_asked = 0

    @classmethod
    def open(cls, files: Sequence[Path], device: torch.device | None = None) -> "Vectors":
        """Memory-map `.npy` files of float32 (n, E).

        Raises:
            MissingError: a file does not exist.
            DataError: a file is damaged or has another E than the first.
        """
        parts = [map_array(file) for file in files]
        for file, part in zip(files, parts, strict=True):
            if part.ndim != 2 or not part.shape[1] or part.shape[1] != parts[0].shape[1] or part.dtype != torch.float32:
                raise DataError(f"{file} holds {part.dtype} {tuple(part.shape)}: build the gallery again")
        return cls(parts, device)

    def __len__(self) -> int:
        """The number of rows N."""
        return int(self._starts[-1])

    @property
    def size(self) -> int:
        """The length E of a row."""
        return self._parts[0].shape[1]

    @property
    def device(self) -> torch.device:
        """Where blocks go."""
        return self._device

    def block(self, rows: slice) -> Tensor:
        """The rows of a slice with a start and a stop, (stop - start, E); of one part they are a view."""
        pieces = [
            part[max(rows.start - start, 0) : rows.stop - start]
            for part, start in zip(self._parts, self._starts.tolist(), strict=False)
            if start < rows.stop and start + len(part) > rows.start
        ]
        whole = pieces[0] if len(pieces) == 1 else torch.cat(pieces) if pieces else self._parts[0][:0]
        return whole.to(self._device)

    def lengths(self, rows: slice) -> Tensor:
        """The lengths of a slice's rows in single precision, (stop - start,), `LEAST` or more; taken once."""
        if not self._measured[rows].all():  # threads that both find it so write the same
            self._lengths[rows] = _lengths(self.block(rows))
            self._measured[rows] = True
        return self._lengths[rows]

    def coarse(self, most: int) -> Coarse | None:
        """A copy in 8 bits a number, of E + 6 bytes a row, which is kept.

        Args:
            most: bytes that it may take.

        Returns:
            None where there are few rows, or they lie on another device; where it would take more, or torch has no
            quick kernel for it; and before it has been asked for `COARSE_AFTER` times.
        """
        if self._coarse is not None:
            return self._coarse
        fits = len(self) >= COARSE_FROM and self.device.type == "cpu" and bytes_of(len(self), self.size) <= most
        if fits and self._coarse_asked <= COARSE_AFTER and COPYING.acquire(blocking=False):
            try:
                self._coarse_asked += 1
                if self._coarse_asked > COARSE_AFTER:
                    self._coarse = self._made_coarse()
            finally:
                COPYING.release()
        return self._coarse

    @torch.inference_mode(False)
    @torch.no_grad()
    def _made_coarse(self) -> Coarse | None:
        if not has_kernel():
            return None
        starts = range(0, len(self), COPIED)
        blocks = (self.block(slice(start, min(start + COPIED, len(self)))) for start in starts)
        made = Coarse.of(blocks, len(self), self.size)
        return made if is_right(made, self.block(slice(0, TRIED))) else None

    def whole(self) -> Tensor:
        """All rows (N, E); of one part they are a view."""
        return self.block(slice(0, len(self)))

    def take(self, rows: Tensor) -> Tensor:
        """Any rows (...) as (..., E)."""
        wanted = rows.reshape(-1).to(self._parts[0].device)
        if len(self._parts) == 1:
            return self._parts[0][wanted].reshape(*rows.shape, self.size).to(self._device)
        taken = torch.empty(len(wanted), self.size, device=wanted.device)
        for part, start in zip(self._parts, self._starts.tolist(), strict=False):
            inside = (wanted >= start) & (wanted < start + len(part))
            taken[inside] = part[wanted[inside] - start]
        return taken.reshape(*rows.shape, self.size).to(self._device)


def _lengths(block: Tensor) -> Tensor:
    """Those of rows (b, E) in single precision, (b,), `LEAST` or more."""
    lengths: Tensor = torch.linalg.vector_norm(block.float(), dim=1)
    if not bool(lengths.isfinite().all()):  # a sum of squares is too large
        lengths = torch.linalg.vector_norm(block.double(), dim=1).float()
    return lengths.clamp(min=LEAST)


def map_array(file: Path) -> Tensor:
    """A `.npy` file as a tensor whose pages are read when they are touched.

    Raises:
        MissingError: there is no such file.
        DataError: it is damaged.
    """
    # copy on write: torch takes no read-only array, and nothing writes into this one
    return torch.from_numpy(mapped(file, "build the gallery again", dtype=np.float32, mode="c"))
