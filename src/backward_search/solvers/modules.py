"""Anybody's differentiable modules as heads: the same loss as by our own, through autograd."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backward_search.conditions.batch import Conditions, padded
from backward_search.solvers.protocol import Heads


@dataclass(frozen=True)
class ModuleHeads:
    """Any modules as heads.

    Attributes:
        modules: one per attribute, points (B, E) to logits (B, K_a), each query on its own: in evaluation mode.
        classes: K, the most classes of any.
        temperatures: what the logits of each are divided by; None for nothing.
    """

    modules: tuple[nn.Module, ...]
    classes: int
    temperatures: tuple[float, ...] | None = None

    @classmethod
    def of(cls, modules: Sequence[nn.Module], like: Tensor) -> "ModuleHeads":
        """Of modules whose classes are counted on one of some embeddings (B, E)."""
        with torch.no_grad():
            return cls(tuple(modules), max(int(module(like[:1]).shape[1]) for module in modules))

    def logits(self, z: Tensor) -> Tensor:
        """Embeddings (B, E) to logits (A, B, K), `NO_CLASS` for classes that an attribute does not have."""
        scales = self.temperatures or (1.0,) * len(self.modules)
        return padded([module(z) / scale for module, scale in zip(self.modules, scales, strict=True)], self.classes)

    def objective(self, conditions: Conditions) -> "ModuleObjective":
        """What a solver descends on.

        Raises:
            ValueError: a module is in training mode, where dropout and BatchNorm would let queries disturb one another.
        """
        if any(module.training for module in self.modules):
            raise ValueError("a head is in training mode: call eval() on it before the search")
        return ModuleObjective(self, conditions)


class ModuleObjective:
    """The cross entropy of modules."""

    def __init__(self, heads: ModuleHeads, conditions: Conditions) -> None:
        """Of these heads and conditions, which are on the device and in the precision of the search."""
        self._heads, self._conditions = heads, conditions

    def loss_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See `protocol.Objective`."""
        with torch.inference_mode(False), torch.enable_grad():
            point = z.clone().requires_grad_()
            logits = self._heads.logits(point)
            loss, slope = self._conditions.loss_and_slope(logits.detach())
            (gradient,) = torch.autograd.grad(logits, point, slope)
        return loss, gradient

    def at(self, rows: Tensor) -> "ModuleObjective":
        """See `protocol.Objective`."""
        return ModuleObjective(self._heads, self._conditions.at(rows))


def as_heads(heads: Heads | Sequence[nn.Module], queries: Tensor) -> Heads:
    """Heads as they are, or of a list of modules, whose classes are counted on one of the queries (B, E)."""
    return ModuleHeads.of(heads, queries) if isinstance(heads, Sequence) else heads
