"""Backward Search, the teacher: a query's embedding moves until the heads predict the condition (docs/method.md, 2)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from backward_search.conditions.batch import Conditions, as_conditions
from backward_search.solvers.modules import as_heads
from backward_search.solvers.protocol import Ground, Heads, Knob, Objective, SearchResult
from backward_search.solvers.recorded import LOOK_EVERY, Course, is_recorded
from backward_search.solvers.single import PATIENCE, adam_shares, descend_one, is_light


@dataclass(frozen=True)
class Adam:
    """The published solver: Adam from the query, held near it by lambda.

    Attributes:
        lambda_: weight of the mean absolute distance to the query; the larger, the closer it stays.
        lr: learning rate of Adam.
        max_itr: most steps.
        early_stopping: freeze a query that no longer improves.
        betas: Adam's decay rates.
        eps: Adam's guard against division by zero.
    """

    name: ClassVar[str] = "adam"
    summary: ClassVar[str] = "as published"
    knob: ClassVar[Knob] = Knob(
        "inverse_lambda", "lambda", "lambda", "lambda: larger stays closer to the query", 0.0, 5.0
    )
    settings: ClassVar[Mapping[str, str]] = {
        "lambda_": "inverse_lambda",
        "lr": "inverse_lr",
        "max_itr": "inverse_max_itr",
        "early_stopping": "inverse_earlystopping",
    }
    each: ClassVar[bool] = True
    needs_training: ClassVar[bool] = False

    lambda_: float
    lr: float = 0.2
    max_itr: int = 100
    early_stopping: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        """Refuse what cannot be searched with.

        Raises:
            ValueError: there is no step, or lambda or the learning rate is no number that can be meant.
        """
        if not isinstance(self.max_itr, int) or self.max_itr < 1:
            raise ValueError(f"max_itr is {self.max_itr}: expected a whole number of at least 1")
        if not 0 <= self.lambda_ < float("inf"):
            raise ValueError(f"lambda is {self.lambda_}: expected a number of 0 or more")
        if not 0 < self.lr < float("inf"):
            raise ValueError(f"the learning rate is {self.lr}: expected a positive number")

    @property
    def record(self) -> dict[str, Any]:
        """See `protocol.Solver`."""
        return asdict(self)

    @property
    def marks(self) -> str:
        """See `protocol.Solver`."""
        steps = "" if self.early_stopping else "-allsteps"
        rate = "" if self.lr == Adam.lr else f"-lr{self.lr}"
        return steps + rate + ("" if self.max_itr == Adam.max_itr else f"-itr{self.max_itr}")

    def search(
        self,
        ground: Ground,
        queries: Tensor,
        conditions: Conditions,
        *,
        knobs: Tensor | None = None,
        trace: bool = False,
    ) -> SearchResult:
        """Move queries; see `protocol.Solver`. A single one takes the same steps on the CPU by `single`."""
        heads = ground.heads
        if not trace and is_light(heads, queries):
            lambda_ = self.lambda_ if knobs is None else knobs.item()
            return descend_one(heads, queries, conditions, self, lambda_)
        return backward_search(heads, queries, conditions, self, lambdas=knobs, trace=trace)


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

    @property
    def moving(self) -> Tensor:
        return self.failures <= PATIENCE

    def rest(self, count: int) -> None:
        self.failures[count:] = PATIENCE + 1


def backward_search(
    heads: Heads | Sequence[nn.Module],
    queries: Tensor,
    targets: Tensor | Conditions,
    config: Adam,
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
    frozen = as_heads(heads, queries)
    objective = frozen.objective(as_conditions(targets, frozen.classes, queries))
    if lambdas is None:
        lambdas = queries.new_full((len(queries),), config.lambda_)
    return descend(objective, queries, lambdas.to(queries), config, trace=trace)


def descend(
    objective: Objective,
    queries: Tensor,
    lambdas: Tensor,
    config: Adam,
    *,
    trace: bool = False,
) -> SearchResult:
    """Minimise an objective plus lambda times the mean absolute distance to the query; see `backward_search`."""
    if is_recorded(objective, queries, trace=trace):
        with torch.inference_mode():
            walk = _start(queries, lambdas, config)
        return objective.recordings.search(_course(config), objective, walk, "no improvement")
    result = SearchResult.empty(queries, config.max_itr, trace)
    with torch.inference_mode():
        walk = _start(queries, lambdas, config)
        for step in range(1, config.max_itr + 1):
            loss = _advance(objective, walk, config, *adam_shares(step, config.betas))
            _note(result, walk, loss, step)
            if not config.early_stopping or step % LOOK_EVERY:
                continue
            moving = walk.moving
            if not moving.any():
                break
            if not moving.all():  # those that have stopped leave the batch
                _finish(result, walk.at(~moving), step)
                walk, objective = walk.at(moving), objective.at(moving)
        _finish(result, walk, step)
        _trim(result)
    return result


@lru_cache(maxsize=32)
def _course(config: Adam) -> Course[_Walk]:
    """The search as a GPU records it."""

    def advance(objective: Objective, walk: _Walk, share1: Tensor, share2: Tensor) -> None:
        """A step whose shares are on the GPU."""
        _advance(objective, walk, config, share1, share2)

    shares = [adam_shares(step, config.betas) for step in range(1, config.max_itr + 1)]
    key = replace(config, lambda_=0.0)  # which each query has of its own
    return Course(key, advance, _finish, torch.tensor(shares, dtype=torch.float64), stops=config.early_stopping)


def _advance(objective: Objective, walk: _Walk, config: Adam, share1: float | Tensor, share2: float | Tensor) -> Tensor:
    """One step of Adam for every query under way, and the published stopping rule; the loss before the step (B, 1).

    The rule is one step apart: the loss at the point before the step decides whether the point after it is kept.
    """
    loss, gradient = objective.loss_and_gradient(walk.z)
    way = walk.z - walk.start
    gradient.addcmul_(way.sign(), walk.pull)
    loss = torch.addcmul(loss.unsqueeze(1), torch.linalg.vector_norm(way, 1, dim=1, keepdim=True), walk.pull)
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


def _start(queries: Tensor, lambdas: Tensor, config: Adam) -> _Walk:
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
