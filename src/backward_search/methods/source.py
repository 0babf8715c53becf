"""What an assembler draws on: the gallery, the training images and the heads, in memory here, of a run in `runs`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from backward_search.context.network import ContextMap
from backward_search.gallery.memory import Gallery
from backward_search.methods.concept import ClassMeans
from backward_search.methods.config import AnswerConfig
from backward_search.solvers.protocol import Heads
from backward_search.student.frozen import FrozenStudent

UNKNOWN = -1
"""The class id of an image whose label nobody knows."""


@dataclass(frozen=True)
class Embedded:
    """Embedded images with what is known of them.

    Attributes:
        embeddings: (N, E).
        ids: by attribute the true class ids (N,), `UNKNOWN` for some; an attribute that is not there is known of none.
        logits: gives an attribute's logits (N, K) by its head.
    """

    embeddings: Tensor
    ids: Mapping[str, Tensor]
    logits: Callable[[str], Tensor]

    def part(self, rows: Tensor) -> "Embedded":
        """Some of the images (n,)."""
        ids = {name: values[rows] for name, values in self.ids.items()}
        return Embedded(self.embeddings[rows], ids, lambda name: self.logits(name)[rows])

    def assumed(self, name: str) -> Tensor:
        """Class ids (N,): the true ones, and the head's opinion where nobody knows."""
        known = self.ids.get(name)
        if known is not None and not bool((known < 0).any()):
            return known
        opinion = self.logits(name).argmax(1)
        return opinion if known is None else torch.where(known < 0, opinion, known)


def means_of(trained: Embedded, names: Sequence[str], classes: Mapping[str, Sequence[str]]) -> ClassMeans:
    """The class means of training images, the head's opinion standing for labels that nobody knows."""
    ids = {name: trained.assumed(name) for name in names}
    return ClassMeans.of(trained.embeddings, ids, {name: len(classes[name]) for name in names})


class Source(Protocol):
    """Where the parts of an answer come from. What is costly is made when it is asked for; the assembler keeps it."""

    @property
    def gallery(self) -> Gallery:
        """What is searched."""

    @property
    def shown(self) -> Embedded:
        """The images of the gallery, in its order."""

    @property
    def trained(self) -> Embedded:
        """The training images.

        Raises:
            MissingError: there are none.
        """

    @property
    def held_out(self) -> Tensor | None:
        """The rows of those that the heads were not trained on."""

    @property
    def temperatures(self) -> Mapping[str, float]:
        """By attribute, what the logits of its head are divided by to be calibrated; 1 where there is none."""

    @property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """By attribute the names of its classes."""

    def means(self, names: Sequence[str]) -> ClassMeans:
        """The class means of the training embeddings in some attributes."""

    def heads(self, names: Sequence[str], *, calibrated: bool) -> Heads:
        """The heads of some attributes."""

    def context(self) -> ContextMap:
        """The context map.

        Raises:
            UserError: there is none, or none that fits.
        """

    def student(self, names: Sequence[str], config: AnswerConfig) -> FrozenStudent:
        """The student of some attributes under some settings.

        Raises:
            UserError: there is none, or none that fits.
        """

    def lacks(self, need: str, names: Sequence[str], config: AnswerConfig) -> str:
        """Why what a method needs is not there, in words; "" where it is.

        Args:
            need: of `asking.NEEDS`.
            names: the conditioned attributes.
            config: the settings.
        """
