"""Backward Search, the teacher: a query's embedding moves until the heads predict the condition (docs/method.md, 2)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from backward_search.heads import FrozenHeads

PATIENCE = 10
"""A query is frozen once it has failed to improve more than this many times in a row."""
COMPACT_EVERY = 5
"""Steps between two looks for queries that have stopped and can leave the batch."""


@dataclass(frozen=True)
class SearchConfig:
    """How far and how fast a query moves.

    Attributes:
        lambda_: weight of the mean absolute distance to the query; the larger, the closer it stays.
        lr: learning rate of Adam.
        max_itr: most steps.
        early_stopping: freeze a query that no longer improves.
        betas: Adam's decay rates.
        eps: Adam's guard against division by zero.
    """

    lambda_: float
    lr: float = 0.2
    max_itr: int = 100
    early_stopping: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8


@dataclass(frozen=True)
class SearchResult:
    """Where the queries went.

    Attributes:
        embeddings: the moved queries (B, E).
        steps: gradient evaluations of each query (B,) int64.
    """

    embeddings: Tensor
    steps: Tensor


@dataclass
class _State:
    """The queries still under way; every field has one row per query."""

    row: Tensor
    start: Tensor
    targets: Tensor
    z: Tensor
    kept: Tensor
    first: Tensor
    second: Tensor
    best: Tensor
    failures: Tensor

    def at(self, rows: Tensor) -> "_State":
        values = {name: value[rows] for name, value in vars(self).items() if name != "targets"}
        return _State(**values, targets=self.targets[:, rows])


def backward_search(
    heads: FrozenHeads,
    queries: Tensor,
    targets: Tensor,
    config: SearchConfig,
    on_step: Callable[[int], object] | None = None,
) -> SearchResult:
    """Move queries toward their conditions.

    Minimises, for each query on its own, mean_a CE(head_a(z), y_a) + lambda * mean_e |z_e - z0_e|, by Adam from z0.
    As published, the loss at the point before a step decides whether the point after it is kept.

    Args:
        heads: the conditioned heads, frozen.
        queries: embeddings z0 (B, E).
        targets: class ids (B, A), or distributions over the classes (A, B, K).
        config: how far and how fast.
        on_step: called with the number of each step, for progress.

    Returns:
        The moved queries and their steps.
    """
    y = targets if targets.dim() == 3 else one_hot(targets, heads.classes, queries.dtype)
    result = SearchResult(queries.clone(), torch.zeros(len(queries), dtype=torch.int64, device=queries.device))
    state = _start(queries, y)
    for step in range(1, config.max_itr + 1):
        result.steps[state.row[state.failures <= PATIENCE]] = step
        _advance(heads, state, config, step)
        if on_step is not None:
            on_step(step)
        moving = state.failures <= PATIENCE
        if config.early_stopping and step % COMPACT_EVERY == 0 and not bool(moving.all()):
            stopped = state.at(~moving)
            result.embeddings[stopped.row] = stopped.kept
            state = state.at(moving)
            if len(state.row) == 0:
                break
    result.embeddings[state.row] = state.kept
    return result


def _start(queries: Tensor, targets: Tensor) -> _State:
    count = len(queries)
    return _State(
        row=torch.arange(count, device=queries.device),
        start=queries,
        targets=targets,
        z=queries.clone(),
        kept=queries.clone(),
        first=torch.zeros_like(queries),
        second=torch.zeros_like(queries),
        best=queries.new_full((count,), torch.inf),
        failures=torch.zeros(count, dtype=torch.int64, device=queries.device),
    )


def _advance(heads: FrozenHeads, state: _State, config: SearchConfig, step: int) -> None:
    """One step of Adam for every query under way, and the stopping rule; a frozen query keeps what it has."""
    way = state.z - state.start
    loss, gradient = heads.loss_and_gradient(state.z, state.targets)
    loss = loss + config.lambda_ * way.abs().mean(1)
    gradient = gradient + config.lambda_ / way.shape[1] * way.sign()
    beta1, beta2 = config.betas
    state.first.lerp_(gradient, 1 - beta1)
    state.second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    spread = (state.second.sqrt() / (1 - beta2**step) ** 0.5).add_(config.eps)
    state.z.addcdiv_(state.first, spread, value=-config.lr / (1 - beta1**step))
    if not config.early_stopping:
        state.kept = state.z
        return
    moving = state.failures <= PATIENCE
    better = moving & (loss <= state.best)
    state.best = torch.where(better, loss, state.best)
    state.kept = torch.where(better[:, None], state.z, state.kept)
    state.failures = torch.where(better, 0, state.failures + 1)
    state.failures.masked_fill_(~moving, PATIENCE + 1)


def one_hot(ids: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """Class ids (B, A) as certain distributions (A, B, K)."""
    return torch.nn.functional.one_hot(ids.T, classes).to(dtype)
