"""The context map: embeddings to vectors whose cosine says how much two images share beside the conditions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ContextConfig:
    """The shape of a map.

    Attributes:
        embedding: size E of the embedding.
        attributes: those that can be conditioned, in order.
        size: of a context vector.
        hidden: units of the hidden layer.
    """

    embedding: int
    attributes: tuple[str, ...]
    size: int = 128
    hidden: int = 512


class ContextMap(nn.Module):
    """Embeddings (B, E) to context vectors (B, size) of length 1, for any conditioned attributes.

    One hidden layer: normalize(V relu(W (z - m) / s + C c + b) + d), m and s being mean and standard deviation of the
    training embeddings, and c one for each conditioned attribute.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: ContextConfig) -> None:
        """Build the layers."""
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.embedding))
        self.register_buffer("scale", torch.ones(config.embedding))
        self.first = nn.Linear(config.embedding, config.hidden)
        self.of_conditions = nn.Linear(len(config.attributes), config.hidden, bias=False)
        self.last = nn.Linear(config.hidden, config.size)

    def conditioned(self, names: Sequence[str]) -> Tensor:
        """One for each conditioned attribute, (A,)."""
        return torch.tensor([float(name in names) for name in self.config.attributes], device=self.mean.device)

    def forward(self, z: Tensor, conditioned: Tensor) -> Tensor:
        """The context vectors of embeddings (B, E) under conditions on some attributes, (A,)."""
        hidden = self.first((z - self.mean) / self.scale) + self.of_conditions(conditioned)
        return nn.functional.normalize(self.last(torch.relu(hidden)), dim=1)

    def guide(self, z: Tensor, conditioned: Tensor) -> Tensor:
        """The direction in which an embedding gains most likeness to each of some (B, E), unit vectors (B, E).

        The gradient at x = z of f(z) . g(x), g being f before it is brought to length 1: what an engine that knows the
        embeddings alone can look by.
        """
        hidden = self.first((z - self.mean) / self.scale) + self.of_conditions(conditioned)
        back = (self(z, conditioned) @ self.last.weight) * (hidden > 0)
        return nn.functional.normalize((back @ self.first.weight) / self.scale, dim=1)
