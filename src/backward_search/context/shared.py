"""What images share: tokens, such as tags, of which those that name a conditioned label do not count."""

import functools
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
        attributes: those of `naming`.
    """

    starts: Tensor
    tokens: Tensor
    naming: Tensor
    sources: Mapping[str, int]
    attributes: tuple[str, ...]

    @classmethod
    def gathered(cls, by_source: Mapping[str, Sequence[Sequence[str]]], classes: Mapping[str, Sequence[str]]) -> Self:
        """Number the tokens of images.

        Args:
            by_source: by source, such as "tags", the tokens of each image, none of them twice. Those of a source that
                is called as an attribute are its labels.
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
            named = names_of(labels, {word for source, word in number if source not in classes})
            for (source, word), token in number.items():
                own_row[token] = source == name or (source not in classes and word in named)
        starts = np.cumsum([0, *map(len, rows)])
        tokens = np.fromiter((token for row in rows for token in row), np.int64, int(starts[-1]))
        sources = {source: sum(map(bool, each)) for source, each in by_source.items()}
        return cls(
            torch.from_numpy(starts), torch.from_numpy(tokens), torch.from_numpy(naming), sources, tuple(classes)
        )

    def __len__(self) -> int:
        """The number of images."""
        return len(self.starts) - 1

    def counting(self, dropped: Tensor) -> Tensor:
        """Which tokens count where the labels of some attributes (A,) bool do not, (T,) bool."""
        return ~(self.naming & dropped[:, None]).any(0)

    def says_something(self, dropped: Tensor) -> bool:
        """Whether two images share a token that counts."""
        return bool((torch.bincount(self.tokens, minlength=self.naming.shape[1])[self.counting(dropped)] > 1).any())

    def overlap(self, rows: Tensor, others: Tensor, dropped: Tensor) -> Tensor:
        """The Jaccard overlap of each of some images with each of others, |T_i and T_j| / |T_i or T_j|, (B, C).

        Two images without tokens have the overlap 0.

        Args:
            rows: images (B,).
            others: images (C,).
            dropped: the attributes whose labels do not count, (A,) bool.
        """
        same = rows is others
        joined = rows if same else torch.cat([rows, others])
        owner, token = self._of(joined)
        count = self.counting(dropped)[token]
        owner, token = owner[count], token[count]
        sizes = torch.bincount(owner, minlength=len(joined)).float()
        held = torch.bincount(token, minlength=len(self.counting(dropped)))
        several = held[token] > 1  # a token of a single image is shared by none: it counts in its size alone
        column = torch.cumsum(held > 1, 0)[token[several]] - 1
        present = torch.zeros(len(joined), int((held > 1).sum()))
        present[owner[several], column] = 1.0
        if same:
            both = present @ present.T
            both.diagonal().copy_(sizes)
            return both / (sizes[:, None] + sizes - both).clamp(min=1)
        both = present[: len(rows)] @ present[len(rows) :].T
        return both / (sizes[: len(rows), None] + sizes[len(rows) :] - both).clamp(min=1)

    def mates(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """For each of some images (B,) one that has a token of it, drawn at random; itself where it has none."""
        starts, counts = self.starts[rows], self.starts[rows + 1] - self.starts[rows]
        drawn = (torch.rand(len(rows), generator=generator) * counts).long()
        some = counts > 0
        tokens = self.tokens[(starts + drawn)[some]]
        first, holders = self._holders
        size = first[tokens + 1] - first[tokens]
        mates = rows.clone()
        mates[some] = holders[first[tokens] + (torch.rand(len(tokens), generator=generator) * size).long()]
        return mates

    @functools.cached_property
    def _holders(self) -> tuple[Tensor, Tensor]:
        """Where the images of each token begin (T + 1,), and the images, token by token."""
        order = self.tokens.argsort(stable=True)
        owner = torch.repeat_interleave(torch.arange(len(self)), self.starts.diff())
        counts = torch.bincount(self.tokens, minlength=self.naming.shape[1])
        first = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return first, owner[order]

    def _of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The place in `rows` and the id of every token of some images."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        owner = torch.repeat_interleave(torch.arange(len(rows)), lengths)
        first = lengths.cumsum(0) - lengths
        return owner, self.tokens[torch.arange(len(owner)) - first[owner] + self.starts[rows][owner]]
