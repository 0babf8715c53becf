"""The search of a single query on the CPU, in numpy, whose calls on a few hundred numbers cost less than PyTorch's.

The steps are those of the solvers for batches; `teacher.Teacher` takes the one or the other.
"""

import math

import numpy as np
import torch
from torch import Tensor

from backward_search.search.backward import PATIENCE, SearchConfig, SearchResult, shares
from backward_search.search.conditions import Conditions
from backward_search.search.heads import FrozenHeads
from backward_search.search.manifold import ManifoldConfig


class SingleObjective:
    """The loss of our heads at one point and its gradient, as `objectives.HeadsObjective` has them at many."""

    def __init__(self, heads: FrozenHeads, conditions: Conditions) -> None:
        """Of one query.

        Args:
            heads: the conditioned heads, on the CPU.
            conditions: of one query, on the CPU.
        """
        arrays = [(weight.numpy(), bias[:, 0].numpy()) for weight, bias in heads.layers]
        self._heads = [tuple((weight[a], bias[a]) for weight, bias in arrays) for a in range(len(arrays[0][0]))]
        self._wanted, self._any_of, self._share = condition_arrays(conditions, arrays[0][0].dtype)

    def __call__(self, z: np.ndarray) -> tuple[np.floating, np.ndarray]:
        """The loss in nats and its gradient (E,), the caller's to change, at a point (E,)."""
        loss, gradient = z.dtype.type(0), np.zeros_like(z)
        parts = zip(self._heads, self._wanted, self._any_of, self._share, strict=True)
        for ((w1, b1), (w2, b2), (w3, b3)), wanted, any_of, share in parts:
            hidden1 = _rectified(w1, z, b1)
            hidden2 = _rectified(w2, hidden1, b2)
            own, slope = _loss_and_slope(np.dot(w3, hidden2) + b3, wanted, any_of)
            slope = np.dot(slope * share, w3)
            slope *= np.sign(hidden2)  # the derivative of a rectified unit
            slope = np.dot(slope, w2)
            slope *= np.sign(hidden1)
            gradient += np.dot(slope, w1)
            loss += share * own
        return loss, gradient


def search_one(
    heads: FrozenHeads, query: Tensor, targets: Tensor | Conditions, config: SearchConfig, lambda_: float
) -> SearchResult:
    """Move one query (1, E) by Adam; see `backward.backward_search`.

    Args:
        heads: the conditioned heads, on the CPU.
        query: its embedding, on the CPU, in the precision of the heads.
        targets: class ids (1, A), or richer conditions of one query.
        config: how far and how fast, but for lambda.
        lambda_: the weight of the distance.
    """
    objective, start = SingleObjective(heads, _conditions(heads, targets)), query[0].detach().numpy()
    z, kept, pull = start.copy(), start.copy(), start.dtype.type(lambda_ / len(start))
    first, second = np.zeros_like(z), np.zeros_like(z)
    best, failures = start.dtype.type(np.inf), 0
    for step in range(1, config.max_itr + 1):
        loss, gradient = objective(z)
        way = z - start
        gradient += pull * np.sign(way)
        loss += pull * np.abs(way).sum()
        share1, share2 = shares(step, config)
        first += share1 * (gradient - first)
        second += share2 * (gradient * gradient - second)
        z -= config.lr * first / (np.sqrt(second) + config.eps)
        if not config.early_stopping:
            best = loss
        elif loss <= best:  # the loss before the step decides whether the point after it is kept
            best, failures, kept = loss, 0, z.copy()
        else:
            failures += 1
            if failures > PATIENCE:
                break
    return _result(kept if config.early_stopping else z, step, best, failures > PATIENCE)


def follow_one(
    heads: FrozenHeads, query: Tensor, targets: Tensor | Conditions, spread: Tensor, config: ManifoldConfig
) -> SearchResult:
    """Move one query (1, E) by the manifold solver; see `manifold.manifold_search`.

    Args:
        heads: the conditioned heads, on the CPU.
        query: its embedding, on the CPU, in the precision of the heads.
        targets: class ids (1, A), or richer conditions of one query.
        spread: the covariance of the training embeddings (E, E).
        config: how far and how fast.
    """
    conditions = _conditions(heads, targets)
    objective, matrix = SingleObjective(heads, conditions), spread.to(query).numpy()
    z = query[0].detach().numpy().copy()
    floor, enough = conditions.floor().item(), -math.log(config.target_probability)
    kept, best = z, z.dtype.type(np.inf)
    for step in range(1, config.max_itr + 1):
        loss, gradient = objective(z)
        if loss - floor <= enough:
            return _result(z, step, loss, True, "condition met")
        if loss < best:
            kept, best = z, loss
        direction = np.dot(gradient, matrix)
        slope = math.sqrt(max(np.dot(gradient, direction), np.finfo(z.dtype).tiny))  # of the loss along the step
        z = z - min(config.step, 2 * float(loss - floor) / slope) / slope * direction
    return _result(kept, step, best, False, "condition met")


def condition_arrays(conditions: Conditions, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of one query: targets (A, K), which of them are sets (A,), and the share of each attribute in the loss (A,)."""
    wanted = conditions.wanted[:, 0].numpy().astype(dtype)
    any_of = np.zeros(len(wanted), bool) if conditions.any_of is None else conditions.any_of[:, 0].numpy()
    weight = np.ones(len(wanted)) if conditions.weight is None else conditions.weight[:, 0].double().numpy()
    return wanted, any_of, (weight / weight.sum()).astype(dtype)


def _conditions(heads: FrozenHeads, targets: Tensor | Conditions) -> Conditions:
    kind = heads.layers[0][0]
    if isinstance(targets, Tensor):
        return Conditions.of_ids(targets, heads.classes, kind.dtype)
    return targets.to(kind.device, kind.dtype)


def _rectified(weight: np.ndarray, inputs: np.ndarray, bias: np.ndarray) -> np.ndarray:
    out: np.ndarray = np.dot(weight, inputs)
    out += bias
    np.maximum(out, 0, out=out)
    return out


def _loss_and_slope(logits: np.ndarray, wanted: np.ndarray, any_of: bool) -> tuple[np.floating, np.ndarray]:
    """The loss of one attribute and its gradient in the logits (K,); see `Conditions.loss_and_slope`."""
    logits -= logits.max()
    p = np.exp(logits)
    total = p.sum()
    p /= total
    if not any_of:
        return np.log(total) - np.dot(wanted, logits), p - wanted
    members = np.where(wanted > 0, logits, -np.inf)
    most = members.max()
    target = np.exp(members - most)
    of_set = target.sum()
    return np.log(total) - np.log(of_set) - most, p - target / of_set


def _result(z: np.ndarray, steps: int, loss: np.floating, stopped: bool, by: str = "no improvement") -> SearchResult:
    embedding = torch.from_numpy(z)[None]
    return SearchResult(
        embedding, torch.tensor([steps]), embedding.new_tensor([loss]), torch.tensor([stopped]), stopped_by=by
    )
