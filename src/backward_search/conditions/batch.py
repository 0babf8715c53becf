"""What a batch of queries is to become: for each attribute a class, a set of classes or a mixture of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from backward_search.conditions.clause import Clause
from backward_search.errors import OptionError

NO_CLASS = -1e30
"""The logit of a class that an attribute does not have: finite, so that no product with 0 becomes undefined."""


@dataclass(frozen=True)
class Conditions:
    """The conditions of B queries on A attributes, whose classes number at most K.

    Attributes:
        wanted: (A, B, K) floats. A distribution over the classes, certain for a single class: its cross entropy is the
            loss. Where `any_of` holds it is a set, 1 for each member, and the loss is -log of the set's probability;
            "not this class" is the set of all others.
        any_of: where `wanted` is a set, (A, B) bool; None for nowhere.
        weight: how much each attribute counts, (A, B), not negative; 0 leaves it out. The loss is the weighted mean
            over the attributes; None counts all alike, as published.
    """

    wanted: Tensor
    any_of: Tensor | None = None
    weight: Tensor | None = None

    def __post_init__(self) -> None:
        """Check the shapes.

        Raises:
            ValueError: they do not belong together.
        """
        for name in ("any_of", "weight"):
            value = getattr(self, name)
            if value is not None and value.shape != self.wanted.shape[:2]:
                raise ValueError(f"{name} has the shape {tuple(value.shape)}: expected {tuple(self.wanted.shape[:2])}")

    @classmethod
    def of_ids(cls, ids: Tensor, classes: int, dtype: torch.dtype) -> "Conditions":
        """One class per attribute.

        Args:
            ids: the wanted class ids (B, A).
            classes: K.
            dtype: that of the search.
        """
        return cls(torch.nn.functional.one_hot(ids.T, classes).to(dtype))

    @classmethod
    def of(cls, clauses: Sequence[Mapping[str, Clause]], classes: Mapping[str, Sequence[str]]) -> "Conditions":
        """Put the conditions of some queries together, in double precision on the CPU.

        Args:
            clauses: per query, for each conditioned attribute.
            classes: the labels of the conditioned attributes, in order.
        """
        width = max(len(labels) for labels in classes.values())
        wanted = np.zeros((len(classes), len(clauses), width))
        for place, (name, labels) in enumerate(classes.items()):
            wanted[place, :, : len(labels)] = [each[name].array(labels) for each in clauses]
        any_of = torch.tensor([[each[name].any_of for each in clauses] for name in classes])
        weight = torch.tensor([[each[name].weight for each in clauses] for name in classes], dtype=torch.float64)
        return cls(torch.from_numpy(wanted), any_of if any_of.any() else None, weight if (weight != 1).any() else None)

    def __len__(self) -> int:
        """The number of queries B."""
        return self.wanted.shape[1]

    @property
    def plain(self) -> bool:
        """Whether every query wants one class of each attribute, all alike."""
        alone = (self.wanted > 0).sum(2) == 1
        return self.any_of is None and self.weight is None and bool(alone.all())

    @property
    def mixed(self) -> bool:
        """Whether some query wants a mixture."""
        return bool(((self.wanted > 0) & (self.wanted < 1)).any())

    def ids(self) -> Tensor:
        """The wanted class ids (B, A).

        Raises:
            OptionError: a query wants something else than single classes.
        """
        if not self.plain:
            raise OptionError("the student knows single classes only: answer sets, mixtures and weights by the teacher")
        return self.wanted.argmax(2).T

    def worth(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """What each image is worth to each query: the product over the attributes of the wanted share of its label.

        1 or 0 for classes and sets, so that an image meets "not c" if its label differs; for mixtures the share.

        Args:
            ids: for each attribute the class ids of N images, (N,), or of N images of each query's own, (B, N).

        Returns:
            (B, N).
        """
        first, *others = (
            np.take_along_axis(wanted.numpy(), own, 1) if own.ndim > 1 else wanted.numpy()[:, own]
            for wanted, own in zip(self.wanted, ids, strict=True)
        )
        for share in others:
            first = first * share
        return np.asarray(first)

    def at(self, rows: Tensor) -> "Conditions":
        """Those of some queries; `rows` is an index or a mask."""
        parts = {name: value[:, rows] for name, value in vars(self).items() if value is not None}
        return replace(self, **parts)

    def room(self, size: int) -> "Conditions":
        """Zeros for so many queries, of the parts that these conditions have."""
        parts = {
            name: value.new_zeros(len(value), size, *value.shape[2:])
            for name, value in vars(self).items()
            if value is not None
        }
        return replace(self, **parts)

    def take(self, other: "Conditions") -> None:
        """Write conditions with the same parts over the first rows of these."""
        for name, value in vars(other).items():
            if value is not None:
                getattr(self, name)[:, : len(other)] = value

    def repeated(self, times: int) -> "Conditions":
        """All of them, `times` times over, one copy after the other."""
        parts = {name: torch.cat([value] * times, 1) for name, value in vars(self).items() if value is not None}
        return replace(self, **parts)

    @classmethod
    def joined(cls, each: "Sequence[Conditions]") -> "Conditions":
        """Those of several batches on the same attributes, in order."""
        wanted = torch.cat([one.wanted for one in each], dim=1)
        any_of, weight = (
            torch.cat([_filled(getattr(one, name), one.wanted, value) for one in each], dim=1)
            if any(getattr(one, name) is not None for one in each)
            else None
            for name, value in (("any_of", False), ("weight", 1.0))
        )
        return cls(wanted, any_of, weight)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Conditions":
        """The same on a device and in a precision."""
        if (self.wanted.device, self.wanted.dtype) == (device, dtype):
            return self
        any_of = None if self.any_of is None else self.any_of.to(device)
        weight = None if self.weight is None else self.weight.to(device, dtype)
        return Conditions(self.wanted.to(device, dtype), any_of, weight)

    def loss_and_slope(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and its gradient in the logits: probabilities less what they should be.

        A set should have its members in the proportion they have already: the gradient of -log sum_S p is p less p
        restricted to S.

        Args:
            logits: (A, B, K), `NO_CLASS` for classes that an attribute does not have.

        Returns:
            The weighted mean over the attributes (B,), in nats, and its gradient (A, B, K).
        """
        log_p = torch.log_softmax(logits, dim=2)
        log_likelihood, target = (self.wanted * log_p).sum(2), self.wanted
        if self.any_of is not None:
            members = log_p.masked_fill(self.wanted == 0, -torch.inf)
            of_set = members.logsumexp(2)
            log_likelihood = torch.where(self.any_of, of_set, log_likelihood)
            target = torch.where(self.any_of[..., None], (members - of_set[..., None]).exp(), target)
        slope = log_p.exp_().sub_(target)
        if self.weight is None and len(slope) == 1:
            return log_likelihood.neg_().squeeze(0), slope
        if self.weight is None:
            return log_likelihood.sum(0).div_(-len(slope)), slope.div_(len(slope))
        share = self.weight / self.weight.sum(0)
        return -(log_likelihood * share).sum(0), slope.mul_(share[..., None])

    def floor(self) -> Tensor:
        """The least value that the loss can have, (B,) in nats: the weighted mean of the mixtures' entropies."""
        entropy = -torch.xlogy(self.wanted, self.wanted).sum(2)  # (A, B); of a certain class 0
        if self.any_of is not None:
            entropy = entropy.masked_fill(self.any_of, 0)
        if self.weight is None:
            return entropy.mean(0)
        return (entropy * self.weight).sum(0) / self.weight.sum(0)

    def shares(self, logits: Tensor) -> Tensor:
        """The distribution over the classes that each query is to get, (A, B, K).

        A set keeps the proportions that its members have already.

        Args:
            logits: of the queries as they are (A, B, K).
        """
        if self.any_of is None:
            return self.wanted
        of_set = logits.masked_fill(self.wanted == 0, -torch.inf).softmax(2)
        return torch.where(self.any_of[..., None], of_set, self.wanted)

    def log_likelihood(self, log_p: Tensor) -> Tensor:
        """How probable it is that each of N images meets each condition, by the probabilities of its classes.

        The weighted sum over the attributes of sum_c w_c log p_c, or of log sum_S p_c for a set.

        Args:
            log_p: log-probabilities of the images' classes (A, N, K).

        Returns:
            (B, N), at most 0.
        """
        parts = torch.matmul(self.wanted, log_p.mT)  # (A, B, N)
        if self.any_of is not None:
            of_set = torch.matmul((self.wanted > 0).to(log_p.dtype), log_p.exp().mT).log()
            parts = torch.where(self.any_of[..., None], of_set, parts)
        return self._over_attributes(parts)

    def log_likelihood_of_own(self, log_p: Tensor) -> Tensor:
        """The same where every query has n images of its own, whose sums depend on nothing but the image.

        Args:
            log_p: log-probabilities of their classes (A, B, n, K).

        Returns:
            (B, n), at most 0.
        """
        wanted = self.wanted[:, :, None].to(log_p.dtype)  # no matrix product: its rounding depends on the place
        parts = (wanted * log_p).sum(3)  # (A, B, n)
        if self.any_of is not None:
            of_set = torch.where(wanted > 0, log_p, -torch.inf).logsumexp(3)
            parts = torch.where(self.any_of[..., None], of_set, parts)
        return self._over_attributes(parts)

    def _over_attributes(self, parts: Tensor) -> Tensor:
        """The weighted sum of what each attribute says, (A, B, N) -> (B, N)."""
        if self.weight is None:
            return parts.sum(0)
        weight = self.weight[..., None]
        return torch.where(weight > 0, parts * weight, 0).sum(0)  # 0 times -inf would be undefined

    def mean_probability(self, log_likelihood: Tensor) -> Tensor:
        """Log-likelihoods (B, N) as one probability: the (weighted) geometric mean over the attributes, in [0, 1]."""
        count = len(self.wanted) if self.weight is None else self.weight.sum(0).clamp(min=1e-9)[:, None]
        return (log_likelihood / count).exp()

    def met_by(self, ids: Tensor) -> Tensor:
        """Which images have one of the wanted classes in every attribute that counts, (B, N) bool.

        Args:
            ids: class ids of N images (A, N), or of n images of each query's own (A, B, n); -1, unknown, meets nothing.
        """
        own = ids if ids.ndim == 3 else ids[:, None].expand(-1, self.wanted.shape[1], -1)
        met = (self.wanted.gather(2, own.clamp(min=0)) > 0) & (own >= 0)
        if self.weight is not None:
            met |= self.weight[..., None] == 0
        return met.all(0)


def _filled(part: Tensor | None, wanted: Tensor, value: float) -> Tensor:
    """A part that may be left out (A, B), with what it means where it is."""
    if part is not None:
        return part
    kind = torch.bool if isinstance(value, bool) else wanted.dtype
    return torch.full(wanted.shape[:2], value, dtype=kind, device=wanted.device)


def as_conditions(targets: "Tensor | Conditions", classes: int, like: Tensor) -> Conditions:
    """Class ids (B, A) or conditions as conditions, on the device and in the precision of some tensor.

    Args:
        targets: what is wanted.
        classes: K.
        like: the tensor.
    """
    if isinstance(targets, Tensor):
        return Conditions.of_ids(targets.to(like.device), classes, like.dtype)
    return targets.to(like.device, like.dtype)


def padded(logits: Sequence[Tensor], classes: int) -> Tensor:
    """The logits of several attributes, (B, K_a) each, as one tensor (A, B, K)."""
    widened = [torch.nn.functional.pad(part, (0, classes - part.shape[1]), value=NO_CLASS) for part in logits]
    return torch.stack(widened)
