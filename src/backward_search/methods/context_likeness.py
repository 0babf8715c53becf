"""Likeness by the context map: how much a query and an image share beside the conditions."""

from collections.abc import Sequence

from torch import Tensor

from backward_search.context.network import ContextMap
from backward_search.gallery.memory import CosineScorer
from backward_search.gallery.vectors import Vectors

BLOCK = 8192
"""Images that go through the map at once."""


class ContextLikeness:
    """The cosine of query and image under the context map, over one gallery: every image has a second vector."""

    def __init__(self, context: ContextMap, embeddings: Tensor, attributes: Sequence[str]) -> None:
        """Prepare a gallery.

        Args:
            context: the map.
            embeddings: the gallery (N, E).
            attributes: the conditioned ones.
        """
        self._map, self._conditioned = context, context.conditioned(attributes).to(embeddings)
        vectors = embeddings.new_empty(len(embeddings), context.config.size)
        for start in range(0, len(embeddings), BLOCK):
            rows = slice(start, start + BLOCK)
            vectors[rows] = self._map(embeddings[rows], self._conditioned)
        self._images = Vectors([vectors])

    def of(self, queries: Tensor) -> CosineScorer:
        """What scores images by what they share with each query (B, E), in [-1, 1]."""
        shared = self._map(queries, self._conditioned)
        return CosineScorer(shared, self._images, lambda: self._map.guide(queries, self._conditioned))
