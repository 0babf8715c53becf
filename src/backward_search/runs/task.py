"""A task on disk: conditioned attributes, queries and gallery of one run, put together for the methods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.conditions.clause import Clause
from backward_search.conditions.language import parse_condition, parse_value
from backward_search.data.query_generation import Query
from backward_search.data.registry import EmptyTags
from backward_search.data.tables import Table, Tags
from backward_search.errors import DataError, OptionError
from backward_search.runs.queries import read_queries
from backward_search.runs.source import RunSource


@dataclass(frozen=True)
class Task:
    """The queries and the gallery of one task.

    Attributes:
        source: the run's split that queries and gallery come from.
        conditioned: the conditioned attributes.
        queries: in the order of the query file.
        rows: the table row of each query, (B,); -1 for an image that is not in the table.
        clauses: what each query wants, by attribute.
        conditions: the same as arrays, in double precision on the CPU.
        knobs: a lambda for each query (B,), where the query file gives them.
    """

    source: RunSource
    conditioned: tuple[str, ...]
    queries: list[Query]
    rows: np.ndarray
    clauses: Sequence[Mapping[str, Clause]]
    conditions: Conditions
    knobs: Tensor | None = None

    @classmethod
    def load(
        cls,
        source: RunSource,
        conditioned: tuple[str, ...],
        *,
        condition: str = "",
        strict: bool = False,
        lambda_: float = 1.0,
    ) -> "Task":
        """Put a task together whose queries are in its query file.

        Args:
            source: the run's split.
            conditioned: the attributes whose query file it is.
            condition: one for every query in place of its own.
            strict: whether the queries are those of the strict protocol.
            lambda_: that of queries whose entry gives none.

        Raises:
            MissingError: an earlier stage has not run.
            DataError: the query file names images or labels that the table does not have.
        """
        stored = read_queries(source.run, conditioned, source.split, strict=strict)
        task = cls.of(source, conditioned, stored.queries, condition=condition, lambdas=stored.knobs(lambda_))
        if (task.rows < 0).any():
            unknown = stored.queries[int(np.flatnonzero(task.rows < 0)[0])].candidate
            file = source.run.data.queries(conditioned, source.split, strict=strict)
            raise DataError(f"{file} names {unknown!r}, unknown to {source.split}: run A2 with --overwrite True")
        return task

    @classmethod
    def of(
        cls,
        source: RunSource,
        conditioned: tuple[str, ...],
        queries: Sequence[Query],
        *,
        condition: str = "",
        lambdas: Sequence[float] | None = None,
    ) -> "Task":
        """Put a task together; see `load`.

        Raises:
            OptionError: the condition is malformed, or names what does not exist.
            DataError: a query wants a label that the table does not have.
        """
        table = source.table
        row_of = {key: row for row, key in enumerate(table.keys)}
        rows = np.array([row_of.get(query.candidate, -1) for query in queries])
        clauses = _clauses(source, conditioned, queries, condition)
        names = tuple(clauses[0])
        conditions = Conditions.of(clauses, {name: table.classes[name] for name in names})
        knobs = None if lambdas is None else torch.tensor(lambdas, device=source.device)
        return cls(source, names, list(queries), rows, clauses, conditions, knobs)

    @property
    def table(self) -> Table:
        """The split that queries and gallery come from."""
        return self.source.table

    @property
    def tags(self) -> Tags:
        """The data set's tags."""
        return self.source.tags

    @property
    def gallery_rows(self) -> np.ndarray:
        """The table row of each gallery image, (N,)."""
        return self.source.rows

    @property
    def embeddings(self) -> Tensor:
        """Those of the whole table."""
        return self.source.embeddings

    def query_embeddings(self) -> Tensor:
        """The queries' embeddings (B, E)."""
        return self.embeddings[torch.from_numpy(self.rows)]

    def worth(self) -> np.ndarray:
        """What each gallery image is worth to each query, (B, N) in 0..1."""
        return self.conditions.worth([self.table.ids[name][self.gallery_rows] for name in self.conditioned])

    def met_before(self) -> np.ndarray:
        """Which queries meet their own condition as they are, (B,) bool."""
        worth = self.conditions.worth([self.table.ids[name][self.rows] for name in self.conditioned])
        return np.asarray(worth.diagonal() > 0)

    def same_thing(self) -> np.ndarray | None:
        """Which gallery images show what each query shows, (B, N) bool; None where the data set has no groups."""
        if not self.tags.groups:
            return None
        _, groups = np.unique([self.tags.groups[key] for key in self.table.keys], return_inverse=True)
        return np.asarray(groups[self.rows][:, None] == groups[self.gallery_rows][None])

    def asked(self, places: Sequence[int] | None = None) -> dict[str, set[str]]:
        """By conditioned attribute the labels that some query asks for; what "not these" leaves is not asked for.

        Args:
            places: of the queries; all of them where they are left out.
        """
        clauses = self.clauses if places is None else [self.clauses[place] for place in places]
        return {name: {label for each in clauses for label in each[name].named} for name in self.conditioned}

    def query_tags(self, query: Query) -> set[str]:
        """A query's tags as the metrics take them: the stored string as it stands, or those of its image."""
        if self.table.entry.empty_tags is EmptyTags.OF_THE_QUERY:
            return set(query.candidate_tags.split(","))
        return self.tags_of(query.candidate)

    def gallery_tags(self) -> list[set[str]]:
        """The tags of every gallery image."""
        keys = self.table.keys
        return [self.tags_of(keys[row]) for row in self.gallery_rows]

    def tags_of(self, key: str) -> set[str]:
        """The tags of an image."""
        return {tag for tag in self.tags.tags.get(key, "").split(",") if tag}


def _clauses(
    source: RunSource, conditioned: tuple[str, ...], queries: Sequence[Query], condition: str
) -> Sequence[Mapping[str, Clause]]:
    """What each query wants: the one condition, or what the query file says, in values of the same language."""
    table = source.table
    if condition:
        clauses = parse_condition(condition, {name: table.classes[name] for name in source.run.attributes})
        order = dict.fromkeys((*conditioned, *source.run.attributes))  # whichever the clauses have
        return [{name: clauses[name] for name in order if name in clauses}] * len(queries)
    try:
        return [
            {name: parse_value(query.condition[name], table.classes[name]) for name in conditioned} for query in queries
        ]
    except (KeyError, OptionError) as error:
        raise DataError(
            f"a query of {source.run.name.dataset_name} wants a class that the table does not have: {error}"
        ) from None


def check_topk(k: int, gallery: int) -> None:
    """Refuse more hits than there are images.

    Raises:
        OptionError: `k` is larger than the gallery.
    """
    if k > gallery:
        raise OptionError(f"--search_topk {k} is more than the {gallery} images of the gallery")
