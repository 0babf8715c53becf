"""What a frozen encoder makes of images that stay the same from epoch to epoch: computed once, and trained on then."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from backward_search.data.registry import Preprocessing
from backward_search.images.fitting import normalise
from backward_search.images.loading import Batch, ImageLoader
from backward_search.model.network import Model

MOST_BYTES = 2**30
"""Features of a split beyond this are computed anew in every epoch."""


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

    def __init__(self, images: ImageLoader, features: Tensor) -> None:
        """Take the order of `images`, and features (N, d) by row."""
        self._images, self._features = images, features
        self.steps = images.steps

    def epoch(self, epoch: int = 0, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, but for the first `skip`."""
        for rows in self._images.batches(epoch)[skip:]:
            places = torch.from_numpy(rows)
            yield Batch(self._features[places], self._images.labels_of(places), places)


@torch.no_grad()
def encoded(model: Model, images: ImageLoader, look: Preprocessing, device: torch.device) -> FeatureLoader | None:
    """The features of all images of a loader that one process reads alone; None where they are too many to hold.

    They are computed in the order of the rows, in batches of one size, so that they do not depend on when.

    Args:
        model: on the device; its encoder is frozen.
        images: without augmentation.
        look: how the images are normalised.
        device: where.
    """
    model.eval()
    features, done = torch.empty(0), 0
    for batch in images.in_order():
        part = model.encode(normalise(batch.pixels, look, device)).cpu()
        if not done:
            if len(images) * part.shape[1] * part.element_size() > MOST_BYTES:
                return None
            features = torch.empty(len(images), part.shape[1])
        features[batch.rows] = part
        done += len(part)
    return FeatureLoader(images, features)
