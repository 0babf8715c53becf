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
        return ranked(self.similarity(queries), k)

    def similarity(self, queries: Tensor) -> Tensor:
        """The cosine of each query (B, E) with every image, (B, N)."""
        return torch.nn.functional.normalize(queries, dim=1) @ self._unit.T


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
