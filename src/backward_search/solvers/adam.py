"""Backward Search, the teacher: a query's embedding moves until the heads predict the condition (docs/method.md, 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backward_search.conditions.batch import Conditions
from backward_search.solvers.graph import captured
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.objectives import HeadsObjective, ModuleHeads, ModuleObjective, Objective

PATIENCE = 10
"""A query is frozen once it has failed to improve more than this many times in a row."""
LOOK_EVERY = 5
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

    def __post_init__(self) -> None:
        """Refuse a search without a step.

        Raises:
            ValueError: there is none.
        """
        if self.max_itr < 1:
            raise ValueError(f"max_itr is {self.max_itr}: expected at least 1")


@dataclass(frozen=True)
class SearchResult:
    """Where the queries went.

    Attributes:
        embeddings: the moved queries (B, E).
        steps: gradient evaluations of each query (B,) int64.
        loss: the loss that decided which point was kept (B,): the least one; without early stopping the last.
        stopped: whether a query was frozen because it no longer improved, (B,) bool; the others made all steps.
        losses: on request, the loss before each step (B, S), undefined (NaN) after a query's last.
        path: on request, t_0 ... t_S: the query and the point after each step (B, S + 1, E); after a query's last step
            its last point, which need not be the kept one.
        stopped_by: what it means to be stopped.
    """

    embeddings: Tensor
    steps: Tensor
    loss: Tensor
    stopped: Tensor
    losses: Tensor | None = None
    path: Tensor | None = None
    stopped_by: str = "no improvement"

    @classmethod
    def empty(cls, queries: Tensor, max_itr: int, trace: bool, stopped_by: str = "no improvement") -> "SearchResult":
        """Of queries (B, E) that are yet to be searched; traced, with room for losses and path of so many steps."""
        count = len(queries)
        return cls(
            torch.empty_like(queries),
            torch.zeros(count, dtype=torch.int64, device=queries.device),
            queries.new_full((count,), torch.inf),
            torch.zeros(count, dtype=torch.bool, device=queries.device),
            queries.new_full((count, max_itr), torch.nan) if trace else None,
            queries[:, None].repeat(1, max_itr + 1, 1) if trace else None,
            stopped_by,
        )

    def reasons(self) -> list[str]:
        """Why each query stopped: `stopped_by`, "all steps made", or "no finite loss" where it never moved."""
        finite = self.loss.isfinite().tolist()
        words = ("all steps made", self.stopped_by)
        return [
            words[stopped] if good else "no finite loss"
            for stopped, good in zip(self.stopped.tolist(), finite, strict=True)
        ]


@dataclass
class _Walk:
    """The queries still under way; every tensor has one row per query, `best` and `pull` (lambda / E) one column.

    `eps` is a tensor too: a number would be made one at every step.
    """

    row: Tensor
    start: Tensor
    pull: Tensor
    eps: Tensor
    z: Tensor
    kept: Tensor
    first: Tensor
    second: Tensor
    best: Tensor
    failures: Tensor

    def at(self, rows: Tensor) -> "_Walk":
        return _Walk(**{name: value[rows] for name, value in vars(self).items()})


def backward_search(
    heads: FrozenHeads | ModuleHeads | Sequence[nn.Module],
    queries: Tensor,
    targets: Tensor | Conditions,
    config: SearchConfig,
    *,
    lambdas: Tensor | None = None,
    trace: bool = False,
) -> SearchResult:
    """Move queries toward their conditions.

    Minimises, for each query on its own, mean_a CE(head_a(z), y_a) + lambda * mean_e |z_e - z0_e|, by Adam from z0.

    Args:
        heads: the conditioned heads, frozen; or any modules in evaluation mode, (B, E) to logits (B, K_a) each.
        queries: embeddings z0 (B, E).
        targets: class ids (B, A), or richer conditions.
        config: how far and how fast.
        lambdas: a lambda for each query (B,), in place of the configuration's.
        trace: keep losses and path, in S x B x E numbers.

    Returns:
        The moved queries, and how they got there.
    """
    objective, _ = prepared(heads, queries, targets)
    if lambdas is None:
        lambdas = queries.new_full((len(queries),), config.lambda_)
    return descend(objective, queries, lambdas.to(queries), config, trace=trace)


def prepared(
    heads: FrozenHeads | ModuleHeads | Sequence[nn.Module], queries: Tensor, targets: Tensor | Conditions
) -> tuple[Objective, Conditions]:
    """What to minimise, without the distance, and the conditions on the device and in the precision of the queries."""
    if isinstance(heads, ModuleHeads):
        heads = heads.modules
    if isinstance(targets, Tensor):
        targets = Conditions.of_ids(targets, class_count(heads, queries), queries.dtype)
    conditions = targets.to(queries.device, queries.dtype)
    if isinstance(heads, FrozenHeads):
        return HeadsObjective(heads, conditions), conditions
    return ModuleObjective(heads, conditions), conditions


def descend(
    objective: Objective,
    queries: Tensor,
    lambdas: Tensor,
    config: SearchConfig,
    *,
    trace: bool = False,
) -> SearchResult:
    """Minimise an objective plus lambda times the mean absolute distance to the query; see `backward_search`.

    Queries that have stopped leave the batch; on CUDA they stay, so that one recorded step serves all steps.
    """
    result = SearchResult.empty(queries, config.max_itr, trace)
    capture = queries.is_cuda and objective.capturable and not trace
    with torch.inference_mode():
        walk = _start(queries, lambdas, config)
        advance = captured(_advance, objective, walk, config) if capture else _advance
        for step in range(1, config.max_itr + 1):
            loss = advance(objective, walk, config, *shares(step, config))
            _note(result, walk, loss, step)
            if not config.early_stopping or step % LOOK_EVERY:
                continue
            moving = walk.failures <= PATIENCE
            if not moving.any():
                break
            if not capture and not moving.all():
                _finish(result, walk.at(~moving), step)
                walk, objective = walk.at(moving), objective.at(moving)
        _finish(result, walk, step)
        _trim(result)
    return result


def _advance(objective: Objective, walk: _Walk, config: SearchConfig, share1: float, share2: float) -> Tensor:
    """One step of Adam for every query under way, and the published stopping rule; the loss before the step (B, 1).

    The rule is one step apart: the loss at the point before the step decides whether the point after it is kept.
    """
    loss, gradient = objective.loss_and_gradient(walk.z)
    way = walk.z - walk.start
    gradient.addcmul_(way.sign(), walk.pull)
    loss = torch.addcmul(loss.unsqueeze(1), way.abs_().sum(1, keepdim=True), walk.pull)
    walk.first.lerp_(gradient, share1)
    walk.second.lerp_(gradient.mul_(gradient), share2)
    walk.z.addcdiv_(walk.first, walk.second.sqrt().add_(walk.eps), value=-config.lr)
    if config.early_stopping:
        better = (loss <= walk.best).logical_and_(walk.failures.unsqueeze(1) <= PATIENCE)
        torch.where(better, loss, walk.best, out=walk.best)
        torch.where(better, walk.z, walk.kept, out=walk.kept)
        walk.failures.add_(1).masked_fill_(better.squeeze(1), 0)
    else:
        walk.best.copy_(loss)
    return loss


def shares(step: int, config: SearchConfig) -> tuple[float, float]:
    """What a step's gradient contributes to Adam's means once their bias is corrected.

    With m_t = b m + (1 - b) g, the corrected mean m_t / (1 - b^t) is itself a running mean, of share (1 - b)/(1 - b^t).
    """
    beta1, beta2 = config.betas
    return (1 - beta1) / (1 - beta1**step), (1 - beta2) / (1 - beta2**step)


def _start(queries: Tensor, lambdas: Tensor, config: SearchConfig) -> _Walk:
    z = queries.clone()
    return _Walk(
        row=torch.arange(len(queries), device=queries.device),
        start=queries,
        pull=lambdas[:, None] / queries.shape[1],
        eps=queries.new_full((len(queries), 1), config.eps),
        z=z,
        kept=queries.clone() if config.early_stopping else z,
        first=torch.zeros_like(queries),
        second=torch.zeros_like(queries),
        best=queries.new_full((len(queries), 1), torch.inf),
        failures=torch.zeros(len(queries), dtype=torch.int64, device=queries.device),
    )


def _note(result: SearchResult, walk: _Walk, loss: Tensor, step: int) -> None:
    if result.losses is not None and result.path is not None:
        result.losses[walk.row, step - 1] = loss[:, 0]
        result.path[walk.row, step] = walk.z


def _trim(result: SearchResult) -> None:
    """Frozen queries rode along until somebody looked: undo what was noted of them."""
    if result.losses is not None and result.path is not None:
        places = torch.arange(result.path.shape[1], device=result.path.device)
        result.losses.masked_fill_(places[:-1] >= result.steps[:, None], torch.nan)
        last = torch.minimum(places, result.steps[:, None])
        result.path.copy_(result.path.gather(1, last[..., None].expand_as(result.path)))


def _finish(result: SearchResult, walk: _Walk, step: int) -> None:
    """Take over queries after `step` steps of the batch; failures beyond the one that froze a query were no steps."""
    idle = (walk.failures - PATIENCE - 1).clamp_(min=0)
    result.embeddings[walk.row] = walk.kept
    result.steps[walk.row] = step - idle
    result.loss[walk.row] = walk.best[:, 0]
    result.stopped[walk.row] = walk.failures > PATIENCE


def class_count(heads: FrozenHeads | Sequence[nn.Module], queries: Tensor) -> int:
    """K: the most classes of any head."""
    if isinstance(heads, FrozenHeads):
        return heads.classes
    with torch.no_grad():
        return max(int(head(queries[:1]).shape[1]) for head in heads)
