"""A trained student as searches use it: a single query on the CPU is moved in numpy, in a fraction of the time."""

from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from backward_search.model.folding import folded
from backward_search.student.network import Student


class FrozenStudent:
    """A student whose weights change no more."""

    def __init__(self, student: Student) -> None:
        """Of a student, which is put into evaluation mode and kept as `student`."""
        self.student = student.eval()

    def move(self, queries: Tensor, targets: Tensor, lambdas: Tensor | None = None) -> Tensor:
        """Move queries (B, E) to (B, E); see `Student.move`. There is no gradient."""
        if len(queries) == 1 and queries.device.type == "cpu" and queries.dtype == torch.float32:
            strength = self.student.strength(lambdas)
            moved = self._single(
                queries[0].detach().numpy(), targets[0].tolist(), None if strength is None else strength.numpy()
            )
            return torch.from_numpy(moved)[None]
        with torch.no_grad():
            return self.student.move(queries, targets, lambdas)

    @cached_property
    def _single(self) -> "_Single":
        return _Single(self.student)


class _Single:
    """The layers with the BatchNorms folded in, and (tanh(x / 2) + 1) / 2, folded in as well, for each sigmoid of x."""

    def __init__(self, student: Student) -> None:
        layers = folded(student)
        layers[1:] = [(weight / 2, bias + weight.sum(1) / 2) for weight, bias in layers[1:]]
        layers[:-1] = [(weight / 2, bias / 2) for weight, bias in layers[:-1]]
        (first, self._bias), *self._layers = [
            (weight.float().cpu().numpy(), bias.float().cpu().numpy()) for weight, bias in layers
        ]
        size, self._output = layers[-1][0].shape[0], student.config.output
        self._of_query = np.ascontiguousarray(first[:, :size])
        of_inputs = np.ascontiguousarray(first[:, size:].T)  # a row for each class, and perhaps one for the strength
        self._of_class = [of_inputs[a:b] for a, b in pairwise(accumulate(student.classes, initial=0))]
        self._of_strength = of_inputs[-1:]

    def __call__(self, query: np.ndarray, targets: list[int], strength: np.ndarray | None) -> np.ndarray:
        """One query (E,), the id of its class in each attribute, and perhaps the strength (1,), to (E,)."""
        hidden: np.ndarray = np.dot(self._of_query, query)
        hidden += self._bias
        for of_class, target in zip(self._of_class, targets, strict=True):
            hidden += of_class[target]
        if strength is not None:
            hidden += np.dot(strength, self._of_strength)
        for weight, bias in self._layers:
            np.tanh(hidden, out=hidden)
            hidden = np.dot(weight, hidden)
            hidden += bias
        if self._output == "tanh":
            np.tanh(hidden, out=hidden)
        return hidden + query if self._output == "residual" else hidden
