"""Curves of precision over context: their points with intervals, and what lies between two of them.

A *point* is a method at one strength; a *curve* are the points of a method, in the order of its strength, joined by
straight lines. What a curve *attains* at a context is the highest precision at which it keeps at least so much. Where
no point keeps so much, straight lines from its points to `unchanged`, the queries as they are, continue it: so much is
had where a method leaves a share of the queries, drawn at random, as they are. Where even these keep too little, it
counts with the least precision of its points and `unchanged`. Where every point keeps more, it counts with its highest
precision, or with such a line where that is higher. `covered` is the share of a range to which points of its own go.
Precision and context change places for "context at equal precision".

Intervals are 95 % percentile bootstrap intervals (Efron 1979) over queries and over seeds: each resample draws the
seeds and, apart from them, the queries again with replacement, the same for every method and measure; every mean, curve
and area is then taken of the resample. Of one seed they speak of queries alone, and three seeds say little of others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95
STEPS = 101
"""Contexts, evenly spaced, at which two curves are compared."""
REST = "unchanged"
"""The point of the queries as they are."""


@dataclass(frozen=True)
class Point:
    """A method at one strength.

    Attributes:
        curve: the method.
        strength: of the method, in words.
        values: by measure a value for each seed and query (S, B); NaN for a query that the measure does not speak of.
    """

    curve: str
    strength: str
    values: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Interval:
    """A value of the queries and seeds as they are, and its interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, rows: np.ndarray) -> "Interval":
        """Of the values (1 + R,) of the whole and of its resamples."""
        tails = (1 - LEVEL) / 2
        low, high = np.nanquantile(rows[1:], (tails, 1 - tails))
        return cls(float(rows[0]), float(low), float(high))


