"""How much two training images belong together beside the conditions: what a context map is to say.

By what they share where something is known of them; else by the images themselves: an image's views belong together,
and so do images that an encoder finds alike apart from the conditioned attributes.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from backward_search.context.shared import Shared

DESCRIBING = frozenset({"tags", "captions"})
"""The sources that describe an image; what others say of it, groups and labels, is coarse."""


class Relation(Protocol):
    """What says how much images belong together."""

    def target(self, rows: Tensor, others: Tensor, dropped: Tensor) -> Tensor:
        """For each of some images (B,) and each of others (C,) how much they belong together, (B, C) in [0, 1].

        Args:
            rows: images.
            others: images.
            dropped: which attributes are conditioned, (A,) bool.
        """

    def mates(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """For each of some images (B,) one that is likely to belong to it."""

    def by(self, dropped: Tensor) -> str:
        """What says so under conditions on some attributes, in words."""


@dataclass(frozen=True)
class ByImages:
    """By the images themselves.

    Attributes:
        features: what an encoder makes of each image or view of one, (M, d).
        ids: its class ids by attribute (A, M).
        image: which image each shows (M,): views of one image have the same number.
    """

    features: Tensor
    ids: Tensor
    image: Tensor

    def target(self, rows: Tensor, others: Tensor, dropped: Tensor) -> Tensor:
        """Of two views of an image 1, of others the cosine of what is left of their features, where positive.

        What is left: the features less the mean of their class, in each conditioned attribute in turn.
        """
        alike = (self._left(rows, dropped) @ self._left(others, dropped).T).clamp(0, 1)
        return torch.where(self.image[rows][:, None] == self.image[others], 1.0, alike)

    def mates(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Another view of each image; itself where there is none."""
        order = self.image.argsort(stable=True)
        sizes = torch.bincount(self.image)
        first = sizes.cumsum(0) - sizes
        own = self.image[rows]
        return order[first[own] + (torch.rand(len(rows), generator=generator) * sizes[own]).long()]

    def by(self, dropped: Tensor) -> str:
        """Views, where there are any, and likeness."""
        del dropped
        views = "views of one image, and " if len(torch.bincount(self.image)) < len(self.image) else ""
        return f"{views}likeness apart from the condition"

    def _left(self, rows: Tensor, dropped: Tensor) -> Tensor:
        """What is left of some images' features, unit vectors (B, d)."""
        left = self.features[rows]
        for ids, means in zip(self.ids[dropped], self._means(dropped), strict=True):
            left = left - means[ids[rows]]
        return normalize(left, dim=1)

    def _means(self, dropped: Tensor) -> list[Tensor]:
        """The class means to take out in turn, each (K, d), of what the ones before have left."""
        key = tuple(dropped.tolist())
        if key not in self._means_kept:
            left, found = self.features, []
            for ids in self.ids[dropped]:
                found.append(_class_means(left, ids))
                left = left - found[-1][ids]
            self._means_kept[key] = found
        return self._means_kept[key]

    @functools.cached_property
    def _means_kept(self) -> dict[tuple[bool, ...], list[Tensor]]:
        return {}


@dataclass(frozen=True)
class ByBest:
    """By what images share, and by the images themselves where that says little or nothing.

    Tags and words describe an image, and count alone. Labels and groups are coarse: they double what likeness says of
    two images that share all of them. Where no token counts likeness speaks alone.

    Attributes:
        shared: the tokens.
        images: of the same images; views come after the images themselves.
    """

    shared: Shared
    images: ByImages

    def target(self, rows: Tensor, others: Tensor, dropped: Tensor) -> Tensor:
        """By the one, the other, or likeness (1 + overlap) / 2."""
        if not self._speaks(dropped):
            return self.images.target(rows, others, dropped)
        own = self.images.image[rows]
        overlap = self.shared.overlap(own, own if rows is others else self.images.image[others], dropped)
        return overlap if self._describes else self.images.target(rows, others, dropped) * (1 + overlap) / 2

    def mates(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """By tokens where there are any."""
        if len(self.shared.tokens):
            return self.shared.mates(self.images.image[rows], generator)
        return self.images.mates(rows, generator)

    def by(self, dropped: Tensor) -> str:
        """The one, the other, or both."""
        if not self._speaks(dropped):
            return self.images.by(dropped)
        named = ", ".join(self._counting(dropped))
        return named if self._describes else f"{named} and {self.images.by(dropped)}"

    @property
    def _describes(self) -> bool:
        return bool(DESCRIBING & self.shared.sources.keys())

    def _counting(self, dropped: Tensor) -> list[str]:
        """The sources that count: not the labels of conditioned attributes."""
        out = {name for name, drop in zip(self.shared.attributes, dropped.tolist(), strict=True) if drop}
        return [source for source in self.shared.sources if source not in out]

    def _speaks(self, dropped: Tensor) -> bool:
        return self.shared.says_something(dropped)


def _class_means(features: Tensor, ids: Tensor) -> Tensor:
    """The mean of each class (K, d); zero for one without an image."""
    counts = torch.bincount(ids).clamp(min=1).unsqueeze(1)
    return features.new_zeros(len(counts), features.shape[1]).index_add_(0, ids, features) / counts


def tasks_of(attributes: Sequence[str]) -> list[Tensor]:
    """The conditioned attributes that a map is learnt for, (A,) bool each: every one, every two, and all of them."""
    count = len(attributes)
    each = [{a} for a in range(count)] + [{a, b} for a in range(count) for b in range(a + 1, count)]
    each += [set(range(count))] if count > 2 else []
    return [torch.tensor([a in one for a in range(count)]) for one in each]
