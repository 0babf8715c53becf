"""What is known of a gallery under some conditioned attributes: each part made when first asked for, once."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from backward_search.conditions.batch import Conditions, padded
from backward_search.errors import OptionError
from backward_search.gallery.memory import Gallery
from backward_search.methods.asking import Ask
from backward_search.methods.concept import ClassMeans, Likeness
from backward_search.methods.config import AnswerConfig
from backward_search.methods.context_likeness import ContextLikeness
from backward_search.methods.scoring import Likelihood, Probability
from backward_search.methods.source import Embedded, Source
from backward_search.once import Once
from backward_search.solvers.manifold import covariance
from backward_search.solvers.protocol import Heads
from backward_search.student.frozen import FrozenStudent

Part = TypeVar("Part")


class Knowledge:
    """The parts of an answer; symbols as in `conditions.batch`, N images, E the size of an embedding."""

    def __init__(self, source: Source, names: tuple[str, ...], shown: Embedded | None = None) -> None:
        """Of a source and the conditioned attributes, in order.

        Args:
            source: where the parts come from.
            names: the attributes.
            shown: images to search in place of the source's gallery.
        """
        self.names, self._source, self._once = names, source, Once()
        self._shown = shown
        self._of_training = self

    def among(self, shown: Embedded) -> "Knowledge":
        """The same of other images, which become the gallery; heads and training images stay."""
        other = Knowledge(self._source, self.names, shown)
        other._of_training = self._of_training
        return other

    @property
    def gallery(self) -> Gallery:
        """What is searched."""
        shown = self._shown
        return self._source.gallery if shown is None else self._made("gallery", lambda: Gallery(shown.embeddings))

    @property
    def shown(self) -> Embedded:
        """The images of the gallery."""
        return self._source.shown if self._shown is None else self._shown

    @property
    def trained(self) -> Embedded:
        """The training images."""
        return self._source.trained

    @property
    def held_out(self) -> Tensor | None:
        """The rows of the training images that the heads were not trained on."""
        return self._source.held_out

    @property
    def heads(self) -> Heads:
        """The heads as they were trained."""
        return self._shared("heads", lambda: self._source.heads(self.names, calibrated=False))

    @property
    def calibrated_heads(self) -> Heads:
        """The heads with logits divided by their temperatures."""
        return self._shared("calibrated", lambda: self._source.heads(self.names, calibrated=True))

    @property
    def spread(self) -> Tensor:
        """The covariance of the training embeddings (E, E)."""
        return self._shared("spread", lambda: covariance(self.trained.embeddings))

    @property
    def class_means(self) -> ClassMeans:
        """Of the training embeddings."""
        return self._shared("means", lambda: self._source.means(self.names))

    @property
    def means(self) -> Tensor:
        """The mean of each class less that of all training embeddings, (A, K, E)."""
        return self._shared("stacked", self._stacked_means)

    @property
    def temperatures(self) -> Tensor:
        """What each attribute's logits are divided by to be calibrated, (A, 1, 1)."""
        return self._shared("temperatures", self._temperatures)

    @property
    def likeness(self) -> Likeness:
        """To the gallery, outside the conditioned attributes."""
        return self._made("likeness", lambda: Likeness(self._vectors(), self.class_means, self.names))

    @property
    def context(self) -> ContextLikeness:
        """To the gallery, by the context map."""
        return self._made("context", lambda: ContextLikeness(self._source.context(), self._vectors(), self.names))

    @property
    def log_p(self) -> Tensor:
        """Log-probabilities of the gallery's classes by its own logits, calibrated, (A, N, K)."""
        return self._made("log_p", self._log_p)

    @property
    def predicted(self) -> Tensor:
        """The gallery's class ids by its logits (A, N)."""
        return self._made("predicted", lambda: self.log_p.argmax(2))

    @property
    def labels(self) -> Tensor:
        """The gallery's true class ids (A, N), -1 where unknown.

        Raises:
            OptionError: nobody knows those of some attribute.
        """
        missing = [name for name in self.names if name not in self.shown.ids]
        if missing:
            raise OptionError(f"the true labels of the gallery in {', '.join(missing)} are not known: give them")
        return self._made("labels", lambda: torch.stack([self.shown.ids[name] for name in self.names]))

    def student(self, config: AnswerConfig) -> FrozenStudent:
        """The student of some settings."""
        key = ("student", config.solver, config.student)
        return self._shared(key, lambda: self._source.student(self.names, config))

    def of_training(self, key: str, make: Callable[[], Part]) -> Part:
        """A further part that a method needs, of the training images and their classes alone, made once."""
        return self._shared(("further", key), make)

    def calibrated_logits(self, queries: Tensor) -> Tensor:
        """The heads' logits on some embeddings (B, E), divided by the temperatures, (A, B, K)."""
        return self.heads.logits(queries) / self.temperatures

    def shifted(self, ask: Ask, amount: float) -> Tensor:
        """The queries moved from the mean of their own class to that of the target class, (B, E).

        Which class a query is of is the heads' opinion, a distribution; so is what it is to become (`shares`).

        Args:
            ask: the queries.
            amount: 1 for the whole difference.
        """
        logits = self.calibrated_logits(ask.queries)
        way = ask.conditions.shares(logits) - logits.softmax(2)  # (A, B, K)
        return ask.queries + amount * torch.bmm(way, self.means).sum(0)

    def target_means(self, ask: Ask) -> Tensor:
        """The mean of the target class of each query, (B, E); with several attributes the sum of their parts."""
        shares = ask.conditions.shares(self.calibrated_logits(ask.queries))
        return self.class_means.mean + torch.bmm(shares, self.means).sum(0)

    def likelihood(self, ask: Ask) -> Likelihood:
        """What scores images by the log-probability that they meet the condition."""
        return Likelihood(ask.conditions, self.log_p, lambda: self._direction(ask))

    def probability(self, ask: Ask) -> Probability:
        """What scores images by the geometric mean of the probabilities of the conditions."""
        return Probability(ask.conditions, self.log_p, lambda: self._direction(ask))

    def labelled(self, conditions: Conditions) -> Tensor:
        """Which gallery images meet each condition by their labels, (B, N) bool."""
        return conditions.met_by(self.labels)

    def _direction(self, ask: Ask) -> Tensor:
        """The way from the mean of all images to those that meet each condition, unit vectors (B, E)."""
        shares = ask.conditions.shares(self.calibrated_logits(ask.queries))
        return normalize(torch.bmm(shares, self.means).sum(0), dim=1)

    def _stacked_means(self) -> Tensor:
        centred = [self.class_means.centred[name] for name in self.names]
        classes = max(len(means) for means in centred)
        return torch.stack([pad(means, (0, 0, 0, classes - len(means))) for means in centred])

    def _temperatures(self) -> Tensor:
        found = [self._source.temperatures.get(name, 1.0) for name in self.names]
        return self.gallery.vectors.block(slice(0, 1)).new_tensor(found)[:, None, None]

    def _log_p(self) -> Tensor:
        logits = [self.shown.logits(name) for name in self.names]
        return torch.log_softmax(padded(logits, max(part.shape[1] for part in logits)) / self.temperatures, dim=2)

    def _vectors(self) -> Tensor:
        return self.gallery.vectors.whole()

    def _made(self, key: object, make: Callable[[], Part]) -> Part:
        with torch.no_grad():
            return self._once(key, make)

    def _shared(self, key: object, make: Callable[[], Part]) -> Part:
        return self._of_training._made(key, make)
