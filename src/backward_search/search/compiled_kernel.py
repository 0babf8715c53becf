"""The compiled search of one query; imported by `compiled` where numba is installed."""

import math

import numpy as np
from numba import njit


@njit(cache=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def _dots(matrix: np.ndarray, vector: np.ndarray, bias: np.ndarray, out: np.ndarray) -> None:
    """Out = matrix @ vector + bias, row by row."""
    for i in range(matrix.shape[0]):
        total = matrix[i, 0] * vector[0]
        for j in range(1, matrix.shape[1]):
            total += matrix[i, j] * vector[j]
        out[i] = bias[i] + total


@njit(cache=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def _sums(rows: np.ndarray, factors: np.ndarray, out: np.ndarray) -> None:
    """Out += factors @ rows, without the rows whose factor is 0."""
    for i in range(rows.shape[0]):
        factor = factors[i]
        if factor != 0:
            for j in range(rows.shape[1]):
                out[j] += factor * rows[i, j]


@njit(cache=True)
def _rectify(values: np.ndarray) -> None:
    for i in range(values.shape[0]):
        if values[i] <= 0:
            values[i] = 0


@njit(cache=True)
def _gate(slope: np.ndarray, hidden: np.ndarray) -> None:
    for i in range(slope.shape[0]):
        if hidden[i] == 0:
            slope[i] = 0


@njit(cache=True)
def _loss_and_slope(logits: np.ndarray, wanted: np.ndarray, any_of: bool, slope: np.ndarray) -> float:
    """Loss of one attribute; `slope` becomes its gradient in the logits (see Conditions.loss_and_slope)."""
    most, most_of_set = logits.max(), -np.inf
    for k in range(logits.shape[0]):
        if wanted[k] != 0:
            most_of_set = max(most_of_set, logits[k])
    total, of_set = 0.0, 0.0
    for k in range(logits.shape[0]):
        slope[k] = math.exp(logits[k] - most)
        total += slope[k]
        if any_of and wanted[k] != 0:
            of_set += math.exp(logits[k] - most_of_set)  # not a share of the total, which can be too small a number
    log_total = math.log(total)
    loss = log_total + most - most_of_set - math.log(of_set) if any_of else 0.0
    for k in range(logits.shape[0]):
        target = wanted[k]
        if any_of:
            target = math.exp(logits[k] - most_of_set) / of_set if wanted[k] != 0 else 0.0
        elif target != 0:
            loss -= target * (logits[k] - most - log_total)
        slope[k] = slope[k] / total - target
    return loss


@njit(cache=True)
def _above(
    hidden1: np.ndarray,
    layers: tuple[np.ndarray, ...],
    wanted: np.ndarray,
    any_of: bool,
    share: float,
    room: tuple[np.ndarray, ...],
    slope1: np.ndarray,
) -> float:
    """What the layers above the first make of its output: the loss, and into `slope1` the slope at the first layer.

    Args:
        hidden1: the output of the first layer (256,).
        layers: w2, its transpose, w3, its transpose, b2 and b3 of one attribute.
        wanted: of that attribute, (K,).
        any_of: whether `wanted` is a set.
        share: of the attribute in the loss.
        room: for hidden2, logits, slope2 and slope3, overwritten.
        slope1: (256,), overwritten.
    """
    w2, w2t, w3, w3t, b2, b3 = layers
    hidden2, logits, slope2, slope3 = room
    hidden2[:] = b2
    _sums(w2t, hidden1, hidden2)
    _rectify(hidden2)
    logits[:] = b3
    _sums(w3t, hidden2, logits)
    loss: float = share * _loss_and_slope(logits, wanted, any_of, slope3)
    slope3 *= share
    slope2[:] = 0
    _sums(w3, slope3, slope2)
    _gate(slope2, hidden2)
    slope1[:] = 0
    _sums(w2, slope2, slope1)
    _gate(slope1, hidden1)
    return loss


@njit(cache=True)
def search_one(
    start: np.ndarray,
    w1: np.ndarray,
    w2: np.ndarray,
    w2t: np.ndarray,
    w3: np.ndarray,
    w3t: np.ndarray,
    b1: np.ndarray,
    b2: np.ndarray,
    b3: np.ndarray,
    wanted: np.ndarray,
    any_of: np.ndarray,
    share: np.ndarray,
    lambda_: float,
    lr: float,
    max_itr: int,
    patience: int,
    beta1: float,
    beta2: float,
    eps: float,
) -> tuple[np.ndarray, int, float, bool]:
    """Move one query (E,); numba takes arrays and numbers, hence so many.

    Args:
        start: the query.
        w1: first layers (A, 256, E).
        w2: second layers (A, 128, 256); `w2t` is each transposed.
        w2t: (A, 256, 128).
        w3: last layers (A, K, 128); `w3t` is each transposed.
        w3t: (A, 128, K).
        b1: their biases (A, 256).
        b2: (A, 128).
        b3: (A, K).
        wanted: as in `Conditions`, (A, K).
        any_of: as in `Conditions`, (A,).
        share: of each attribute in the loss, (A,), summing to 1.
        lambda_: weight of the distance.
        lr: learning rate.
        max_itr: most steps.
        patience: failures in a row that a query may have; -1 for no early stopping.
        beta1: Adam's decay rates.
        beta2: Adam's decay rates.
        eps: Adam's guard.

    Returns:
        The kept point (E,), the steps, the loss that decided, and whether the query was frozen.
    """
    size, kind = start.shape[0], start.dtype
    z, kept, gradient = start.copy(), start.copy(), np.zeros_like(start)
    first, second = np.zeros_like(start), np.zeros_like(start)
    hidden1, hidden2, logits = np.empty(w1.shape[1], kind), np.empty(w2.shape[1], kind), np.empty(w3.shape[1], kind)
    slope1, slope2, slope3 = np.empty_like(hidden1), np.empty_like(hidden2), np.empty_like(logits)
    best, failures, step = np.inf, 0, 0
    while step < max_itr and (patience < 0 or failures <= patience):
        step += 1
        loss, distance = 0.0, 0.0
        gradient[:] = 0
        for a in range(w1.shape[0]):
            _dots(w1[a], z, b1[a], hidden1)
            _rectify(hidden1)
            layers = (w2[a], w2t[a], w3[a], w3t[a], b2[a], b3[a])
            loss += _above(hidden1, layers, wanted[a], any_of[a], share[a], (hidden2, logits, slope2, slope3), slope1)
            _sums(w1[a], slope1, gradient)
        share1, share2 = (1 - beta1) / (1 - beta1**step), (1 - beta2) / (1 - beta2**step)
        pull = lambda_ / size
        for e in range(size):
            way = z[e] - start[e]
            distance += abs(way)
            g = gradient[e] + (pull if way > 0 else -pull if way < 0 else 0.0)
            first[e] += share1 * (g - first[e])
            second[e] += share2 * (g * g - second[e])
            z[e] -= lr * first[e] / (math.sqrt(second[e]) + eps)
        loss += pull * distance
        if patience < 0:
            best = loss
        elif loss <= best:
            best, failures = loss, 0
            kept[:] = z
        else:
            failures += 1
    return (z if patience < 0 else kept), step, best, failures > patience >= 0
