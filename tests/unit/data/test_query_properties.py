"""Queries of tables and tags of any kind against the published protocol, read as it is written."""

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from nasty import texts
from plain_queries import plain_possible, plain_queries

from backward_search.data import query_generation
from backward_search.data.query_generation import QueryGenerator
from backward_search.data.registry import DatasetEntry, EmptyTags
from backward_search.data.tables import Table, Tags, key_of
from backward_search.errors import TooFewQueriesError

CLASSES = {"style": ["", "NA", "a|b"], "genre": ["x", "x,y"]}
WORDS = st.integers(2, 14)
STRINGS = st.one_of(
    st.sampled_from(("", ",", ",,", "a", ",a", "a,", "a,b", "b,a,c", "a,,b", "d,e,f,g,h,i,j,k,l,m,n", "日本,a")),
    st.lists(st.sampled_from("abcdefgh"), max_size=4).map(",".join),
    texts(),
)


@pytest.fixture(autouse=True)
def little_patience(monkeypatch):
    monkeypatch.setattr(query_generation, "PATIENCE", 300)


def some_tags(rng, words):
    """Strings of a few words of some, here and there with an empty piece; any two share more or less."""
    most = rng.integers(1, words + 1)
    chosen = [rng.choice(words, size=rng.integers(0, most + 1), replace=False) for _ in range(60)]
    ends = ("", ",")[rng.integers(2) :]  # of half the sets always a comma, which makes an empty piece
    return [f"{rng.choice(ends)}{','.join(map(str, each.tolist()))}{rng.choice(ends)}" for each in chosen]


@st.composite
def tasks(draw):
    """A table with its tags, and the conditioned attributes."""
    count = draw(st.integers(11, 36))
    entry = DatasetEntry(
        "toy",
        {"all": tuple(CLASSES)},
        empty_tags=draw(st.sampled_from(EmptyTags)),
        discard_first_draw=draw(st.booleans()),
    )
    rng = np.random.default_rng(draw(st.integers(0, 999)))  # hundreds of numbers drawn one by one take too long
    used = {name: draw(st.integers(1, len(labels))) for name, labels in CLASSES.items()}
    ids = {name: rng.integers(most, size=count) for name, most in used.items()}
    twice = draw(st.integers(0, 3))
    paths = [f"./data/toy/images/f/{max(row - twice, 0) if row < 6 else row}.jpg" for row in range(count)]
    strings = draw(st.lists(STRINGS, min_size=1, max_size=6)) if draw(st.booleans()) else some_tags(rng, draw(WORDS))
    by_key = {key_of(path): strings[rng.integers(len(strings))] for path in paths}
    names = draw(st.sampled_from((("style",), ("genre",), ("genre", "style"))))
    return Table(entry, "test", paths, ids, CLASSES), Tags(by_key, by_key, {}), names


@given(tasks(), st.booleans(), st.data())
def test_queries_are_the_published_ones_and_all_that_there_are(task, strict, data):
    table, tags, names = task
    stripped = table.entry.empty_tags is EmptyTags.OF_THE_QUERY
    possible = plain_possible(table, tags, names, stripped, strict)
    most = min(len(possible), 60)
    count = data.draw(st.one_of(st.integers(1, most or 1), st.sampled_from((most or 1, len(possible) + 1))))
    generator = QueryGenerator(table, tags, names, strict=strict)
    event("refused" if count > len(possible) else "drawn")
    if count > len(possible):
        with pytest.raises(TooFewQueriesError, match="at most") as refusal:
            generator.draw(count)
        assert len(possible) <= refusal.value.possible < count
        return
    found = generator.draw(count)
    number = {name: {label: i for i, label in enumerate(table.classes[name])} for name in names}
    drawn = [(query.candidate, tuple(number[name][query.condition[name]] for name in names)) for query in found]
    assert len(set(drawn)) == count
    assert set(drawn) <= possible
    assert drawn == plain_queries(table, tags, names, count, stripped, strict)
    assert [query.candidate_tags for query in found] == [tags.query_tags[query.candidate] for query in found]
