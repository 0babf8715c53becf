"""The queries against a plain reading of the published protocol."""

import random

import numpy as np
import pytest

from backward_search.data import query_generation
from backward_search.data.query_generation import QueryGenerator
from backward_search.data.registry import DatasetEntry, EmptyTags
from backward_search.data.tables import Table, Tags
from backward_search.errors import DataError, TooFewQueriesError


def make_table(images: int, empty_tags: EmptyTags, discard: bool):
    generator = np.random.default_rng(5)
    classes = {"style": ["a", "b", "c", "d"], "genre": ["x", "y", "z"]}
    entry = DatasetEntry("toy", {"stylegenre": ("style", "genre")}, empty_tags=empty_tags, discard_first_draw=discard)
    ids = {name: generator.integers(len(labels), size=images) for name, labels in classes.items()}
    table = Table(entry, "test", [f"./data/toy/images/f/{i}.jpg" for i in range(images)], ids, classes)
    words = [f"t{i}" for i in range(12)]
    strings = [",".join(["", *generator.choice(words, generator.integers(0, 5), replace=False)]) for _ in range(images)]
    by_key = dict(zip(table.keys, strings, strict=True))
    return table, Tags(by_key, by_key, {})


def plain_queries(table, tags, names, count, stripped):
    random.seed(1234)
    np.random.seed(777)
    keys, index = table.keys, np.arange(len(table))
    group = [tuple(int(table.ids[name][i]) for name in names) for i in index]
    weights = np.array([1 / group.count(g) / len(set(group)) for g in group])
    pairs = {name: [(label, i) for i, label in enumerate(table.classes[name])] for name in names}
    if table.entry.discard_first_draw:
        np.random.choice(index, 1, p=weights)
    kept = []
    while len(kept) < count:
        row = np.random.choice(index, 1, p=weights)[0]
        while tags.query_tags[keys[row]] == "":
            row = np.random.choice(index, 1, p=weights)[0]
        for name in names:
            np.random.shuffle(pairs[name])
        drawn = [random.choice(pairs[name]) for name in names]
        wanted = tuple(i for _, i in drawn)
        candidates = [i for i in index if i != row and group[i] == wanted]
        query = set(tags.query_tags[keys[row]].split(","))
        similarity = []
        for i in candidates:
            text = tags.query_tags[keys[i]]
            other = set((text.strip(",") if stripped else text).split(","))
            similarity.append(len(query & other) / len(query | other) if text else 0)
        if len(candidates) < 10 or not any(value < 0.1 for value in similarity):
            continue
        if (keys[row], wanted) not in kept:
            kept.append((keys[row], wanted))
        random.choice([row])
    return kept


@pytest.mark.parametrize("names", [("style",), ("style", "genre")])
@pytest.mark.parametrize(("empty_tags", "discard"), [(EmptyTags.IN_GENERATION, False), (EmptyTags.OF_THE_QUERY, True)])
def test_the_draws_are_the_published_ones(names, empty_tags, discard):
    table, tags = make_table(300, empty_tags, discard)
    expected = plain_queries(table, tags, names, 200, empty_tags is EmptyTags.OF_THE_QUERY)
    found = QueryGenerator(table, tags, names).draw(200)
    ids = {name: {label: i for i, label in enumerate(table.classes[name])} for name in names}
    assert [(q.candidate, tuple(ids[name][q.condition[name]] for name in names)) for q in found] == expected


def test_strict_conditions_differ_from_the_querys_own_labels():
    table, tags = make_table(300, EmptyTags.NOWHERE, False)
    own = dict(zip(table.keys, table.labels("style"), strict=True))
    assert all(
        q.condition["style"] != own[q.candidate] for q in QueryGenerator(table, tags, ("style",), strict=True).draw(99)
    )


@pytest.mark.parametrize("count", [5000, 1150])
def test_too_few_possible_queries_are_refused(count):
    table, tags = make_table(300, EmptyTags.NOWHERE, False)
    tags.query_tags.update(dict.fromkeys(table.keys[:30], "t0,t1,t2,t3,t4,t5,t6,t7,t8,t9,t10,t11,"))
    with pytest.raises(DataError, match="at most"):
        QueryGenerator(table, tags, ("style",)).draw(count)


def plain_possible(table, tags, names, strict):
    keys = table.keys
    own = [tuple(table.labels(name)[i] for name in names) for i in range(len(keys))]
    found = set()
    for row, key in enumerate(keys):
        query = set(tags.query_tags[key].split(","))
        for wanted in set(own):
            others = [i for i in range(len(keys)) if i != row and own[i] == wanted]
            sets = [set(tags.query_tags[keys[i]].split(",")) if tags.query_tags[keys[i]] else set() for i in others]
            unlike = any(len(query & other) / len(query | other) < 0.1 for other in sets)
            repeats = strict and any(label == mine for label, mine in zip(wanted, own[row], strict=True))
            if tags.query_tags[key] and len(others) >= 10 and unlike and not repeats:
                found.add((key, wanted))
    return len(found)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("names", [("style",), ("style", "genre")])
def test_all_queries_that_are_possible_can_be_drawn_and_no_more(monkeypatch, names, strict):
    table, tags = make_table(130, EmptyTags.IN_GENERATION, False)
    tags.query_tags.update(dict.fromkeys(table.keys[:20], "t0,t1,t2,t3,t4,t5,t6,t7,t8,t9,t10,t11,"))
    table.paths[100:] = table.paths[:30]
    monkeypatch.setattr(query_generation, "PATIENCE", 500)
    possible = plain_possible(table, tags, names, strict)
    assert len(QueryGenerator(table, tags, names, strict=strict).draw(possible)) == possible
    with pytest.raises(TooFewQueriesError, match=f"at most {possible} queries"):
        QueryGenerator(table, tags, names, strict=strict).draw(possible + 1)


def test_a_split_without_tags_is_drawn_from_as_a_set_without_tags():
    table, _ = make_table(300, EmptyTags.NOWHERE, False)
    of_others = {"train/1.jpg": "t1"}
    without = QueryGenerator(table, Tags({}, {}, {}), ("style",)).draw(50)
    assert QueryGenerator(table, Tags(of_others, of_others, {}), ("style",)).draw(50) == without


def test_an_image_listed_twice_gives_no_query_twice():
    table, _ = make_table(300, EmptyTags.NOWHERE, False)
    table.paths[150:] = table.paths[:150]
    queries = QueryGenerator(table, Tags({}, {}, {}), ("style",)).draw(400)
    assert len({(query.candidate, query.condition["style"]) for query in queries}) == 400
