"""The class means of the training embeddings, and what they say of a condition without any search.

Likeness and condition are two questions: the means span the subspace in which the conditioned attributes vary; what is
left of an embedding outside it is all that the query and an image can have in common besides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backward_search.gallery.memory import CosineScorer
from backward_search.gallery.vectors import Vectors

LEAST_DIRECTION = 1e-2
"""A direction in which the class means vary less than this share of their largest one is noise, and stays."""


@dataclass(frozen=True)
class ClassMeans:
    """Means of the training embeddings.

    Attributes:
        mean: of all of them, (E,).
        centred: by attribute, the mean of each class minus `mean`, (K, E); zero for a class without an image.
    """

    mean: Tensor
    centred: dict[str, Tensor]

    @classmethod
    def of(cls, embeddings: Tensor, ids: Mapping[str, Tensor], classes: Mapping[str, int]) -> "ClassMeans":
        """Take the means.

        Args:
            embeddings: of the training split (N, E).
            ids: by attribute, class ids (N,).
            classes: by attribute, the number of classes.
        """
        mean = embeddings.mean(dim=0)
        centred = {}
        for name, k in classes.items():
            counts = torch.bincount(ids[name], minlength=k).clamp(min=1).unsqueeze(1)
            sums = embeddings.new_zeros(k, embeddings.shape[1]).index_add_(0, ids[name], embeddings - mean)
            centred[name] = sums / counts
        return cls(mean, centred)

    def subspace(self, attributes: Sequence[str]) -> Tensor:
        """An orthonormal basis (E, r) of the directions in which the class means of some attributes vary.

        At most half of the E dimensions, those in which the means vary most, so that something is left to be alike in.
        """
        stacked = torch.cat([self.centred[name] for name in attributes])  # (sum of K, E)
        _, values, directions = torch.linalg.svd(stacked, full_matrices=False)
        kept = min(int((values > LEAST_DIRECTION * values[0]).sum()), stacked.shape[1] // 2)
        basis: Tensor = directions[:kept].T
        return basis


class Likeness:
    """The cosine of query and image outside the conditioned attributes' subspace, over one gallery.

    With m the mean of the training embeddings, U the basis and Q = I - U U': cos(Q (z - m), Q (x - m)).
    """

    def __init__(self, embeddings: Tensor, means: ClassMeans, attributes: Sequence[str]) -> None:
        """Prepare a gallery.

        Args:
            embeddings: the gallery (N, E).
            means: of the training embeddings.
            attributes: the conditioned ones.
        """
        self._mean, self._basis = means.mean, means.subspace(attributes)
        self._images = Vectors([self._outside(embeddings)])

    def of(self, queries: Tensor) -> CosineScorer:
        """What scores images by their likeness to each query (B, E), in [-1, 1]."""
        return CosineScorer(self._outside(queries), self._images)

    def _outside(self, embeddings: Tensor) -> Tensor:
        rest = embeddings - self._mean
        rest = rest - (rest @ self._basis) @ self._basis.T
        return torch.nn.functional.normalize(rest, dim=1)
