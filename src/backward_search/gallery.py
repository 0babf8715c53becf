"""The gallery: the images among which is searched, by cosine similarity."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Hits:
    """The nearest images of each query, best first; equal similarities stand in gallery order.

    Attributes:
        rows: rows of the gallery (B, k) int64.
        similarity: cosine similarities (B, k).
    """

    rows: Tensor
    similarity: Tensor


class Gallery:
    """Embeddings, normalised once."""

    def __init__(self, embeddings: Tensor) -> None:
        """Normalise the embeddings (N, E)."""
        self._unit = torch.nn.functional.normalize(embeddings, dim=1)

    def __len__(self) -> int:
        """The number of images."""
        return len(self._unit)

    def search(self, queries: Tensor, k: int) -> Hits:
        """The `k` nearest images of each query (B, E)."""
        similarity = torch.nn.functional.normalize(queries, dim=1) @ self._unit.T
        ranked = similarity.sort(dim=1, descending=True, stable=True)
        return Hits(ranked.indices[:, :k], ranked.values[:, :k])
