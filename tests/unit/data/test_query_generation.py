"""The queries against a plain reading of the published protocol."""

import numpy as np
import pytest
from plain_queries import plain_possible, plain_queries

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


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("names", [("style",), ("style", "genre")])
def test_all_queries_that_are_possible_can_be_drawn_and_no_more(monkeypatch, names, strict):
    table, tags = make_table(130, EmptyTags.IN_GENERATION, False)
    tags.query_tags.update(dict.fromkeys(table.keys[:20], "t0,t1,t2,t3,t4,t5,t6,t7,t8,t9,t10,t11,"))
    table.paths[100:] = table.paths[:30]
    monkeypatch.setattr(query_generation, "PATIENCE", 500)
    possible = len(plain_possible(table, tags, names, False, strict))
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
