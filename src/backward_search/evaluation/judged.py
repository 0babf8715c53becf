"""The hits of a task's queries one by one: which meet the condition, and what each shares with its query."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from backward_search.evaluation.result_tables import depth
from backward_search.runs.evidence import BETWEEN, TWIN, meets, shared, traits, twins
from backward_search.runs.task import Task

COLUMNS = ("query", "candidate", "rank", "hit", "meets", "shared")
_KINDS = ("tags", "labels")


def hit_table(task: Task, hits: np.ndarray) -> tuple[tuple[str, ...], Iterator[tuple[object, ...]]]:
    """The hits as a table: header and lines.

    Args:
        task: the queries and their gallery.
        hits: gallery rows (B, k), best first.
    """
    queries, rows = task.rows.tolist(), task.gallery_rows[hits]
    same = twins(task, queries, rows)
    return (COLUMNS if same is None else (*COLUMNS, TWIN)), _lines(task, rows, same)


def _lines(task: Task, rows: np.ndarray, same: np.ndarray | None) -> Iterator[tuple[object, ...]]:
    keys, good, common = task.table.keys, meets(task, rows), shared(task, task.rows.tolist(), rows)
    for number, query in enumerate(task.queries):
        for place, row in enumerate(rows[number].tolist()):
            twin = () if same is None else (bool(same[number, place]),)
            words = BETWEEN.join(common[number][place])
            yield (number, query.candidate, place + 1, keys[row], bool(good[number, place]), words, *twin)


def sharing(task: Task, hits: np.ndarray) -> dict[str, float]:
    """How many tags, or labels in a data set without tags, a query has that a hit can share, and how many a hit does.

    Args:
        task: the queries and their gallery.
        hits: gallery rows (B, k).

    Returns:
        The means over queries, and over queries and hits; nothing where there is neither.
    """
    kind, queries = _KINDS[not task.tags.tags], task.rows.tolist()
    own = [len(known) for known in traits(task, queries)]
    if not any(own):
        return {}
    counts = [len(words) for each in shared(task, queries, task.gallery_rows[hits]) for words in each]
    return {f"query_{kind}": float(np.mean(own)), f"shared_{kind}_at_{hits.shape[1]}": float(np.mean(counts))}


def in_a_line(row: Mapping[str, Any]) -> str:
    """What a result says of a query's hits, in a sentence.

    >>> in_a_line({"precision_at_10": 0.94, "query_tags": 4.3, "shared_tags_at_10": 2.14})
    'of 10 hits 9.4 meet the condition; a hit shares 2.1 of the 4.3 tags of its query, on average'
    """
    k = depth(row)
    said = f"of {k} hits {float(row[f'precision_at_{k}']) * int(k):.1f} meet the condition"
    for kind in _KINDS:
        if f"query_{kind}" in row:
            of_query = f"the {row[f'query_{kind}']:.1f} {kind} of its query"
            said += f"; a hit shares {row[f'shared_{kind}_at_{k}']:.1f} of {of_query}"
    return f"{said}, on average"
