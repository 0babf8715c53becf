"""The manifold solver: a query moves where embeddings vary, until its condition is as probable as asked.

A step that follows the gradient alone finds moves that please a head and stay where they were among the embeddings.
Preconditioned with the covariance of the training embeddings, it keeps to the directions in which those differ. The
distance has no weight: a query stops where it has reached the wanted probability.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from backward_search.conditions.batch import Conditions, as_conditions
from backward_search.solvers.modules import as_heads
from backward_search.solvers.protocol import Ground, Heads, Knob, Objective, SearchResult
from backward_search.solvers.recorded import Course, is_recorded
from backward_search.solvers.single import follow_one, is_light

MET = "condition met"
"""Why a query stops before the last step."""


@dataclass(frozen=True)
class Manifold:
    """The solver along the covariance of the training embeddings, until the condition is as probable as asked.

    Attributes:
        target_probability: the probability p that each condition is to reach, in (0, 1); of several conditions their
            (weighted) geometric mean. The larger, the further a query goes.
        step: longest step, in standard deviations of the training embeddings along it.
        max_itr: most gradient evaluations.
    """

    name: ClassVar[str] = "manifold"
    summary: ClassVar[str] = "along the covariance of the training embeddings"
    knob: ClassVar[Knob] = Knob(
        *("target_probability", "probability", "manifold"),
        "what is made of each condition: larger goes further",
        *(0.01, 0.99, 0.95),
    )
    settings: ClassVar[Mapping[str, str]] = {"target_probability": "target_probability"}
    each: ClassVar[bool] = False
    needs_training: ClassVar[bool] = True

    target_probability: float = 0.95
    step: float = 0.4
    max_itr: int = 50

    def __post_init__(self) -> None:
        """Refuse a search that cannot end or begin.

        Raises:
            ValueError: the probability is not between 0 and 1, or there is no step.
        """
        if not 0 < self.target_probability < 1:
            raise ValueError(f"target_probability is {self.target_probability}: expected a number between 0 and 1")
        if self.max_itr < 1 or self.step <= 0:
            raise ValueError(f"max_itr {self.max_itr} and step {self.step} must be positive")

    @property
    def record(self) -> dict[str, Any]:
        """See `protocol.Solver`."""
        return asdict(self)

    @property
    def marks(self) -> str:
        """See `protocol.Solver`: no option changes another setting."""
        return ""

    def search(
        self,
        ground: Ground,
        queries: Tensor,
        conditions: Conditions,
        *,
        knobs: Tensor | None = None,
        trace: bool = False,
    ) -> SearchResult:
        """Move queries; see `protocol.Solver`. A single one takes the same steps on the CPU by `single`.

        Raises:
            ValueError: there are knobs.
        """
        if knobs is not None:
            raise ValueError("the manifold solver has one probability for all queries")
        heads, spread = ground.calibrated_heads, ground.spread
        if not trace and is_light(heads, queries):
            return follow_one(heads, queries, conditions, spread, self)
        return manifold_search(heads, queries, conditions, spread, self, trace=trace)


def covariance(embeddings: Tensor) -> Tensor:
    """The covariance of embeddings, shrunk toward a multiple of the identity as Ledoit and Wolf (2004) weigh it.

    Shrinkage makes it regular where there are fewer images than dimensions, or dimensions that say the same.

    Args:
        embeddings: of the training split (N, E).

    Returns:
        (E, E), on the device and in the precision of the embeddings; computed in float64 on the CPU.

    Raises:
        ValueError: the embeddings are all alike.
    """
    from sklearn.covariance import ledoit_wolf  # a second to import, which most commands need not

    with warnings.catch_warnings():  # of a single image, which is refused below
        warnings.simplefilter("ignore", UserWarning)
        shrunk, _ = ledoit_wolf(embeddings.cpu().double().numpy())
    found = torch.from_numpy(shrunk).to(embeddings)
    if not found.trace() > 0:
        raise ValueError(f"the {len(embeddings)} training embeddings do not differ: no direction to search in")
    return found


def manifold_search(
    heads: Heads | Sequence[nn.Module],
    queries: Tensor,
    targets: Tensor | Conditions,
    spread: Tensor,
    config: Manifold,
    *,
    trace: bool = False,
) -> SearchResult:
    """Move queries until their conditions are as probable as asked.

    With L the mean over the attributes of CE(head_a(z), y_a), H the least value that L can have (the entropy of a
    mixture, else 0) and g the gradient of L: z <- z - s S g / sqrt(g' S g), until L - H <= -log p. The length s is
    `step`, or 2 (L - H) / sqrt(g' S g) where that is less: the way to the minimum if L were a parabola. Near a single
    class that is rarely so; around a mixture, steps of one length would go to and fro.

    Args:
        heads: as in `adam.backward_search`.
        queries: embeddings z0 (B, E).
        targets: class ids (B, A), or richer conditions.
        spread: S, the `covariance` of the training embeddings (E, E).
        config: how far and how fast.
        trace: keep losses and path.

    Returns:
        For each query the first point that meets its condition, the query itself if it does; else the point of the
        least loss on its way. `steps` counts gradient evaluations, one of them at that point.
    """
    frozen = as_heads(heads, queries)
    conditions = as_conditions(targets, frozen.classes, queries)
    objective, spread, floor = frozen.objective(conditions), spread.to(queries), conditions.floor()
    if is_recorded(objective, queries, trace=trace):
        return objective.recordings.search(_course(config, spread), objective, _start(queries, floor), MET)
    return _follow(objective, queries, floor, spread, config, trace)


@dataclass
class _Walk:
    """The queries under way, one row each: place in the batch, point, best point, its loss, and the least there is.

    `steps` counts gradient evaluations, and `moving` says who has not met the condition, where those that have stay in
    the batch.
    """

    row: Tensor
    z: Tensor
    kept: Tensor
    best: Tensor
    floor: Tensor
    steps: Tensor
    moving: Tensor

    def at(self, rows: Tensor) -> "_Walk":
        return _Walk(**{name: value[rows] for name, value in vars(self).items()})

    def rest(self, count: int) -> None:
        self.moving[count:] = False


def _start(queries: Tensor, floor: Tensor) -> _Walk:
    count, device = len(queries), queries.device
    return _Walk(
        row=torch.arange(count, device=device),
        z=queries.clone(),
        kept=queries.clone(),
        best=queries.new_full((count,), torch.inf),
        floor=floor,
        steps=torch.zeros(count, dtype=torch.int64, device=device),
        moving=torch.ones(count, dtype=torch.bool, device=device),
    )


@lru_cache(maxsize=32)
def _schedule(config: Manifold) -> Tensor:
    """Every step is like the others."""
    return torch.empty(config.max_itr, 0)


def _course(config: Manifold, spread: Tensor) -> Course[_Walk]:
    """The search as a GPU records it: a query that has met its condition stays in the batch, and where it is."""
    enough = -math.log(config.target_probability)

    def advance(objective: Objective, walk: _Walk, spread: Tensor) -> None:
        """A step of those that have not arrived."""
        loss, gradient = objective.loss_and_gradient(walk.z)
        excess = loss - walk.floor
        walk.steps.add_(walk.moving)
        met = (excess <= enough).logical_and_(walk.moving)
        better = (loss < walk.best).logical_and_(walk.moving).logical_or_(met)
        torch.where(better[:, None], walk.z, walk.kept, out=walk.kept)
        torch.where(better, loss, walk.best, out=walk.best)
        walk.moving.logical_and_(met.logical_not_())
        _advance(walk, excess.mul_(walk.moving), gradient, spread, config.step)

    return Course(config, advance, _take_over, _schedule(config), (spread,))


def _take_over(result: SearchResult, walk: _Walk, _step: int) -> None:
    result.embeddings[walk.row] = walk.kept
    result.loss[walk.row] = walk.best
    result.steps[walk.row] = walk.steps
    result.stopped[walk.row] = ~walk.moving


def _follow(
    objective: Objective,
    queries: Tensor,
    floor: Tensor,
    spread: Tensor,
    config: Manifold,
    trace: bool,
) -> SearchResult:
    """The loop; queries that have met their condition leave the batch."""
    result = SearchResult.empty(queries, config.max_itr, trace, stopped_by=MET)
    enough = -math.log(config.target_probability)
    with torch.inference_mode():
        walk = _start(queries, floor)
        for step in range(1, config.max_itr + 1):
            loss, gradient = objective.loss_and_gradient(walk.z)
            excess = loss - walk.floor
            met = excess <= enough
            if trace:
                _note(result, walk, loss, step)
            arrived = int(met.sum())
            if arrived:
                _finish(result, walk.at(met), loss[met], step)
                if arrived == len(met):
                    return result
                left = ~met
                walk, objective = walk.at(left), objective.at(left)
                loss, excess, gradient = loss[left], excess[left], gradient[left]
            _keep_better(walk, loss)
            _advance(walk, excess, gradient, spread, config.step)
        _give_up(result, walk, config)
    return result


def _advance(walk: _Walk, excess: Tensor, gradient: Tensor, spread: Tensor, step: float) -> None:
    """One step of at most the given length in the metric of the covariance; none where there is no gradient."""
    direction = torch.mm(gradient, spread)
    square = gradient.mul_(direction).sum(1, keepdim=True)
    inverse = square.clamp_(min=torch.finfo(square.dtype).tiny).rsqrt_()
    length = torch.mul(excess[:, None], inverse).mul_(2).clamp_(max=step)
    walk.z.addcmul_(direction, length.mul_(inverse), value=-1)


def _keep_better(walk: _Walk, loss: Tensor) -> None:
    better = loss < walk.best
    torch.where(better[:, None], walk.z, walk.kept, out=walk.kept)
    torch.minimum(loss, walk.best, out=walk.best)


def _finish(result: SearchResult, walk: _Walk, loss: Tensor, step: int) -> None:
    """Take over queries that meet their condition where they are."""
    result.embeddings[walk.row] = walk.z
    result.loss[walk.row] = loss
    result.steps[walk.row] = step
    result.stopped[walk.row] = True


def _give_up(result: SearchResult, walk: _Walk, config: Manifold) -> None:
    """Take over queries that never met theirs, at the best point they saw."""
    result.embeddings[walk.row] = walk.kept
    result.loss[walk.row] = walk.best
    result.steps[walk.row] = config.max_itr


def _note(result: SearchResult, walk: _Walk, loss: Tensor, step: int) -> None:
    """The path, whose last points repeat; a query's n-th evaluation is at its point t_(n - 1)."""
    assert result.losses is not None
    assert result.path is not None
    result.losses[walk.row, step - 1] = loss
    result.path[walk.row, step - 1 :] = walk.z[:, None]