@dataclass(frozen=True)
class Draws:
    """The whole, and resamples of it.

    Attributes:
        seeds: how often each seed is drawn (1 + R, S); in the first row once.
        queries: how often each query is (1 + R, B).
    """

    seeds: np.ndarray
    queries: np.ndarray

    @classmethod
    def of(cls, seeds: int, queries: int) -> "Draws":
        """Draw; the same for the same numbers."""
        generator = np.random.default_rng(0)
        return cls(*(_drawn(generator, count) for count in (seeds, queries)))

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean (1 + R,) of values (S, B), of the whole and of each resample.

        >>> Draws(np.array([[1, 1], [2, 0]]), np.array([[1, 1], [0, 2]])).means(np.array([[0, 1], [2, np.nan]]))
        array([1., 1.])
        """
        known = ~np.isnan(values)
        sums, counts = (self.queries @ part.T for part in (np.where(known, values, 0), known.astype(float)))
        with np.errstate(invalid="ignore"):  # a resample may hold no query with a value
            means: np.ndarray = (sums * self.seeds).sum(1) / (counts * self.seeds).sum(1)
        return means


def _drawn(generator: np.random.Generator, count: int) -> np.ndarray:
    chosen = generator.integers(count, size=(RESAMPLES, count))
    drawn = np.stack([np.bincount(row, minlength=count) for row in chosen])
    return np.concatenate([np.ones((1, count)), drawn]).astype(float)


@dataclass(frozen=True)
class Line:
    """A curve, in the whole and in each resample.

    Attributes:
        across: of P points in order (1 + R, P).
        up: the same points.
        rest: where the queries as they are lie: across and up (1 + R, 2).
    """

    across: np.ndarray
    up: np.ndarray
    rest: np.ndarray

    def attained(self, wanted: np.ndarray) -> np.ndarray:
        """The most that it goes up where it goes at least so far across (1 + R, G); beyond its ends, see above.

        >>> line = Line(np.array([[0.8, 0.5, 0.3]]), np.array([[0.2, 0.5, 0.8]]), np.array([[0.9, 0.1]]))
        >>> line.attained(np.array([[0.95, 0.85, 0.8, 0.7, 0.4, 0.2]])).round(3)
        array([[0.1  , 0.158, 0.2  , 0.3  , 0.65 , 0.8  ]])
        """
        ends, rest = (self.across.min(1, keepdims=True), self.across.max(1, keepdims=True)), self.rest[:, None]
        own, mixed = np.full(wanted.shape, -np.inf), np.full(wanted.shape, -np.inf)
        points = np.stack([self.across, self.up], axis=2)[:, :, None]  # (1 + R, P, 1, 2)
        for place in range(points.shape[1]):
            here = points[:, place]
            own = np.maximum(own, np.where(here[..., 0] >= wanted, here[..., 1], -np.inf))
            mixed = np.maximum(mixed, _between(here, rest, wanted))
            if place:
                own = np.maximum(own, _between(points[:, place - 1], here, wanted))
        outside = (wanted < ends[0]) | (wanted > ends[1])
        least = np.minimum(self.up.min(1, keepdims=True), rest[..., 1])
        return np.maximum(np.where(outside, np.maximum(own, mixed), own), least)


def _between(first: np.ndarray, second: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """How far up (1 + R, G) the straight lines between points (1 + R, 1, 2) are where wanted; -inf beyond them."""
    (start, low), (end, high) = (np.moveaxis(point, -1, 0) for point in (first, second))
    within = (np.minimum(start, end) < wanted) & (wanted <= np.maximum(start, end))
    share = (wanted - start) / np.where(end == start, 1, end - start)
    return np.where(within, low + share * (high - low), -np.inf)


@dataclass(frozen=True)
class Between:
    """How far a curve lies above another, over the range across that the other covers.

    Attributes:
        mean: the mean difference, which is the area between them by the width of the range.
        least: the smallest difference.
        covered: the share of the range to which the curve goes.
    """

    mean: Interval
    least: Interval
    covered: float

    @classmethod
    def of(cls, own: Line, other: Line) -> "Between":
        """Of two curves.

        >>> points = ([[0.2, 0.6]], [[1.0, 0.7]], [[0.8, 0.1]]), ([[0.4, 0.8]], [[0.8, 0.4]], [[0.8, 0.1]])
        >>> own, other = (Line(*(np.repeat(part, 3, axis=0) for part in line)) for line in points)
        >>> between = Between.of(own, other)
        >>> round(between.mean.mean, 3), round(between.least.mean, 3), between.covered
        (-0.014, -0.3, 0.5)
        """
        start, end = other.across.min(1, keepdims=True), other.across.max(1, keepdims=True)
        wanted = start + (end - start) * np.linspace(0, 1, STEPS)
        differences = own.attained(wanted) - other.attained(wanted)
        covered = float((own.across[0].max() >= wanted[0]).mean())
        return cls(Interval.of(differences.mean(1)), Interval.of(differences.min(1)), round(covered, 2))


@dataclass(frozen=True)
class Task:
    """The points of a task, with their means in the whole and in each resample.

    Attributes:
        name: data set and conditioned attributes.
        points: in the order of curves and strengths.
        means: for each point by measure, (1 + R,).
    """

    name: str
    points: Sequence[Point]
    means: Sequence[Mapping[str, np.ndarray]]

    @classmethod
    def of(cls, name: str, points: Sequence[Point]) -> "Task":
        """Resample the points."""
        draws = Draws.of(*next(iter(points[0].values.values())).shape)
        return cls(name, points, [{each: draws.means(own) for each, own in point.values.items()} for point in points])

    @property
    def curves(self) -> dict[str, list[int]]:
        """By name the places of the points, of what has more than one."""
        places: dict[str, list[int]] = {}
        for place, point in enumerate(self.points):
            places.setdefault(point.curve, []).append(place)
        return {name: own for name, own in places.items() if len(own) > 1}

    def along(self, places: Sequence[int], measure: str) -> np.ndarray:
        """The means of points, (1 + R, P)."""
        return np.stack([self.means[place][measure] for place in places], axis=1)

    def line(self, curve: str, across: str, up: str) -> Line:
        """A curve over two measures."""
        unchanged = next(place for place, point in enumerate(self.points) if point.curve == REST)
        rest = np.stack([self.means[unchanged][measure] for measure in (across, up)], axis=1)
        return Line(*(self.along(self.curves[curve], measure) for measure in (across, up)), rest)
