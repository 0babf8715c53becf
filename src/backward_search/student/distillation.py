"""Training the student on the teacher's answers (docs/method.md, 5)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from backward_search.conditions.batch import Conditions
from backward_search.distributed import ALONE, Group
from backward_search.pytorch import Adam
from backward_search.solvers.protocol import Ground, Solver, knob_value
from backward_search.student.network import Student

SEARCHED_AT_ONCE = 4096
"""Queries in one search: large enough for the matrix products, small enough for the memory of any machine."""
MOST_KEPT = 2 * 2**30
"""Bytes of answers that are kept for later epochs; where all there could be are more, none is."""
LEVELS = 8
"""Values of lambda that a student with a range of them learns from, evenly spaced on a logarithmic scale."""


@dataclass(frozen=True)
class DistillConfig:
    """How a student is trained.

    Attributes:
        epochs: passes over the embeddings, each with new random conditions.
        batch_size: embeddings in a step.
        reg: weight of the mean absolute distance to the query.
        seed: of conditions and order.
        lr: learning rate of Adam.
        loss: what the distance to the teacher's answer is: mse, the mean square, as published; or l1, the mean of its
            absolute values, which does not draw the student to the mean of answers that it cannot tell apart.
    """

    epochs: int = 49
    batch_size: int = 512
    reg: float = 0.0
    seed: int = 0
    lr: float = 1e-3
    loss: str = "mse"


@dataclass(frozen=True)
class _Draw:
    """What an epoch pairs the N embeddings with: class ids (N, A), levels of lambda (N,), and the order (N,)."""

    targets: Tensor
    levels: Tensor
    order: Tensor


class Distiller:
    """A student with its teacher and optimiser; what an epoch draws depends on nothing but the seed and its number."""

    def __init__(
        self,
        student: Student,
        ground: Ground,
        embeddings: Tensor,
        solver: Solver,
        config: DistillConfig,
        group: Group = ALONE,
    ) -> None:
        """Prepare the training.

        Args:
            student: trained in place, on the device of `embeddings`.
            ground: the conditioned heads, and what else the teacher's solver asks for.
            embeddings: those of the training split (N, E).
            solver: how the teacher searches; a student with a range of lambdas has its own.
            config: how.
            group: the processes that search together; each trains the same student.
        """
        self.student, self._embeddings, self._config = student, embeddings, config
        self._lambdas = embeddings.new_tensor(_levels(student, solver))
        self._teacher = _Teacher(ground, embeddings, solver, student.classes, self._lambdas, group)
        self._optimizer = Adam(student.parameters(), lr=config.lr)

    def train_epoch(self, epoch: int) -> float:
        """Train on the pairs of one epoch, counted from 0, and return its mean loss."""
        draw = self._draw(epoch)
        answers = self._teacher.answers(draw.targets, draw.levels)
        total = self._embeddings.new_zeros(())
        self.student.train()
        for rows in _batches(draw.order, self._config.batch_size):
            loss = self._loss(rows, draw, answers)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            total += loss.detach() * len(rows)
        self.student.eval()
        return float(total) / len(self._embeddings)

    def _loss(self, rows: Tensor, draw: _Draw, answers: Tensor) -> Tensor:
        queries = self._embeddings[rows]
        moved = self.student.move(queries, draw.targets[rows], self._lambdas[draw.levels[rows]])
        distance = nn.functional.l1_loss if self._config.loss == "l1" else nn.functional.mse_loss
        loss = distance(moved, answers[rows])
        return loss + self._config.reg * (moved - queries).abs().mean() if self._config.reg else loss

    def _draw(self, epoch: int) -> _Draw:
        generator = torch.Generator().manual_seed(self._config.seed * 1_000_003 + epoch)
        count, device = len(self._embeddings), self._embeddings.device
        targets = [torch.randint(k, (count,), generator=generator) for k in self.student.classes]
        order = torch.randperm(count, generator=generator)
        levels = torch.randint(len(self._lambdas), (count,), generator=generator)
        return _Draw(torch.stack(targets, dim=1).to(device), levels.to(device), order.to(device))

    def state(self) -> dict[str, Tensor]:
        """Everything that the next epoch depends on, as named tensors."""
        tensors = {f"student.{name}": value for name, value in self.student.state_dict().items()}
        for index, values in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        return tensors

    def restore(self, tensors: dict[str, Tensor], epochs: int) -> None:
        """Take over what `state` gave after so many epochs.

        The teacher answers again what it was asked in them: the last bits of an answer depend on which queries were
        searched beside it, and the student should end as if it had never been interrupted.
        """
        network = {name: value for name, value in tensors.items() if name.startswith("student.")}
        self.student.load_state_dict({name.removeprefix("student."): value for name, value in network.items()})
        stored = self._optimizer.state_dict()
        for name in sorted(tensors.keys() - network.keys()):
            _, index, key = name.split(".")
            stored["state"].setdefault(int(index), {})[key] = tensors[name].clone()  # aligned as when it was made
        self._optimizer.load_state_dict(stored)
        for epoch in range(epochs if self._teacher.remembers else 0):
            draw = self._draw(epoch)
            self._teacher.answers(draw.targets, draw.levels)


def _levels(student: Student, solver: Solver) -> list[float]:
    """The lambdas of the teacher; of a student without a range the one value of the solver's knob."""
    if student.config.lambda_range is None:
        return [knob_value(solver)]
    low, high = (math.log(value) for value in student.config.lambda_range)
    return [math.exp(low + (high - low) * i / (LEVELS - 1)) for i in range(LEVELS)]


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """The rows of each step; a rest of one row joins the batch before it (BatchNorm needs two)."""
    cuts = list(range(size, len(order), size))
    if cuts and len(order) - cuts[-1] == 1:
        cuts.pop()
    return list(torch.tensor_split(order, cuts))


