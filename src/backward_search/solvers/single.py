"""The search of a single query on the CPU, in numpy, whose calls on a few hundred numbers cost less than PyTorch's.

The steps are those of the solvers for batches, which call this where `is_light` holds; also for a query on a GPU, which
would wait longer for the launches of its small kernels than the CPU takes for the whole search.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol, TypeGuard

import numpy as np
import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.protocol import Heads, SearchResult

PATIENCE = 10
"""A query is frozen once it has failed to improve more than this many times in a row."""


class AdamSettings(Protocol):
    """What this needs of `adam.Adam`."""

    @property
    def lr(self) -> float:
        """Learning rate."""

    @property
    def max_itr(self) -> int:
        """Most steps."""

    @property
    def early_stopping(self) -> bool:
        """Whether to freeze a query that no longer improves."""

    @property
    def betas(self) -> tuple[float, float]:
        """Decay rates."""

    @property
    def eps(self) -> float:
        """Guard against division by zero."""


class ManifoldSettings(Protocol):
    """What this needs of `manifold.Manifold`."""

    @property
    def target_probability(self) -> float:
        """The probability to reach."""

    @property
    def step(self) -> float:
        """Longest step."""

    @property
    def max_itr(self) -> int:
        """Most gradient evaluations."""


def is_light(heads: Heads, queries: Tensor) -> TypeGuard[FrozenHeads]:
    """Whether there is one query, which numpy can search for with these heads."""
    alone = len(queries) == 1 and queries.dtype in (torch.float32, torch.float64)
    return alone and isinstance(heads, FrozenHeads)


def adam_shares(step: int, betas: Sequence[float]) -> tuple[float, float]:
    """What a step's gradient contributes to Adam's means once their bias is corrected.

    With m_t = b m + (1 - b) g, the corrected mean m_t / (1 - b^t) is itself a running mean, of share (1 - b)/(1 - b^t).

    Args:
        step: counted from 1.
        betas: Adam's decay rates.
    """
    beta1, beta2 = betas
    return (1 - beta1) / (1 - beta1**step), (1 - beta2) / (1 - beta2**step)


class SingleObjective:
    """The loss of our heads at one point and its gradient, as `objectives.HeadsObjective` has them at many.

    What is done number by number is done for all attributes at once, (A, units), in the arrays of the step before.
    """

    def __init__(self, heads: FrozenHeads, conditions: Conditions) -> None:
        """Of one query.

        Args:
            heads: the conditioned heads.
            conditions: of one query.
        """
        (w1, self._b1), (_, self._b2), (_, self._b3) = heads.arrays
        self._hidden1, self._hidden2, self._logits = (bias.copy() for _, bias in heads.arrays)
        self._slope1, self._slope2, self._slope3 = (bias.copy() for _, bias in heads.arrays)
        self._zeros1, self._zeros2 = (np.zeros(bias.shape, bias.dtype) for bias in (self._b1, self._b2))
        self._w1 = w1.reshape(-1, w1.shape[2])  # (A x 256, E), of all attributes in one product
        self._flat1, self._flat_slope1 = self._hidden1.reshape(-1), self._slope1.reshape(-1)
        _, each_w2, each_w3 = heads.weights
        hidden1, hidden2, logits = list(self._hidden1), list(self._hidden2), list(self._logits)
        slope1, slope2, slope3 = list(self._slope1), list(self._slope2), list(self._slope3)
        self._forward2 = list(zip(each_w2, hidden1, hidden2, strict=True))
        self._forward3 = list(zip(each_w3, hidden2, logits, strict=True))
        self._backward3 = list(zip(slope3, each_w3, slope2, strict=True))
        self._backward2 = list(zip(slope2, each_w2, slope1, strict=True))
        wanted, any_of, self._share = condition_arrays(conditions, w1.dtype)
        due = wanted * self._share[:, None]
        self._attributes = list(zip(logits, slope3, wanted, due, any_of.tolist(), self._share, strict=True))
        self._ones = np.ones(heads.classes, w1.dtype)

    def __call__(self, z: np.ndarray, gradient: np.ndarray) -> np.floating:
        """The loss in nats at a point (E,); its gradient goes into an array (E,)."""
        hidden1, hidden2, slope1, slope2, dot = self._hidden1, self._hidden2, self._slope1, self._slope2, np.dot
        dot(self._w1, z, self._flat1)
        hidden1 += self._b1
        np.maximum(hidden1, self._zeros1, out=hidden1)
        for weight, below, above in self._forward2:
            dot(weight, below, above)
        hidden2 += self._b2
        np.maximum(hidden2, self._zeros2, out=hidden2)
        for weight, below, above in self._forward3:
            dot(weight, below, above)
        self._logits += self._b3
        loss = self._loss_and_slope()
        for above, weight, below in self._backward3:
            dot(above, weight, below)
        slope2 *= np.sign(hidden2, hidden2)  # the derivative of a rectified unit
        for above, weight, below in self._backward2:
            dot(above, weight, below)
        slope1 *= np.sign(hidden1, hidden1)
        dot(self._flat_slope1, self._w1, gradient)
        return loss

    def _loss_and_slope(self) -> np.floating:
        """The loss, from the logits; its gradient in them goes into `_slope3`. See `Conditions.loss_and_slope`."""
        loss: np.floating = self._share.dtype.type(0)
        for logits, p, wanted, due, any_of, share in self._attributes:
            logits -= logits[logits.argmax()]  # in a quarter of the time of max()
            np.exp(logits, p)
            total = np.dot(p, self._ones)
            p *= share / total
            if any_of:
                members = np.where(wanted > 0, logits, -np.inf)
                most = members.max()
                of_set = np.exp(members - most)
                likelihood = np.log(of_set.sum()) + most
                due = of_set * (share / of_set.sum())
            else:
                likelihood = np.dot(wanted, logits)
            p -= due
            loss += share * (np.log(total) - likelihood)
        return loss


def descend_one(
    heads: FrozenHeads, query: Tensor, conditions: Conditions, config: AdamSettings, lambda_: float
) -> SearchResult:
    """Move one query (1, E) by Adam; see `adam.backward_search`.

    Args:
        heads: the conditioned heads.
        query: its embedding, on their device and in their precision.
        conditions: of one query, likewise.
        config: how far and how fast, but for lambda.
        lambda_: the weight of the distance.
    """
    objective, start = SingleObjective(heads, conditions), query.detach().cpu().numpy()[0]
    z, kept, adam = start.copy(), start.copy(), _Adam(start, config)
    gradient, way, signs = (np.empty_like(z) for _ in range(3))
    pull = np.array(lambda_ / len(z), z.dtype)
    best, failures, step = start.dtype.type(np.inf), 0, 0
    while step < config.max_itr and failures <= PATIENCE:
        loss = objective(z, gradient)
        np.subtract(z, start, way)
        np.sign(way, signs)
        signs *= pull
        gradient += signs
        loss += np.dot(signs, way)
        adam.move(z, gradient, step)
        step += 1
        if not config.early_stopping:
            best = loss
        elif loss <= best:  # the loss before the step decides whether the point after it is kept
            best, failures = loss, 0
            np.copyto(kept, z)
        else:
            failures += 1
    return _result(query, kept if config.early_stopping else z, step, best, failures > PATIENCE)


class _Adam:
    """The running sums of gradients and of their squares, in the form that takes the fewest passes over the numbers."""

    def __init__(self, z: np.ndarray, config: AdamSettings) -> None:
        self._first, self._second, self._way = np.zeros_like(z), np.zeros_like(z), np.empty_like(z)
        self._beta1, self._beta2 = (np.array(beta, z.dtype) for beta in config.betas)
        self._schedule = _schedule(config.lr, config.eps, config.betas, config.max_itr, z.dtype)

    def move(self, z: np.ndarray, gradient: np.ndarray, step: int) -> None:
        """Make one step, counted from 0, from a point (E,) in place; the gradient (E,) is used up."""
        first, second, way, (lr, eps) = self._first, self._second, self._way, self._schedule[step]
        first *= self._beta1
        first += gradient
        gradient *= gradient
        second *= self._beta2
        second += gradient
        np.sqrt(second, way)
        way += eps
        np.divide(first, way, way)
        way *= lr
        z -= way


@lru_cache(maxsize=32)
def _schedule(
    lr: float, eps: float, betas: tuple[float, float], steps: int, dtype: np.dtype
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The learning rate and eps of each step that make of the sums the means of Adam, corrected for their bias.

    They are arrays: numpy takes those in half the time of a number.
    """
    both = (adam_shares(step, betas) for step in range(1, steps + 1))
    return [
        (np.array(lr * share1 / math.sqrt(share2), dtype), np.array(eps / math.sqrt(share2), dtype))
        for share1, share2 in both
    ]


