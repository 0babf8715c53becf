"""The compiled manifold solver of one query; imported by `compiled` where numba is installed.

The search never leaves the heads' first layers. A step adds S w1' s to the query, s the slope at the first layer.
What that does to the layer itself is G s, with G = w1 S w1' of the heads alone, and the length of the step comes of it
too: g' S g = s' G s. So a step is one product with G in place of those with w1, its transpose and S; the moved query is
put together at the end, from the sum of the slopes.
"""

import math

import numpy as np
from numba import njit

from backward_search.search.compiled_kernel import _above, _dots, _rectify, _sums


@njit(cache=True)
def manifold_one(
    start: np.ndarray,
    w1: np.ndarray,
    back: np.ndarray,
    gram: np.ndarray,
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
    floor: float,
    enough: float,
    longest: float,
    max_itr: int,
) -> tuple[np.ndarray, int, float, bool]:
    """Move one query (E,); numba takes arrays and numbers, hence so many.

    Args:
        start: the query.
        w1: first layers (A, H, E).
        back: the same times the covariance, w1 S (A, H, E).
        gram: G by pairs of attributes (A, A, H, H).
        w2: second layers (A, 128, H); `w2t` is each transposed.
        w2t: (A, H, 128).
        w3: last layers (A, K, 128); `w3t` is each transposed.
        w3t: (A, 128, K).
        b1: their biases (A, H).
        b2: (A, 128).
        b3: (A, K).
        wanted: as in `Conditions`, (A, K).
        any_of: as in `Conditions`, (A,).
        share: of each attribute in the loss, (A,), summing to 1.
        floor: the least loss there is.
        enough: how much more a met condition may have.
        longest: most standard deviations in a step.
        max_itr: most evaluations.

    Returns:
        The kept point (E,), the evaluations, its loss, and whether it meets the condition.
    """
    count, kind = w1.shape[0], start.dtype
    before = np.empty((count, w1.shape[1]), kind)
    slope1, change, moved, kept = (
        np.empty_like(before),
        np.empty_like(before),
        np.zeros_like(before),
        np.zeros_like(before),
    )
    hidden1, hidden2, logits = np.empty(w1.shape[1], kind), np.empty(w2.shape[1], kind), np.empty(w3.shape[1], kind)
    slope2, slope3 = np.empty_like(hidden2), np.empty_like(logits)
    for a in range(count):
        _dots(w1[a], start, b1[a], before[a])
    best, met, step = np.inf, False, 0
    while step < max_itr and not met:
        step += 1
        loss = 0.0
        for a in range(count):
            hidden1[:] = before[a]
            _rectify(hidden1)
            layers = (w2[a], w2t[a], w3[a], w3t[a], b2[a], b3[a])
            room = (hidden2, logits, slope2, slope3)
            loss += _above(hidden1, layers, wanted[a], any_of[a], share[a], room, slope1[a])
        met = loss - floor <= enough
        if met or loss < best:
            best = loss
            kept[:] = moved
        if met:
            break
        square = 0.0
        for a in range(count):
            change[a] = 0
            for b in range(count):
                _sums(gram[b, a], slope1[b], change[a])
            for i in range(change.shape[1]):
                square += slope1[a, i] * change[a, i]
        if square > 0:
            norm = math.sqrt(square)
            length = min(longest, 2 * (loss - floor) / norm) / norm
            for a in range(count):
                for i in range(change.shape[1]):
                    before[a, i] -= length * change[a, i]
                    moved[a, i] -= length * slope1[a, i]
    point = start.copy()
    for a in range(count):
        _sums(back[a], kept[a], point)
    return point, step, best, met
