"""What is said for a hit: that it meets the condition, and what it shares with the query apart from that."""

from types import SimpleNamespace

import numpy as np

from backward_search.conditions.batch import Conditions
from backward_search.conditions.language import parse_condition
from backward_search.data.tables import Table, Tags
from backward_search.runs.evidence import meets, shared, traits, twins
from backward_search.runs.task import Task

CLASSES = {"style": ["Art_Nouveau", "Baroque"], "colour": ["blue", "red"], "size": ["large", "small"]}
IDS = {"style": [0, 1, 1, 0], "colour": [0, 0, 1, 0], "size": [1, 1, 0, 0]}
TAGS = ("oil,art nouveau,red,boat", "boat,oil,baroque", "red,baroque,oil", "")
HITS = np.array([[1, 2, 3], [1, 0, 2]])


def task(*conditions: str, tags=TAGS, groups=()) -> Task:
    """Queries 0 and 1 of four images."""
    clauses = [parse_condition(text, CLASSES) for text in conditions or ("style=Baroque", "style=Art_Nouveau")]
    names = tuple(clauses[0])
    paths = [f"./images/folder/{number}.png" for number in range(4)]
    keys = [f"folder/{number}.png" for number in range(4)]
    table = Table(None, "test", paths, {name: np.array(ids) for name, ids in IDS.items()}, CLASSES)
    kept = dict(zip(keys, tags, strict=False))
    source = SimpleNamespace(table=table, tags=Tags(kept, kept, dict(zip(keys, groups, strict=False))))
    return Task(
        source,
        names,
        [],
        np.arange(len(clauses)),
        clauses,
        Conditions.of(clauses, {name: CLASSES[name] for name in names}),
    )


def test_a_hit_meets_what_its_labels_say():
    assert meets(task(), HITS).tolist() == [[True, True, False], [False, True, False]]
    both = task("style=Baroque; colour=red", "style!=Baroque; colour=blue")
    assert meets(both, HITS).tolist() == [[False, True, False], [False, True, False]]
    mixed = task("style=0.2*Baroque+0.8*Art_Nouveau", "style=Baroque")
    assert meets(mixed, HITS)[0].all()


def test_tags_are_shared_but_for_names_of_the_conditioned_labels():
    assert traits(task(), [0, 1]) == [{"oil", "red", "boat"}, {"boat", "oil"}]
    assert shared(task(), [0, 1], HITS) == [
        [("boat", "oil"), ("oil", "red"), ()],
        [("boat", "oil"), ("boat", "oil"), ("oil",)],
    ]
    colour = task("colour=red", "colour=red")
    assert shared(colour, [0, 1], HITS) == [
        [("boat", "oil"), ("oil",), ()],
        [("baroque", "boat", "oil"), ("boat", "oil"), ("baroque", "oil")],
    ]
    assert shared(task(), [1], HITS[1:], conditioned=()) == [
        [("baroque", "boat", "oil"), ("boat", "oil"), ("baroque", "oil")]
    ]


def test_without_tags_equal_labels_of_the_other_attributes_are_shared():
    plain = task(tags=())
    assert shared(plain, [0, 1], HITS) == [
        [("colour=blue", "size=small"), (), ("colour=blue",)],
        [("colour=blue", "size=small"), ("colour=blue", "size=small"), ()],
    ]
    assert traits(plain, [0]) == [{"colour=blue", "size=small"}]
    everything = task("style=Baroque; colour=red; size=small", tags=())
    assert shared(everything, [0], HITS[:1]) == [[(), (), ()]]


def test_twins_show_what_the_query_shows():
    assert twins(task(), [0, 1], HITS) is None
    grouped = task(groups="abab")
    assert twins(grouped, [0, 1], HITS).tolist() == [[False, True, False], [True, False, False]]


def test_with_an_image_from_outside_nothing_is_shared():
    grouped = task(groups="abab")
    assert traits(grouped, [-1]) == [set()]
    assert shared(grouped, [-1], HITS[:1]) == [[(), (), ()]]
    assert not twins(grouped, [-1], HITS[:1]).any()
