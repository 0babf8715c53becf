"""Calibration: one temperature for each head, so that a probability means the same everywhere."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

LEAST = 30
"""Fewer held-out images say too little; the temperature then stays 1."""
BOUNDS = (-3.0, 3.0)
"""Of the logarithm of a temperature."""
BINS = 15


@dataclass(frozen=True)
class Calibration:
    """What held-out images say of one head.

    Attributes:
        temperature: what its logits are to be divided by.
        images: how many say so.
        error: the expected calibration error on them as the head is, in [0, 1].
        calibrated_error: the same after division.
    """

    temperature: float
    images: int
    error: float
    calibrated_error: float


def calibrate(logits: np.ndarray, ids: np.ndarray) -> Calibration:
    """Fit the temperature of a head: that of the least mean cross entropy (Guo et al. 2017, temperature scaling).

    Args:
        logits: of images that it was not trained on (N, K).
        ids: their true classes (N,).
    """
    logits = logits.astype(np.float64)
    temperature = 1.0
    if len(ids) >= LEAST:
        found = minimize_scalar(lambda log_t: _cross_entropy(logits / np.exp(log_t), ids), bounds=BOUNDS)
        temperature = float(np.exp(found.x))
    errors = (expected_calibration_error(softmax(logits / t, axis=1), ids) for t in (1.0, temperature))
    return Calibration(temperature, len(ids), *errors)


def _cross_entropy(logits: np.ndarray, ids: np.ndarray) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(ids)), ids].mean())


def expected_calibration_error(probabilities: np.ndarray, ids: np.ndarray) -> float:
    """By how much the probability of the predicted class misses its accuracy (Guo et al. 2017, equation 3).

    The sum over 15 bins of equal width of (share of the images in the bin) * |accuracy - mean probability|; an empty
    bin counts nothing, and without images the error is 0. A probability on the border of two bins is in the lower.

    Args:
        probabilities: (N, K).
        ids: true classes (N,).

    Returns:
        The error, in [0, 1].

    >>> expected_calibration_error(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1]))
    0.0
    >>> expected_calibration_error(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 1, 1]))
    0.25
    """
    surest, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == ids
    of_bin = np.clip(np.ceil(surest * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(of_bin, weights=right - surest, minlength=BINS)
    return float(np.abs(gaps).sum() / max(len(ids), 1))
