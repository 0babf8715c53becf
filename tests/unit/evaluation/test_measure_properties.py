"""Measures of hits of any kind, and their intervals, against their definitions written out query by query."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nasty import texts

from backward_search.conditions.batch import Conditions
from backward_search.conditions.language import parse_value
from backward_search.data.query_generation import Query
from backward_search.data.registry import DatasetEntry, EmptyTags
from backward_search.data.spellings import names_of
from backward_search.data.tables import Table, Tags
from backward_search.evaluation import metrics
from backward_search.evaluation.intervals import LEVEL, RESAMPLES, differences, estimates
from backward_search.evaluation.measures import measured, per_query_rows
from backward_search.evaluation.result_files import differences_to, per_query_of
from backward_search.runs.task import Task
from backward_search.storage.atomic import write_csv

CLASSES = {"style": ["a", "b", "c"], "genre": ["x", "Oil paint"]}
WANTED = {"style": ("a", "b", "!c", "a|c", "3*a+1*b", "c:2"), "genre": ("x", "Oil paint", "!x:0.5")}
STRINGS = st.sampled_from(("", ",", "a", "oil-paint,x", ",sea,ship", "sea", "ship,sea,", "日本,é")) | texts(most=6)


def average_precision(relevant: list[bool], total: int) -> float:
    found = [sum(relevant[: rank + 1]) / (rank + 1) for rank, good in enumerate(relevant) if good]
    return sum(found) / min(len(relevant), total) if total else 0.0


def jaccard(one: set, other: set) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


@given(st.lists(st.tuples(st.lists(st.booleans(), min_size=4, max_size=4), st.integers(0, 9)), min_size=1, max_size=5))
def test_rankings_of_relevant_and_other_hits(queries):
    relevant = np.array([hits for hits, _ in queries])
    total = np.array([sum(hits) + further for hits, further in queries])
    assert metrics.precision(relevant).tolist() == [sum(hits) / 4 for hits, _ in queries]
    found = metrics.average_precision(relevant, total)
    assert found == pytest.approx([average_precision(hits, sum(hits) + further) for hits, further in queries])
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()
    assert (
        (found > 1 - 1e-12)
        == [sum(hits) and hits == sorted(hits)[::-1] and (not more or all(hits)) for hits, more in queries]
    ).all()


@st.composite
def tasks(draw):
    """A task whose gallery is a part of a table, its hits, and what each query wants."""
    count, asked = draw(st.integers(2, 9)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    entry = DatasetEntry("toy", {"all": tuple(CLASSES)}, empty_tags=draw(st.sampled_from(EmptyTags)))
    ids = {name: rng.integers(len(labels), size=count) for name, labels in CLASSES.items()}
    table = Table(entry, "test", [f"./data/toy/images/f/{row}.jpg" for row in range(count)], ids, CLASSES)
    strings = draw(st.lists(STRINGS, min_size=count, max_size=count))
    tags = dict(zip(table.keys, strings, strict=True)) if draw(st.booleans()) else {}
    groups = {key: str(rng.integers(3)) for key in table.keys} if draw(st.booleans()) else {}
    gallery = np.sort(rng.choice(count, size=draw(st.integers(1, count)), replace=False))
    embeddings = torch.from_numpy(rng.normal(size=(count, 3)).astype(np.float32))
    source = SimpleNamespace(table=table, tags=Tags(tags, tags, groups), rows=gallery, embeddings=embeddings)
    names = draw(st.sampled_from((("style",), ("genre", "style"))))
    rows = rng.integers(count, size=asked)
    said = [{name: draw(st.sampled_from(WANTED[name])) for name in names} for _ in rows]
    queries = [Query(table.keys[row], strings[row], own) for row, own in zip(rows, said, strict=True)]
    clauses = [{name: parse_value(text, CLASSES[name]) for name, text in own.items()} for own in said]
    conditions = Conditions.of(clauses, {name: CLASSES[name] for name in names})
    k = draw(st.integers(1, len(gallery)))
    hits = np.stack([rng.permutation(len(gallery))[:k] for _ in rows])
    return Task(source, names, queries, rows, clauses, conditions), hits


def expected(task: Task, hits: np.ndarray, strict: bool) -> list[dict[str, float]]:
    """Every measure of each query, written out."""
    k, found = hits.shape[1], []
    strings = [task.tags.tags.get(key, "") for key in task.table.keys]
    sets = [{tag for tag in text.split(",") if tag} for text in strings]
    labels = {label for name in task.conditioned for label in CLASSES[name]}
    for query, row, clause, own in zip(task.queries, task.rows, task.clauses, hits, strict=True):
        worth = [
            float(np.prod([clause[name].shares.get(task.table.labels(name)[image], 0) for name in task.conditioned]))
            for image in range(len(task.table))
        ]
        images = task.gallery_rows[own].tolist()
        good = [worth[image] > 0 and not (strict and image == row) for image in range(len(task.table))]
        relevant = [good[image] for image in images]
        one = {
            f"precision_at_{k}": sum(relevant) / k,
            f"map_at_{k}": average_precision(relevant, sum(good[image] for image in task.gallery_rows)),
        }
        if task.conditions.mixed:
            one[f"expected_weight_at_{k}"] = float(np.mean([worth[image] for image in images]))
        if task.tags.tags:
            whole = task.table.entry.empty_tags is EmptyTags.OF_THE_QUERY
            mine = set(query.candidate_tags.split(",")) if whole else sets[row]
            named = names_of(labels, mine | set().union(*sets))
            without = float(np.mean([jaccard(mine - named, sets[image] - named) for image in images]))
            plain = float(np.mean([jaccard(mine, sets[image]) for image in images]))
            one |= {f"mts_at_{k}": without} if strict else {f"mts_at_{k}": plain, f"mts_at_{k}_without_labels": without}
        z = torch.nn.functional.normalize(task.embeddings.double(), dim=1)
        one[f"context_at_{k}"] = float((z[images] @ z[row]).mean())
        found.append(one | twin_recall(task, row, images, worth))
    return found


def twin_recall(task: Task, row: int, images: list[int], worth: list[float]) -> dict[str, float]:
    if not task.tags.groups:
        return {}
    groups = list(task.tags.groups.values())
    twins = [image for image in task.gallery_rows if groups[image] == groups[row] and worth[image] > 0]
    recall = float(any(image in twins for image in images)) if twins else np.nan
    k = len(images)
    return {f"twin_recall_at_{k}": recall, f"twin_recall_at_{k}_unmet": np.nan if worth[row] > 0 else recall}


@given(tasks(), st.booleans())
def test_measures_of_a_task_are_those_of_each_query(made, strict):
    task, hits = made
    found, plain = measured(task, hits, strict=strict), expected(task, hits, strict)
    spoken = {
        name
        for name in plain[0]
        if "twin" not in name or not all(np.isnan(one["twin_recall_at_" + str(hits.shape[1])]) for one in plain)
    }
    assert set(found) == spoken
    for name, values in found.items():
        assert values == pytest.approx([one[name] for one in plain], nan_ok=True, abs=1e-6)


VALUES = st.one_of(st.just(float("nan")), st.sampled_from((0.0, 1.0, 0.1, -0.0)), st.floats(-1e6, 1e6, width=32))
COLUMN = st.integers(1, 6).flatmap(
    lambda count: st.lists(st.lists(VALUES, min_size=count, max_size=count), min_size=1, max_size=3)
)


@given(COLUMN, st.integers(0, 3))
def test_an_interval_is_that_of_the_resampled_means(columns, seed):
    values = {f"m{i}": np.array(column) for i, column in enumerate(columns)}
    found = estimates(values, seed)
    drawn = np.random.default_rng(seed).integers(len(columns[0]), size=(RESAMPLES, len(columns[0])))
    for name, column in values.items():
        known = column[~np.isnan(column)]
        assert (name in found) == bool(len(known))
        if not len(known):
            continue
        means = [some.sum() / len(some) for some in (row[~np.isnan(row)] for row in column[drawn]) if len(some)]
        low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        one = found[name]
        assert (one.mean, one.low, one.high) == pytest.approx((known.mean(), low, high), rel=1e-9, abs=1e-7)
        assert one.count == len(known)


@given(COLUMN, st.integers(1, 5))
def test_differences_of_stored_results_are_those_of_the_values(columns, seed):
    first = {f"m{i}_at_10": np.array(column) for i, column in enumerate(columns)}
    second = {name: np.random.default_rng(seed).permutation(column) for name, column in first.items()}
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / "teacher-lambda0.5.json", Path(folder) / "best-strict.json"]
        for place, values in zip(places, (first, second), strict=True):
            write_csv(per_query_of(place), ("query", *values), per_query_rows(values))
        found = differences_to(places[0], places)
    assert list(found) == ["best-strict"]
    plain = differences(first, second)
    assert list(found["best-strict"]) == list(plain)
    for name, one in found["best-strict"].items():
        assert list(vars(one).values()) == pytest.approx(list(vars(plain[name]).values()), rel=1e-9, abs=1e-9)
