"""Keeping in the embedding what tags need: one more term of the training's loss, whose head is dropped afterwards.

A head of classes lets the embedding forget whatever does not tell its classes apart. The term asks it for the tokens of
an image too, by a linear layer and the cross entropy between the even distribution over the image's tokens and the
softmax over all of them (Mahajan et al., "Exploring the Limits of Weakly Supervised Pretraining", ECCV 2018, 2.2).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backward_search.context.shared import Shared
from backward_search.model.network import Model

LEAST, MOST = 5, 4096
"""Tokens that fewer images have are left out; of the others the most frequent ones count."""


@dataclass(frozen=True)
class Kept:
    """What a training keeps beside its classes.

    Attributes:
        weight: of the term, relative to the mean over attributes of the cross entropy.
        targets: the even distribution over the tokens of each training image (N, T); zeros for one without any.
    """

    weight: float
    targets: Tensor

    @classmethod
    def of(cls, shared: Shared, weight: float) -> "Kept":
        """The tokens of the training images, in the order of their table."""
        counts = torch.bincount(shared.tokens, minlength=shared.naming.shape[1])
        frequent = counts.argsort(descending=True, stable=True)[:MOST]
        frequent = frequent[counts[frequent] >= LEAST]
        column = torch.full((len(counts),), -1)
        column[frequent] = torch.arange(len(frequent))
        owner = torch.repeat_interleave(torch.arange(len(shared)), shared.starts.diff())
        place = column[shared.tokens]
        targets = torch.zeros(len(shared), len(frequent))
        targets[owner[place >= 0], place[place >= 0]] = 1.0
        return cls(weight, targets / targets.sum(1, keepdim=True).clamp(min=1))

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """The term of a batch: the mean over the images that have tokens.

        Args:
            logits: of the tokens (B, T).
            rows: of the images in their table (B,).
        """
        targets = self.targets[rows].to(logits.device, non_blocking=True)
        each = -(targets * logits.log_softmax(1)).sum(1)
        return self.weight * each.sum() / targets.any(1).sum().clamp(min=1)


class WithTokens(nn.Module):
    """A model that gives the logits of tokens beside those of its classes, in training alone."""

    def __init__(self, model: Model, tokens: int, *, on_features: bool) -> None:
        """Share the model's layers, and put a linear layer beside its heads."""
        super().__init__()
        self.model, self.head, self._on_features = model, nn.Linear(model.config.encoding_size, tokens), on_features

    def forward(self, inputs: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Logits by attribute (B, K), and of tokens (B, T)."""
        embeddings = self.model.project(inputs) if self._on_features else self.model.embed(inputs)
        return self.model.classify(embeddings), self.head(embeddings)