def follow_one(
    heads: FrozenHeads, query: Tensor, conditions: Conditions, spread: Tensor, config: ManifoldSettings
) -> SearchResult:
    """Move one query (1, E) by the manifold solver; see `manifold.manifold_search`.

    Args:
        heads: the conditioned heads.
        query: its embedding, on their device and in their precision.
        conditions: of one query, likewise.
        spread: the covariance of the training embeddings (E, E).
        config: how far and how fast.
    """
    objective, matrix = SingleObjective(heads, conditions), spread.to("cpu", query.dtype).numpy()
    z = query.detach().cpu().numpy()[0].copy()
    gradient, tiny = np.empty_like(z), np.finfo(z.dtype).tiny
    floor, enough = conditions.floor().item(), -math.log(config.target_probability)
    kept, best = z, z.dtype.type(np.inf)
    for step in range(1, config.max_itr + 1):
        loss = objective(z, gradient)
        if loss - floor <= enough:
            return _result(query, z, step, loss, True, "condition met")
        if loss < best:
            kept, best = z, loss
        direction = np.dot(gradient, matrix)
        slope = math.sqrt(max(np.dot(gradient, direction), tiny))  # of the loss along the step
        z = z - min(config.step, 2 * float(loss - floor) / slope) / slope * direction
    return _result(query, kept, step, best, False, "condition met")


def condition_arrays(conditions: Conditions, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of one query: targets (A, K), which of them are sets (A,), and the share of each attribute in the loss (A,)."""
    wanted = conditions.wanted.cpu().numpy()[:, 0].astype(dtype)
    any_of = np.zeros(len(wanted), bool) if conditions.any_of is None else conditions.any_of.cpu().numpy()[:, 0]
    if conditions.weight is None:
        return wanted, any_of, np.full(len(wanted), 1 / len(wanted), dtype)
    weight = conditions.weight[:, 0].double().cpu().numpy()
    return wanted, any_of, (weight / weight.sum()).astype(dtype)


def _result(
    query: Tensor, z: np.ndarray, steps: int, loss: np.floating, stopped: bool, by: str = "no improvement"
) -> SearchResult:
    """What became of a query (1, E), the embedding on its device."""
    moved, made, least, early = (torch.from_numpy(np.array(value)) for value in ([z], [steps], [loss], [stopped]))
    return SearchResult(moved.to(query.device), made, least, early, stopped_by=by)
