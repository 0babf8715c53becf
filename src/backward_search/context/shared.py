"""What images share: tokens - tags, groups, labels, words - of which some name a class, and are left out where the
attribute of that class is conditioned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from backward_search.data.spellings import names_of


@dataclass(frozen=True)
class Shared:
    """The tokens of N images.

    Attributes:
        starts: where the tokens of each image begin in `tokens`, (N + 1,) int64.
        tokens: token ids, image by image.
        naming: by attribute, which tokens name one of its labels, (A, T) bool.
        sources: how many images have tokens of each source, by its name.
    """

    starts: Tensor
    tokens: Tensor
    naming: Tensor
    sources: Mapping[str, int]

    @classmethod
    def gathered(
        cls, by_source: Mapping[str, Sequence[Sequence[str]]], classes: Mapping[str, Sequence[str]]
    ) -> Self:
        """Number the tokens of images.

        Args:
            by_source: by source, such as "tags", the tokens of each image, none of them twice. Those of a source that is
                called as an attribute are its labels.
            classes: by attribute its labels; a tag that is no more than the name of one counts as that label.
        """
        number: dict[tuple[str, str], int] = {}
        count = len(next(iter(by_source.values()), ()))
        rows: list[list[int]] = [[] for _ in range(count)]
        for source, each in by_source.items():
            for own, words in zip(rows, each, strict=True):
                own += [number.setdefault((source, word), len(number)) for word in words]
        naming = np.zeros((len(classes), len(number)), bool)
        for own_row, (name, labels) in zip(naming, classes.items(), strict=True):
            words = names_of(labels, {word for source, word in number if source not in classes})
            for (source, word), token in number.items():
                own_row[token] = source == name or (source not in classes and word in words)
        starts = np.cumsum([0, *map(len, rows)])
        tokens = np.fromiter((token for row in rows for token in row), np.int64, int(starts[-1]))
        sources = {source: sum(map(bool, each)) for source, each in by_source.items()}
        return cls(torch.from_numpy(starts), torch.from_numpy(tokens), torch.from_numpy(naming), sources)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.starts) - 1

    def overlap(self, rows: Tensor, others: Tensor, dropped: Tensor) -> Tensor:
        """The Jaccard overlap of each of some images with each of others, |T_i and T_j| / |T_i or T_j|, (B, C).

        Two images without tokens have the overlap 0.

        Args:
            rows: images (B,).
            others: images (C,).
            dropped: the attributes whose labels do not count, (A,) bool.
        """
        kept = ~(self.naming & dropped[:, None]).any(0)
        joined = torch.cat([rows, others])
        lengths = self.starts[joined + 1] - self.starts[joined]
        owner = torch.repeat_interleave(torch.arange(len(joined)), lengths)
        first = torch.cumsum(lengths, 0) - lengths
        place = torch.arange(len(owner)) - first[owner] + self.starts[joined][owner]
        token = self.tokens[place]
        count = kept[token]
        owner, token = owner[count], token[count]
        sizes = torch.bincount(owner, minlength=len(joined)).float()
        words, column = token.unique(return_inverse=True)
        present = torch.zeros(len(joined), len(words))
        present[owner, column] = 1.0
        both = present[: len(rows)] @ present[len(rows) :].T
        either = sizes[: len(rows), None] + sizes[None, len(rows) :] - both
        return both / either.clamp(min=1)
