"""What the hits of a task's queries are worth: every measure, one value per query."""

from collections.abc import Sequence

import numpy as np
import torch

from backward_search.data.spellings import names_of
from backward_search.evaluation import metrics
from backward_search.runs.task import Task


def measured(task: Task, hits: np.ndarray, *, strict: bool) -> dict[str, np.ndarray]:
    """Every measure that the data set admits.

    Args:
        task: the queries and their gallery.
        hits: gallery rows (B, k), best first.
        strict: the query's own image is no relevant image, and tags count without the conditioned attributes' labels.

    Returns:
        By measure one value per query (B,); NaN where a measure does not speak of a query.
    """
    worth, k = task.worth(), hits.shape[1]
    meets = worth > 0
    twins = _twin_measures(task, hits, meets)
    if strict:
        meets &= task.gallery_rows[None] != task.rows[:, None]
    relevant = np.take_along_axis(meets, hits, axis=1)
    values = {
        f"precision_at_{k}": metrics.precision(relevant),
        f"map_at_{k}": metrics.average_precision(relevant, meets.sum(axis=1)),
    }
    if task.conditions.mixed:  # of a mixture every class counts as met; how well is what the shares say
        values[f"expected_weight_at_{k}"] = np.take_along_axis(worth, hits, axis=1).mean(axis=1)
    if task.tags.tags:
        values |= _tag_measures(task, hits, strict=strict)
    values[f"context_at_{k}"] = _context(task, hits)
    return values | twins


def _tag_measures(task: Task, hits: np.ndarray, *, strict: bool) -> dict[str, np.ndarray]:
    k, gallery = hits.shape[1], task.gallery_tags()
    queries = [task.query_tags(query) for query in task.queries]
    labels = (label for name in task.conditioned for label in task.table.classes[name])
    named = names_of(labels, set().union(*gallery, *queries))
    without = metrics.tag_similarities([tags - named for tags in queries], [tags - named for tags in gallery], hits)
    if strict:
        return {f"mts_at_{k}": without}
    return {
        f"mts_at_{k}": metrics.tag_similarities(queries, gallery, hits),
        f"mts_at_{k}_without_labels": without,
    }


def _context(task: Task, hits: np.ndarray) -> np.ndarray:
    """The mean cosine of the query's original embedding with its hits': likeness that needs no tags."""
    unit = torch.nn.functional.normalize(task.embeddings, dim=1).cpu().numpy()
    found = unit[task.gallery_rows[hits]]  # (B, k, E)
    return np.asarray(np.einsum("be,bke->bk", unit[task.rows], found).mean(axis=1), np.float64)


def _twin_measures(task: Task, hits: np.ndarray, meets: np.ndarray) -> dict[str, np.ndarray]:
    """Whether a twin is among the hits: of queries that have one, and of those whose condition is not met yet.

    A twin shows what the query shows, and meets its condition.
    """
    same = task.same_thing()
    if same is None:
        return {}
    twins = meets & same
    if not twins.any():
        return {}
    k = hits.shape[1]
    found = np.take_along_axis(twins, hits, axis=1).any(axis=1).astype(np.float64)
    exists = twins.any(axis=1)
    unmet = exists & ~task.met_before()
    return {
        f"twin_recall_at_{k}": np.where(exists, found, np.nan),
        f"twin_recall_at_{k}_unmet": np.where(unmet, found, np.nan),
    }


def per_query_rows(values: dict[str, np.ndarray]) -> list[Sequence[object]]:
    """One row per query for a CSV file: its index, then the measures; empty where a measure does not speak of it."""
    columns = [["" if np.isnan(value) else float(value) for value in column] for column in values.values()]
    return [(index, *row) for index, row in enumerate(zip(*columns, strict=True))]
