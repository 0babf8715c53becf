"""What the search descends on: a loss of each query with its gradient, by our own heads or by anybody's modules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from backward_search.conditions.batch import Conditions, padded
from backward_search.solvers.heads import FrozenHeads


class Objective(Protocol):
    """How far B points are from meeting their conditions.

    Attributes:
        capturable: whether a CUDA graph may record `loss_and_gradient`: the same kernels each time, no look at a value.
    """

    capturable: bool

    def loss_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of each point (B,) and its gradient (B, E), both the caller's to change.

        Args:
            z: the points (B, E), which stay as they are.
        """

    def at(self, rows: Tensor) -> "Objective":
        """The objective of some of the queries, an index or a mask."""


class HeadsObjective:
    """The cross entropy of our heads, with the gradient written out."""

    capturable = True

    def __init__(self, heads: FrozenHeads, conditions: Conditions) -> None:
        """Of these heads and conditions."""
        self._heads, self._conditions = heads, conditions

    def loss_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        return self._heads.loss_and_gradient(z, self._conditions)

    def at(self, rows: Tensor) -> "HeadsObjective":
        """See `Objective`."""
        return HeadsObjective(self._heads, self._conditions.at(rows))


@dataclass(frozen=True)
class ModuleHeads:
    """Any modules as heads.

    Attributes:
        modules: one per attribute, points (B, E) to logits (B, K_a), in evaluation mode.
        classes: K, the most classes of any.
    """

    modules: tuple[nn.Module, ...]
    classes: int

    def logits(self, z: Tensor) -> Tensor:
        """Embeddings (B, E) to logits (A, B, K), `NO_CLASS` for classes that an attribute does not have."""
        return padded([module(z) for module in self.modules], self.classes)


class ModuleObjective:
    """The same loss of any differentiable heads, through autograd."""

    capturable = False

    def __init__(self, heads: Sequence[nn.Module], conditions: Conditions) -> None:
        """Of any modules.

        Args:
            heads: one per attribute, points (B, E) to logits (B, K_a), each query on its own: in evaluation mode.
            conditions: on the device and in the precision of the search; K is at least the largest K_a.

        Raises:
            ValueError: a module is in training mode, where dropout and BatchNorm would let queries disturb one another.
        """
        if any(head.training for head in heads):
            raise ValueError("a head is in training mode: call eval() on it before the search")
        self._heads, self._conditions = heads, conditions

    def loss_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        with torch.inference_mode(False), torch.enable_grad():
            point = z.clone().requires_grad_()
            logits = padded([head(point) for head in self._heads], self._conditions.wanted.shape[2])
            loss, slope = self._conditions.loss_and_slope(logits.detach())
            (gradient,) = torch.autograd.grad(logits, point, slope)
        return loss, gradient

    def at(self, rows: Tensor) -> "ModuleObjective":
        """See `Objective`."""
        return ModuleObjective(self._heads, self._conditions.at(rows))
