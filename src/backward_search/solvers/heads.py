"""The heads as the search sees them: frozen, BatchNorms folded into the next layer, all attributes in one product."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from backward_search.conditions.batch import NO_CLASS, Conditions
from backward_search.model.folding import folded
from backward_search.model.network import Head
from backward_search.solvers.recorded import Recordings

threshold_backward = torch.ops.aten.threshold_backward
"""The slope where a unit is above a threshold, else 0: one pass over the numbers."""


class HeadsObjective:
    """The cross entropy of our heads, with the gradient written out."""

    def __init__(self, heads: "FrozenHeads", conditions: Conditions) -> None:
        """Of these heads and conditions."""
        self._heads, self._conditions = heads, conditions

    def loss_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See `protocol.Objective`."""
        return self._heads.loss_and_gradient(z, self._conditions)

    def at(self, rows: Tensor) -> "HeadsObjective":
        """See `protocol.Objective`."""
        return HeadsObjective(self._heads, self._conditions.at(rows))

    @property
    def recordings(self) -> Recordings:
        """See `recorded.Recordable`."""
        return self._heads.recordings

    @property
    def kind(self) -> Hashable:
        """See `recorded.Recordable`."""
        return self._conditions.any_of is None, self._conditions.weight is None

    def room(self, size: int) -> "HeadsObjective":
        """See `recorded.Recordable`."""
        return HeadsObjective(self._heads, self._conditions.room(size))

    def take(self, other: "HeadsObjective") -> None:
        """See `recorded.Recordable`."""
        self._conditions.take(other._conditions)


@dataclass(frozen=True)
class FrozenHeads:
    """The conditioned heads in evaluation mode, stacked: A attributes, E embedding size, K the most classes of one.

    Attributes:
        layers: weights and biases of the three layers: (A, out, in) and (A, 1, out). Classes that an attribute does not
            have get the bias `NO_CLASS`, hence the probability 0.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]

    @classmethod
    def of(
        cls,
        heads: Sequence[Head],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        temperatures: Sequence[float] | None = None,
    ) -> "FrozenHeads":
        """Freeze trained heads.

        Args:
            heads: those of the conditioned attributes, in order.
            device: where the search runs.
            dtype: the precision it runs in.
            temperatures: what the logits of each head are divided by; as the heads are, where none are given.
        """
        scales = temperatures or [1.0] * len(heads)
        of_heads = [folded(head) for head in heads]
        classes = max(len(layers[2][1]) for layers in of_heads)
        for layers, scale in zip(of_heads, scales, strict=True):
            weight, bias = layers[2]
            layers[2] = _padded(weight / scale, bias / scale, classes)
        stacked = (
            (
                torch.stack([layers[i][0] for layers in of_heads]).to(device, dtype),
                torch.stack([layers[i][1] for layers in of_heads]).unsqueeze(1).to(device, dtype),
            )
            for i in range(3)
        )
        return cls(tuple(stacked))

    @property
    def classes(self) -> int:
        """K, the width of a target."""
        return self.layers[2][0].shape[1]

    def logits(self, z: Tensor) -> Tensor:
        """Embeddings (B, E) to logits (A, B, K), `NO_CLASS` for classes that an attribute does not have."""
        return self._forward(z)[2]

    def objective(self, conditions: Conditions) -> HeadsObjective:
        """What a solver descends on."""
        return HeadsObjective(self, conditions)

    def loss_and_gradient(self, z: Tensor, conditions: Conditions) -> tuple[Tensor, Tensor]:
        """The loss of the conditions and its gradient, written out layer by layer.

        Args:
            z: embeddings (B, E).
            conditions: of the same attributes.

        Returns:
            The loss of each query (B,) in nats, and its gradient (B, E).
        """
        (w1, _), (w2, _), (w3, _) = self.layers
        hidden1, hidden2, logits = self._forward(z)
        loss, slope = conditions.loss_and_slope(logits)
        slope = threshold_backward(torch.bmm(slope, w3), hidden2, 0)  # the derivative of a rectified unit is 0 or 1
        slope = threshold_backward(torch.bmm(slope, w2), hidden1, 0)
        gradient = torch.bmm(slope, w1)
        return loss, gradient.squeeze(0) if len(w1) == 1 else gradient.sum(0)

    def _forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The two rectified hidden layers (A, B, 256) and (A, B, 128), and the logits (A, B, K)."""
        (w1, b1), (w2, b2), (w3, b3) = self._transposed
        hidden1 = torch.baddbmm(b1, z.expand(len(w1), *z.shape), w1).relu_()
        hidden2 = torch.baddbmm(b2, hidden1, w2).relu_()
        return hidden1, hidden2, torch.baddbmm(b3, hidden2, w3)

    @cached_property
    def recordings(self) -> Recordings:
        """The steps of searches that a GPU has recorded."""
        return Recordings()

    @cached_property
    def arrays(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The layers as weights (A, out, in) and biases (A, out) on the CPU, where they share the layers' memory."""
        return [(weight.cpu().numpy(), bias[:, 0].cpu().numpy()) for weight, bias in self.layers]

    @cached_property
    def weights(self) -> list[list[np.ndarray]]:
        """The weights of each layer, attribute by attribute (out, in); see `arrays`."""
        return [list(weight) for weight, _ in self.arrays]

    @cached_property
    def _transposed(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """The layers with weights (A, in, out), views of the others."""
        return tuple((weight.mT, bias) for weight, bias in self.layers)


def _padded(weight: Tensor, bias: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    missing = classes - len(bias)
    return nn.functional.pad(weight, (0, 0, 0, missing)), nn.functional.pad(bias, (0, missing), value=NO_CLASS)
