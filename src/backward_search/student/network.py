"""The student: a small network that makes the teacher's move in one step (docs/method.md, 5)."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class StudentConfig:
    """The shape of a student; the defaults are the paper's.

    Attributes:
        hidden: units of a hidden layer.
        depth: hidden layers.
        output: tanh, which keeps the moved query in (-1, 1)^E; linear, which lets it leave as the teacher's does; or
            residual, where what the network gives is the move, to be added to the query.
        lambda_range: the least and the largest lambda, both positive, that the student takes as an input; None for a
            student of one lambda.
    """

    hidden: int = 128
    depth: int = 2
    output: str = "tanh"
    lambda_range: tuple[float, float] | None = None


class Student(nn.Sequential):
    """Query, one-hot conditions and perhaps the strength (B, E + sum of K_a [+ 1]) to the moved query (B, E)."""

    def __init__(self, embedding: int, classes: Sequence[int], config: StudentConfig | None = None) -> None:
        """Build the layers of the paper, or of another shape."""
        config = config or StudentConfig()
        sizes = [embedding + sum(classes) + (config.lambda_range is not None), *([config.hidden] * config.depth)]
        layers: list[nn.Module] = []
        for size, following in itertools.pairwise(sizes):
            layers += [nn.Linear(size, following), nn.Sigmoid(), nn.BatchNorm1d(following)]
        layers.append(nn.Linear(sizes[-1], embedding))
        super().__init__(*layers, *([nn.Tanh()] if config.output == "tanh" else []))
        self.classes = tuple(classes)
        self.config = config
        self._width, self._embedding = sizes[0], embedding
        first = [embedding + sum(classes[:i]) for i in range(len(classes))]
        self._first_inputs: Tensor
        self.register_buffer("_first_inputs", torch.tensor(first), persistent=False)  # the input of each first class

    def forward(self, input: Tensor) -> Tensor:
        """What `inputs` makes (B, width) to the moved queries (B, E)."""
        moved: Tensor = super().forward(input)  # type: ignore[no-untyped-call]
        return input[:, : self._embedding] + moved if self.config.output == "residual" else moved

    def move(self, queries: Tensor, targets: Tensor, lambdas: Tensor | None = None) -> Tensor:
        """Move queries.

        Args:
            queries: embeddings (B, E).
            targets: class ids of their conditions (B, A).
            lambdas: how close to the query each stays (B,), for a student that takes it as an input.
        """
        moved: Tensor = self(self.inputs(queries, targets, lambdas))
        return moved

    def inputs(self, queries: Tensor, targets: Tensor, lambdas: Tensor | None = None) -> Tensor:
        """What the first layer takes; see `move`.

        Raises:
            ValueError: the student takes lambdas and there are none.
        """
        inputs = queries.new_zeros(len(queries), self._width)
        inputs[:, : queries.shape[1]] = queries
        inputs.scatter_(1, targets + self._first_inputs, 1.0)
        strength = self.strength(lambdas)
        if strength is not None:
            inputs[:, -1] = strength
        return inputs

    def strength(self, lambdas: Tensor | None) -> Tensor | None:
        """Lambda (B,) as an input: its place in the range, from -1 to 1, on a logarithmic scale; None without a range.

        Raises:
            ValueError: the student takes lambdas and there are none.
        """
        if self.config.lambda_range is None:
            return None
        if lambdas is None:
            raise ValueError("this student takes lambda as an input")
        low, high = (math.log(value) for value in self.config.lambda_range)
        return (2 * lambdas.log() - low - high) / (high - low)
