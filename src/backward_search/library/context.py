"""The context map of a searcher in memory: given, or learnt when it is first needed."""

import copy
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from backward_search.context.learning import Learner, LearningConfig
from backward_search.context.network import ContextMap
from backward_search.context.relation import ByBest, ByImages
from backward_search.context.shared import Shared
from backward_search.methods.source import Embedded

LOG = logging.getLogger(__name__)


def given_context(context: Any, attributes: Sequence[str], vectors: Tensor) -> ContextMap | None:
    """A copy of the context map that a program hands over, on the device and in the precision of the gallery.

    Raises:
        ValueError: it is none, or does not fit heads and gallery.
    """
    if context is None:
        return None
    if not isinstance(context, ContextMap):
        raise ValueError(f"context is a {type(context).__name__}: expected a ContextMap")
    wanted, own = (vectors.shape[1], set(attributes)), (context.config.embedding, set(context.config.attributes))
    if own != wanted:
        raise ValueError(
            f"the context map takes {own[0]} numbers and knows {', '.join(context.config.attributes)}: "
            f"expected {wanted[0]} and {', '.join(attributes)}"
        )
    return copy.deepcopy(context).requires_grad_(False).to(vectors).eval()


def tags_of(tags: Any, count: int, whose: str) -> list[list[str]] | None:
    """The tags of images, each once.

    Raises:
        ValueError: there is not a collection of texts for each image.
    """
    if tags is None:
        return None
    each = list(tags) if isinstance(tags, Sequence) and not isinstance(tags, str) else None
    right = each is not None and all(isinstance(own, Collection) and not isinstance(own, str) for own in each)
    if each is None or not right or not all(isinstance(tag, str) for own in each for tag in own):
        raise ValueError("tags: expected for each image a list of texts")
    if len(each) != count:
        raise ValueError(f"tags are of {len(each)} images, {whose} of {count}")
    return [sorted(set(own)) for own in each]


@torch.inference_mode(False)
@torch.enable_grad()
def learnt(
    images: Embedded, held_out: Tensor | None, tags: list[list[str]] | None, classes: Mapping[str, Sequence[str]]
) -> ContextMap:
    """Learn a context map from images in memory, as C4 does.

    Args:
        images: the training images.
        held_out: the rows of those that it is not to learn from.
        tags: of each image; the labels serve where there are none, and the images themselves where they do not speak.
        classes: by attribute its labels.
    """
    ids = {name: images.assumed(name).cpu() for name in classes}
    labels = {name: [[classes[name][one]] for one in own.tolist()] for name, own in ids.items()}
    shared = Shared.gathered(labels if tags is None else {"tags": tags}, classes)
    count = len(images.embeddings)
    features = images.embeddings.detach().float()
    by_images = ByImages(features.cpu(), torch.stack(list(ids.values())), torch.arange(count))
    rows = torch.arange(count)
    if held_out is not None and len(held_out) < count:
        rows = rows[~torch.isin(rows, held_out.cpu())]
    config = LearningConfig()
    LOG.info("learning a context map from %d images", len(rows))
    learner = Learner(features, ByBest(shared, by_images), list(classes), config, rows)
    return learner.finish().to(images.embeddings)
