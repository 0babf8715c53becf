"""Many embeddings as one matrix: in memory or memory-mapped, in one file or in the shards of a growing gallery."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backward_search.errors import DataError
from backward_search.storage.mapped import mapped


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
        """The lengths of a slice's rows in single precision, (stop - start,); taken once, for no query changes them."""
        if not self._measured[rows].all():  # threads that both find it so write the same
            self._lengths[rows] = torch.linalg.vector_norm(self.block(rows).float(), dim=1)
            self._measured[rows] = True
        return self._lengths[rows]

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


def map_array(file: Path) -> Tensor:
    """A `.npy` file as a tensor whose pages are read when they are touched.

    Raises:
        MissingError: there is no such file.
        DataError: it is damaged.
    """
    # copy on write: torch takes no read-only array, and nothing writes into this one
    return torch.from_numpy(mapped(file, "build the gallery again", dtype=np.float32, mode="c"))
