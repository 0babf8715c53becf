"""Drawing test queries, bit for bit as published (docs/method.md, 4)."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backward_search.data.query_files import SEEDS
from backward_search.data.registry import EmptyTags
from backward_search.data.tables import Table, Tags
from backward_search.errors import TooFewQueriesError

LEAST_CANDIDATES = 10
MOST_SIMILAR = 0.1
"""At least one candidate has to share less than this with the query."""
PATIENCE = 20_000
"""Rounds without a new query after which the possible queries are counted."""


@dataclass(frozen=True)
class Query:
    """One test query.

    Attributes:
        candidate: key of the query image.
        candidate_tags: its tag string.
        condition: the wanted label of each conditioned attribute.
    """

    candidate: str
    candidate_tags: str
    condition: dict[str, str]


class _TagOverlap:
    """The tag sets of all candidates, turned into lists of images per tag: a query's overlaps are one count."""

    def __init__(self, strings: Sequence[str], stripped: bool) -> None:
        sets = [set((text.strip(",") if stripped else text).split(",")) if text else set() for text in strings]
        self._size = np.array([len(tags) for tags in sets])
        holders: dict[str, list[int]] = {}
        for row, tags in enumerate(sets):
            for tag in tags:
                holders.setdefault(tag, []).append(row)
        self._holders = {tag: np.array(rows) for tag, rows in holders.items()}

    def similarity(self, query: str) -> np.ndarray:
        """The Jaccard overlap of a query's tag string with every image; 0 with a tagless one."""
        tags = set(query.split(","))
        rows = [self._holders[tag] for tag in sorted(tags) if tag in self._holders]
        shared = np.bincount(np.concatenate(rows), minlength=len(self._size)) if rows else np.zeros(len(self._size))
        return np.asarray(shared / (len(tags) + self._size - shared))


class QueryGenerator:
    """Draws queries of one task from one table."""

    def __init__(self, table: Table, tags: Tags, conditioned: Sequence[str], *, strict: bool = False) -> None:
        """Lay out what every round needs.

        Args:
            table: the split to draw from, in file order.
            tags: the data set's tags.
            conditioned: the conditioned attributes, in order.
            strict: draw only conditions that differ from the query's own label in every attribute.
        """
        self._table, self._conditioned, self._strict = table, tuple(conditioned), strict
        self._keys = table.keys
        self._strings = [tags.query_tags.get(key, "") for key in self._keys]
        self._tagged = any(self._strings)
        self._ids = np.stack([table.ids[name] for name in conditioned], axis=1)
        self._combinations, group, self._sizes = np.unique(self._ids, axis=0, return_inverse=True, return_counts=True)
        self._group = group.reshape(-1)  # of each image, as an index into the combinations of labels that occur
        enough = self._combinations[self._sizes >= LEAST_CANDIDATES]
        self._frequent = set(map(tuple, enough.tolist()))
        stripped = table.entry.empty_tags is EmptyTags.OF_THE_QUERY
        self._overlap = _TagOverlap(self._strings, stripped) if self._tagged else None

    def draw(self, count: int) -> list[Query]:
        """Draw `count` queries.

        Raises:
            TooFewQueriesError: there are not that many.
        """
        self._refuse_unless_possible(count, self._upper_bound())
        python, legacy = random.Random(SEEDS["python"]), np.random.RandomState(SEEDS["numpy"])
        weights = np.cumsum(self._weights())
        weights /= weights[-1]

        def image() -> int:
            return int(np.searchsorted(weights, legacy.random_sample(1), side="right")[0])

        if self._table.entry.discard_first_draw:
            image()
        orders = [np.arange(len(self._table.classes[name])) for name in self._conditioned]
        kept: dict[tuple[str, tuple[int, ...]], Query] = {}
        failures = 0
        while len(kept) < count:
            row = image()
            while self._tagged and not self._strings[row]:
                row = image()
            for order in orders:
                legacy.shuffle(order)  # as the published code shuffles a list: by the same draws
            wanted = tuple(int(python.choice(order)) for order in orders)
            failures += 1
            if failures == PATIENCE:
                self._refuse_unless_possible(count, self._possible())
            if wanted not in self._frequent or not self._serves(row, wanted):
                continue
            if (self._keys[row], wanted) not in kept:
                names = zip(self._conditioned, wanted, strict=True)
                condition = {name: self._table.classes[name][i] for name, i in names}
                kept[self._keys[row], wanted] = Query(self._keys[row], self._strings[row], condition)
                failures = 0
            python.choice([row])  # the published code draws from a list of one, which advances the generator
        return list(kept.values())

    def _weights(self) -> np.ndarray:
        """One over the images of the class, over the number of classes that occur."""
        return np.asarray(1 / self._sizes[self._group] / len(self._sizes))

    def _serves(self, row: int, wanted: tuple[int, ...]) -> bool:
        """Whether a tagged query has enough images that meet the condition, some of them unlike it."""
        if self._tagged and not self._strings[row]:
            return False
        if self._strict and bool((self._ids[row] == wanted).any()):
            return False
        meets = (self._ids == wanted).all(axis=1)
        meets[row] = False
        if meets.sum() < LEAST_CANDIDATES:
            return False
        return self._overlap is None or bool((self._overlap.similarity(self._strings[row])[meets] < MOST_SIMILAR).any())

    def _upper_bound(self) -> int:
        return int((self._sizes >= LEAST_CANDIDATES).sum()) * len(set(self._keys))

    def _possible(self) -> int:
        """The number of different queries there are; an image listed twice counts once."""
        order = np.argsort(self._group, kind="stable")
        served: dict[str, np.ndarray] = {}
        for row, key in enumerate(self._keys):
            if self._strings[row] or not self._tagged:
                served[key] = served.get(key, False) | self._served(row, order)
        return int(sum(conditions.sum() for conditions in served.values()))

    def _served(self, row: int, order: np.ndarray) -> np.ndarray:
        """What `_serves` says of a tagged query and each combination of labels that occurs, (C,) bool.

        Args:
            row: of the query.
            order: all rows, those of a combination side by side, (N,).
        """
        others = self._sizes - (np.arange(len(self._sizes)) == self._group[row])
        served = others >= LEAST_CANDIDATES
        if self._strict:
            served &= (self._combinations != self._ids[row]).all(axis=1)
        if self._overlap is not None:
            unlike = self._overlap.similarity(self._strings[row]) < MOST_SIMILAR
            unlike[row] = False
            served &= np.logical_or.reduceat(unlike[order], np.cumsum(self._sizes) - self._sizes)
        return np.asarray(served)

    def _refuse_unless_possible(self, count: int, possible: int) -> None:
        if possible < count:
            fewer, larger = (
                f"pass --num_queries {possible} or less",
                "prepare a larger test split, or pass --split train",
            )
            raise TooFewQueriesError(
                f"{self._table.entry.name} {self._table.split} has at most {possible} queries on "
                f"{'+'.join(self._conditioned)} with {LEAST_CANDIDATES} candidates each, {count} are asked for: "
                f"{fewer if possible else larger}",
                possible,
            )


def as_json(queries: Sequence[Query]) -> list[Mapping[str, object]]:
    """The queries as they are stored."""
    return [{"candidate": q.candidate, "candidate_tags": q.candidate_tags, "condition": q.condition} for q in queries]
