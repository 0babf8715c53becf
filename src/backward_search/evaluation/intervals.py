"""Bootstrap intervals over queries: how far a mean, or the difference of two, would move with other queries."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over queries.

    Attributes:
        mean: over the queries that have a value.
        low: lower end of the interval.
        high: upper end of the interval.
        count: the queries that have a value.
    """

    mean: float
    low: float
    high: float
    count: int


def estimates(values: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, Estimate]:
    """The mean of each measure with its 95 % percentile bootstrap interval (Efron, 1979), over 2,000 resamples.

    All measures are resampled with the same queries, drawn from `seed`, so that equal values get equal intervals.

    Args:
        values: by measure, one value per query (B,); NaN for a query that the measure does not speak of.
        seed: of the resamples.

    Returns:
        By measure; one without a single value is left out.

    >>> estimates({"precision": np.array([1.0, 1.0, 1.0])})["precision"]
    Estimate(mean=1.0, low=1.0, high=1.0, count=3)
    """
    columns = {name: np.asarray(column, np.float64) for name, column in values.items()}
    columns = {name: column for name, column in columns.items() if not np.isnan(column).all()}
    if not columns:
        return {}
    table = np.stack(list(columns.values()), axis=1)  # (B, M)
    known = ~np.isnan(table)
    drawn = _resamples(len(table), seed)
    with np.errstate(invalid="ignore"):  # a resample may hold no query with a value
        means = (drawn @ np.where(known, table, 0)) / (drawn @ known.astype(np.float64))  # (R, M)
    tails = (1 - LEVEL) / 2
    low, high = np.nanquantile(means, (tails, 1 - tails), axis=0)
    average = np.nanmean(table, axis=0)
    counts = known.sum(axis=0)
    return {
        name: Estimate(float(average[i]), float(low[i]), float(high[i]), int(counts[i]))
        for i, name in enumerate(columns)
    }


def differences(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, Estimate]:
    """The paired differences first - second of the measures that both have, over the same queries.

    Args:
        first: by measure, one value per query (B,).
        second: the same of another method, for the same queries in the same order.
        seed: of the resamples.
    """
    both = {name: np.asarray(first[name]) - np.asarray(second[name]) for name in first if name in second}
    return estimates(both, seed)


def _resamples(count: int, seed: int) -> np.ndarray:
    """How often each query is drawn in each resample, (R, B)."""
    drawn = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
    flat = (drawn + np.arange(RESAMPLES)[:, None] * count).ravel()
    return np.bincount(flat, minlength=RESAMPLES * count).reshape(RESAMPLES, count).astype(np.float64)
