"""Training on features that do not change from epoch to epoch, in place of the images they were made of."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from backward_search.images.loading import Batch, ImageLoader
from backward_search.model.features import Features
from backward_search.model.network import Model


class AfterEncoder(nn.Module):
    """Features (B, d) to logits (B, K) by attribute: a model without its encoder."""

    def __init__(self, model: Model) -> None:
        """Share the model's layers."""
        super().__init__()
        self.projection, self.heads = model.projection, model.heads
        self._classify = model.classify

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Embed and classify."""
        return self._classify(self.projection(features))


class FeatureLoader:
    """The batches of an image loader, with the features of each image in place of its pixels."""

    def __init__(self, images: ImageLoader, features: Features, keys: Sequence[str]) -> None:
        """Take order and labels of `images`.

        Args:
            images: the loader; its files are not opened.
            features: of these images among others.
            keys: what the images of the loader are called, in the order of its rows.
        """
        self._images, self._features, self._places = images, features, features.rows(keys)
        self.steps = images.steps

    def epoch(self, epoch: int = 0, skip: int = 0) -> Iterator[Batch]:
        """This process's share of the batches of an epoch, but for the first `skip`."""
        for rows, weight in self._images.shares(epoch, skip):
            places = torch.from_numpy(rows)
            yield Batch(self._features.take(self._places[rows]), self._images.labels_of(places), places, weight)