class _Teacher:
    """The teacher's answers, each searched once where all there can be fit into memory: pairs recur over the epochs."""

    def __init__(
        self,
        ground: Ground,
        embeddings: Tensor,
        solver: Solver,
        classes: Sequence[int],
        lambdas: Tensor,
        group: Group,
    ) -> None:
        self._ground, self._solver = ground, solver
        self._embeddings, self._classes, self._lambdas = embeddings, classes, lambdas
        self._group = group
        count = len(embeddings) * math.prod(classes) * len(lambdas)
        self.remembers = count * embeddings[0].numel() * embeddings.element_size() <= MOST_KEPT
        if self.remembers:  # memory is taken as it is written to
            self._known = torch.zeros(count, dtype=torch.bool, device=embeddings.device)
            self._answers = embeddings.new_empty(count, embeddings.shape[1])

    def answers(self, targets: Tensor, levels: Tensor) -> Tensor:
        """The moved embeddings (N, E), for one condition (N, A) and level of lambda (N,) each."""
        everything = torch.arange(len(targets), device=targets.device)
        if not self.remembers:
            return self._searched(everything, targets, levels)
        place = levels
        for column, k in enumerate(self._classes):
            place = place * k + targets[:, column]
        place = place * len(targets) + everything
        new = everything[~self._known[place]]
        self._answers[place[new]] = self._searched(new, targets, levels)
        self._known[place[new]] = True
        return self._answers[place]

    def _searched(self, rows: Tensor, targets: Tensor, levels: Tensor) -> Tensor:
        """The answers of some rows; of several processes each searches a share, and all get the whole."""
        found = self._embeddings.new_zeros(len(rows), self._embeddings.shape[1])
        share = torch.from_numpy(self._group.share(np.arange(len(rows)))).to(rows.device)
        for part in torch.split(share, SEARCHED_AT_ONCE):
            some = rows[part]
            knobs = self._lambdas[levels[some]] if self._solver.each else None
            found[part] = self._search(self._embeddings[some], targets[some], knobs)
        return self._group.add_up(found)

    def _search(self, queries: Tensor, targets: Tensor, knobs: Tensor | None) -> Tensor:
        """The moved queries (B, E) for class ids (B, A)."""
        conditions = Conditions.of_ids(targets, self._ground.heads.classes, queries.dtype)
        return self._solver.search(self._ground, queries, conditions, knobs=knobs).embeddings
