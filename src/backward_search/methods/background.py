"""What the training split and the images' own logits say: for the methods that ask more than a moved query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from backward_search.conditions.batch import Conditions, padded
from backward_search.methods.concept import ClassMeans, Likeness


@dataclass(frozen=True)
class Background:
    """Knowledge about one gallery and the conditioned attributes.

    Attributes:
        means: class means of the training embeddings, each with the mean of all taken off, (A, K, E).
        overall: the mean of all of them (E,).
        likeness: outside the conditioned attributes, to the gallery.
        log_p: log-probabilities of the gallery's classes by its own logits, calibrated, (A, N, K).
        labels: true class ids of the gallery (A, N).
        temperatures: what each attribute's logits are divided by to be calibrated, (A, 1, 1).
    """

    means: Tensor
    overall: Tensor
    likeness: Likeness
    log_p: Tensor
    labels: Tensor
    temperatures: Tensor

    @classmethod
    def of(
        cls,
        means: ClassMeans,
        conditioned: Sequence[str],
        embeddings: Tensor,
        logits: Mapping[str, Tensor],
        labels: Mapping[str, Tensor],
        temperatures: Mapping[str, float] | None = None,
    ) -> "Background":
        """Put it together.

        Args:
            means: of the training embeddings.
            conditioned: the attributes, in order.
            embeddings: the gallery (N, E).
            logits: by attribute, of the gallery (N, K_a).
            labels: by attribute, of the gallery (N,).
            temperatures: by attribute, where its head is calibrated; 1 elsewhere.
        """
        classes = max(logits[name].shape[1] for name in conditioned)
        stacked = torch.stack(
            [
                torch.nn.functional.pad(means.centred[name], (0, 0, 0, classes - len(means.centred[name])))
                for name in conditioned
            ]
        )
        scale = embeddings.new_tensor([(temperatures or {}).get(name, 1.0) for name in conditioned])[:, None, None]
        log_p = torch.log_softmax(padded([logits[name] for name in conditioned], classes) / scale, dim=2)
        likeness = Likeness(embeddings, means, conditioned)
        known = torch.stack([labels[name] for name in conditioned])
        return cls(stacked, means.mean, likeness, log_p, known, scale)

    def calibrated(self, logits: Tensor) -> Tensor:
        """Logits (A, B, K) as the temperatures of their attributes have them."""
        return logits / self.temperatures

    def shifted(self, queries: Tensor, conditions: Conditions, logits: Tensor, amount: float) -> Tensor:
        """The queries moved from the mean of their own class to that of the target class.

        Which class a query is of is the heads' opinion, a distribution; so is what it is to become (`shares`).

        Args:
            queries: embeddings (B, E).
            conditions: theirs.
            logits: the heads' on the queries (A, B, K).
            amount: 1 for the whole difference.
        """
        way = conditions.shares(logits) - logits.softmax(2)  # (A, B, K)
        return queries + amount * torch.bmm(way, self.means).sum(0)

    def target_means(self, conditions: Conditions, logits: Tensor) -> Tensor:
        """The mean of the target class of each query, (B, E); with several attributes the sum of their parts."""
        return self.overall + torch.bmm(conditions.shares(logits), self.means).sum(0)

    def ids(self, kind: str) -> Tensor:
        """The gallery's class ids (A, N): "predicted" by its logits, or its "labels"."""
        return self.log_p.argmax(2) if kind == "predicted" else self.labels

    def direction(self, conditions: Conditions, logits: Tensor) -> Tensor:
        """The way from the mean of all images to those that meet each condition, unit vectors (B, E)."""
        return normalize(torch.bmm(conditions.shares(logits), self.means).sum(0), dim=1)
