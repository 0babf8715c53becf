"""Tables of any labels, paths and tags: what is written is what is read; and the strings of tags."""

import dataclasses
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from nasty import texts, words

from backward_search.data.prepared import load_table, load_tags
from backward_search.data.registry import DatasetEntry
from backward_search.data.spellings import bare, lettered, match, unescaped
from backward_search.data.tables import Samples, key_of, with_class, write_tables
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import DataPaths

ATTRIBUTES = ("style", "a b", "Größe")
NO_RETURN = texts().map(lambda text: text.replace("\r", ""))
FILES = texts(1).map(lambda name: name.translate(dict.fromkeys(map(ord, "/\\\r"), "_")))


@st.composite
def samples(draw):
    """What a reader could make of a few images, each in one of the splits."""
    names = draw(st.lists(st.tuples(FILES, FILES), min_size=2, max_size=8, unique=True))
    count = len(names)

    def of_each(values):
        """A value for each image."""
        return draw(st.lists(values, min_size=count, max_size=count))

    known = {name: draw(st.lists(words(), min_size=1, max_size=4, unique=True)) for name in ATTRIBUTES}
    train = draw(st.integers(1, count - 1))
    order = draw(st.permutations(range(count)))
    return Samples(
        paths=[f"./data/toy/images/{folder}/{file}" for folder, file in names],
        labels={name: of_each(st.sampled_from(labels)) for name, labels in known.items()},
        splits={"train": order[:train], "test": order[train:]},
        tags=of_each(NO_RETURN) if draw(st.booleans()) else None,
        groups=of_each(NO_RETURN) if draw(st.booleans()) else None,
        captions=of_each(NO_RETURN) if draw(st.booleans()) else None,
        further_classes={"style": draw(st.lists(words(), max_size=2))},
    )


def entry() -> DatasetEntry:
    return DatasetEntry("toy", {"all": ATTRIBUTES})


def prepared(paths: DataPaths, made: Samples) -> None:
    """The tables as A1 leaves them."""
    stage = Stage("A1", paths.manifest("A1"), {}, {}, [])
    stage.outputs = write_tables(paths, made)
    stage.finish()


@given(samples())
def test_what_is_written_is_what_is_read(made):
    with tempfile.TemporaryDirectory() as folder:
        paths = DataPaths(Path(folder), "toy")
        prepared(paths, made)
        tables, tags = {split: load_table(paths, entry(), split) for split in made.splits}, load_tags(paths)
    for split, rows in made.splits.items():
        assert tables[split].paths == [made.paths[row] for row in rows]
        for name in ATTRIBUTES:
            assert tables[split].labels(name) == [made.labels[name][row] for row in rows]
    assert set(made.further_classes["style"]) <= set(tables["test"].classes["style"])
    keys = [key_of(path) for path in made.paths]
    for found, given_ in ((tags.tags, made.tags), (tags.groups, made.groups), (tags.captions, made.captions)):
        assert found == ({} if given_ is None else dict(zip(keys, given_, strict=True)))
    assert tags.query_tags == tags.tags


@given(samples(), st.data())
def test_query_tags_are_kept_beside_tags(made, data):
    count = len(made.paths)
    different = [data.draw(st.lists(NO_RETURN, min_size=count, max_size=count)) for _ in range(2)]
    made = dataclasses.replace(made, tags=different[0], query_tags=different[1])
    with tempfile.TemporaryDirectory() as folder:
        paths = DataPaths(Path(folder), "toy")
        prepared(paths, made)
        found = load_tags(paths)
    assert [list(found.tags.values()), list(found.query_tags.values())] == different


@given(st.lists(words().map(lambda tag: tag.replace(",", ";")), max_size=4), words())
def test_the_class_is_the_last_tag(tags, label):
    plain, of_queries = with_class(",".join(tags), label)
    own = [tag for tag in label.split(",") if tag]
    assert plain.split(",") == [*tags, *own] if own or tags else plain == ""
    assert of_queries == ",".join([*(tags or [""]), label])


SPELLINGS = st.text("aAé\u0301_-. /#Ue9ñ", min_size=1, max_size=6) | words(most=6)


@given(st.lists(SPELLINGS, max_size=6, unique=True), st.sets(SPELLINGS, max_size=8))
@example(["Caf#U00e9", "b_c"], {"café", "bc"})
def test_a_name_is_found_once_under_a_spelling_or_not_at_all(names, there):
    found = match(names, there)
    assert set(found) <= set(names)
    assert set(found.values()) <= there
    assert len(set(found.values())) == len(found)
    assert all(found[name] == name for name in names if name in there)
    for name, own in found.items():
        assert name == own or any(spelling(name) == spelling(own) for spelling in (unescaped, bare, lettered))
    assert match(names[::-1], there) == found
