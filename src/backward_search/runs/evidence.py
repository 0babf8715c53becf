"""Why a hit can be believed: whether it meets the condition, and what it shares with the query apart from that."""

from collections.abc import Sequence

import numpy as np

from backward_search.data.spellings import names_of
from backward_search.data.tables import key_of
from backward_search.runs.task import Task

BETWEEN = ";"
"""Stands between what a hit shares in a file."""
TWIN = "twin"
"""The column of a file that follows what is shared where the data set has groups."""


def meets(task: Task, hits: np.ndarray) -> np.ndarray:
    """Which hits carry the whole condition by their labels, (B, k) bool; of a mixture any wanted class will do.

    Args:
        task: the queries.
        hits: table rows (B, k).
    """
    return np.asarray(task.conditions.worth([task.table.ids[name][hits] for name in task.conditioned]) > 0)


def traits(task: Task, queries: Sequence[int], conditioned: Sequence[str] | None = None) -> list[set[str]]:
    """What each query has that a hit can share, apart from what is asked for.

    Its tags without those that name a label of a conditioned attribute, as for mTS without labels; in a data set
    without tags, its labels of the other attributes, as `attribute=label`.

    Args:
        task: the task.
        queries: table rows (B,); -1 for an image from outside, of which nothing is known.
        conditioned: the attributes that are asked for, the task's own unless others are named.
    """
    asked = task.conditioned if conditioned is None else conditioned
    own = [_known(task, row, asked) if row >= 0 else set() for row in queries]
    if not task.tags.tags:
        return own
    named = names_of((label for name in asked for label in task.table.classes[name]), set().union(*own))
    return [known - named for known in own]


def shared(
    task: Task, queries: Sequence[int], hits: np.ndarray, conditioned: Sequence[str] | None = None
) -> list[list[tuple[str, ...]]]:
    """What each hit shares of its query's `traits`, sorted.

    Args:
        task: the task.
        queries: table rows (B,); -1 for an image from outside, with which nothing is shared.
        hits: table rows (B, k).
        conditioned: the attributes that are asked for, the task's own unless others are named.
    """
    asked = task.conditioned if conditioned is None else conditioned
    own = traits(task, queries, asked)
    return [
        [tuple(sorted(mine & _known(task, row, asked))) for row in rows]
        for mine, rows in zip(own, hits.tolist(), strict=True)
    ]


def twins(task: Task, queries: Sequence[int], hits: np.ndarray) -> np.ndarray | None:
    """Which hits show the very thing that their query shows, (B, k) bool; None where the data set has no groups.

    The query's own image does, an image from outside is known to show nothing of the data set.

    Args:
        task: the task.
        queries: table rows (B,); -1 for an image from outside.
        hits: table rows (B, k).
    """
    groups = task.tags.groups
    if not groups:
        return None

    def group(row: int) -> str:
        """What an image of the table shows."""
        return groups[key_of(task.table.paths[row])]

    return np.array(
        [
            [query >= 0 and group(row) == group(query) for row in rows]
            for query, rows in zip(queries, hits.tolist(), strict=True)
        ]
    )


def briefly(names: Sequence[str], most: int) -> str:
    """Some names in a line; of many the first, and how many more there are.

    >>> briefly(["a", "b"], 2), briefly(["a", "b", "c", "d"], 2)
    ('a, b', 'a, b, +2 more')
    """
    more = [f"+{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def _known(task: Task, row: int, asked: Sequence[str]) -> set[str]:
    """The tags of an image; in a data set without tags, its labels of the attributes that are not asked for."""
    table = task.table
    if task.tags.tags:
        return task.tags_of(key_of(table.paths[row]))
    return {f"{name}={table.classes[name][ids[row]]}" for name, ids in table.ids.items() if name not in asked}
