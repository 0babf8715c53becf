"""The student: a small network that makes the teacher's move in one step (docs/method.md, 5)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from backward_search.heads import FrozenHeads
from backward_search.search import SearchConfig, backward_search

HIDDEN = 128


class Student(nn.Sequential):
    """Query and one-hot conditions (B, E + sum of K_a) to the moved query (B, E)."""

    def __init__(self, embedding: int, classes: Sequence[int]) -> None:
        """Build the layers of the paper."""
        super().__init__(
            *(nn.Linear(embedding + sum(classes), HIDDEN), nn.Sigmoid(), nn.BatchNorm1d(HIDDEN)),
            *(nn.Linear(HIDDEN, HIDDEN), nn.Sigmoid(), nn.BatchNorm1d(HIDDEN)),
            *(nn.Linear(HIDDEN, embedding), nn.Tanh()),
        )
        self.classes = tuple(classes)

    def move(self, queries: Tensor, targets: Tensor) -> Tensor:
        """Move queries (B, E) toward the class ids (B, A) of their conditions."""
        conditions = [nn.functional.one_hot(targets[:, i], k).to(queries.dtype) for i, k in enumerate(self.classes)]
        moved: Tensor = self(torch.cat([queries, *conditions], dim=1))
        return moved


def distill(
    student: Student,
    heads: FrozenHeads,
    embeddings: Tensor,
    config: SearchConfig,
    *,
    epochs: int,
    batch_size: int,
    reg: float,
    seed: int,
    on_epoch: Callable[[int, float], object],
) -> None:
    """Train a student on the teacher's answers to random conditions.

    Args:
        student: trained in place, on the device of `embeddings`.
        heads: the conditioned heads.
        embeddings: those of the training split (N, E).
        config: of the teacher.
        epochs: passes over the embeddings, each with new random conditions.
        batch_size: embeddings in a step.
        reg: weight of the mean absolute distance to the query.
        seed: of conditions and order.
        on_epoch: called with the epoch and its mean loss.
    """
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-3)
    teacher = _Teacher(heads, embeddings, config, student.classes)
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        count = len(embeddings)
        targets = torch.stack([torch.randint(k, (count,), generator=generator) for k in student.classes], dim=1)
        targets = targets.to(embeddings.device)
        answers = teacher.answers(targets)
        total = embeddings.new_zeros(())
        order = torch.randperm(count, generator=generator).to(embeddings.device)
        for rows in _batches(order, batch_size):
            moved = student.train().move(embeddings[rows], targets[rows])
            loss = nn.functional.mse_loss(moved, answers[rows]) + reg * (moved - embeddings[rows]).abs().mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach() * len(rows)
        on_epoch(epoch, float(total) / count)
    student.eval()


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """The rows of each step; a rest of one row joins the batch before it (BatchNorm needs two)."""
    cuts = list(range(size, len(order), size))
    if cuts and len(order) - cuts[-1] == 1:
        cuts.pop()
    return list(torch.tensor_split(order, cuts))


class _Teacher:
    """The teacher's answers, each searched once: pairs of embedding and condition recur over the epochs."""

    def __init__(self, heads: FrozenHeads, embeddings: Tensor, config: SearchConfig, classes: Sequence[int]) -> None:
        self._heads, self._embeddings, self._config, self._classes = heads, embeddings, config, classes
        self._known = torch.empty(0, dtype=torch.int64)
        self._answers = embeddings.new_empty(0, embeddings.shape[1])

    def answers(self, targets: Tensor) -> Tensor:
        """The moved embeddings (N, E) for one condition (N, A) each."""
        pair = torch.zeros(len(targets), dtype=torch.int64)
        for column, k in enumerate(self._classes):
            pair = pair * k + targets[:, column].cpu()
        pair = pair * len(targets) + torch.arange(len(targets))
        new = ~torch.isin(pair, self._known)
        if bool(new.any()):
            self._learn(pair[new], new.to(targets.device), targets)
        place = torch.searchsorted(self._known, pair)
        return self._answers[place.to(targets.device)]

    def _learn(self, pairs: Tensor, new: Tensor, targets: Tensor) -> None:
        moved = backward_search(self._heads, self._embeddings[new], targets[new], self._config).embeddings
        known, order = torch.cat([self._known, pairs]).sort()
        self._known, self._answers = known, torch.cat([self._answers, moved])[order.to(moved.device)]
