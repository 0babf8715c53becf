"""What all queries of a task want, as arrays: for the search, for the student, and to judge the hits by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.conditions.language import Wanted
from backward_search.errors import OptionError


@dataclass(frozen=True)
class Wishes:
    """The conditions of B queries on A attributes.

    Attributes:
        shares: for each attribute what is wanted of its classes, (B, K_a); see `Wanted`.
        any_of: where that is a set, (A, B) bool.
        weight: how much each attribute counts, (A, B).
        plain: whether every query wants one class of each attribute, all alike.
    """

    shares: tuple[np.ndarray, ...]
    any_of: np.ndarray
    weight: np.ndarray
    plain: bool

    @classmethod
    def of(cls, wanted: Sequence[Mapping[str, Wanted]], classes: Mapping[str, Sequence[str]]) -> "Wishes":
        """Put the queries' conditions together.

        Args:
            wanted: per query, for each conditioned attribute.
            classes: the labels of the conditioned attributes.
        """
        return cls(
            tuple(np.stack([each[name].array(labels) for each in wanted]) for name, labels in classes.items()),
            np.array([[each[name].any_of for each in wanted] for name in classes]),
            np.array([[each[name].weight for each in wanted] for name in classes]),
            all(each[name].is_plain for each in wanted for name in classes),
        )

    def conditions(self) -> Conditions:
        """What the search takes, in double precision on the CPU."""
        width = max(share.shape[1] for share in self.shares)
        padded = [np.pad(share, ((0, 0), (0, width - share.shape[1]))) for share in self.shares]
        wanted = torch.from_numpy(np.stack(padded))
        any_of = torch.from_numpy(self.any_of) if self.any_of.any() else None
        weight = torch.from_numpy(self.weight) if (self.weight != 1).any() else None
        return Conditions(wanted, any_of, weight)

    def targets(self) -> Tensor:
        """The wanted class ids (B, A).

        Raises:
            OptionError: a query wants something else than single classes.
        """
        if not self.plain:
            raise OptionError("the student knows single classes only: answer sets, mixtures and weights by the teacher")
        return torch.from_numpy(np.stack([share.argmax(axis=1) for share in self.shares], axis=1))

    def worth(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """What each image is worth to each query: the product over the attributes of the wanted share of its label.

        1 or 0 for classes and sets, so that an image meets "not c" if its label differs; for mixtures the share.

        Args:
            ids: for each attribute the class ids of N images, (N,).

        Returns:
            (B, N).
        """
        product = self.shares[0][:, ids[0]]
        for share, own in zip(self.shares[1:], ids[1:], strict=True):
            product = product * share[:, own]
        return np.asarray(product)

    @property
    def mixed(self) -> bool:
        """Whether some query wants a mixture."""
        return any(bool(((share > 0) & (share < 1)).any()) for share in self.shares)
