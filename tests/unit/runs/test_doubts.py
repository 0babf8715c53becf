"""Of which of the classes asked for it is said that the head hardly knows them."""

from types import SimpleNamespace

import numpy as np
import torch

from backward_search.conditions.batch import Conditions
from backward_search.conditions.language import parse_condition
from backward_search.errors import MissingError
from backward_search.runs.doubts import MOST, doubts, warn_of
from backward_search.runs.task import Task
from backward_search.storage.paths import DataPaths
from backward_search.training.recognition import Recognition

CLASSES = {"style": [f"s{i}" for i in range(10)], "genre": ["few", "good", "poor"]}
KNOWN = {
    "style": {f"s{i}": Recognition(f"s{i}", 20, i, i) for i in range(10)},
    "genre": {
        "few": Recognition("few", 4, 0, 0),
        "good": Recognition("good", 8, 4, 4),
        "poor": Recognition("poor", 9, 0, 0),
    },
}


def task(*conditions: str, recognised=lambda name: KNOWN[name]) -> Task:
    clauses = [parse_condition(text, CLASSES) for text in conditions]
    run = SimpleNamespace(data=DataPaths.of("nowhere", "none"))
    source = SimpleNamespace(split="test", recognised=recognised, run=run, table=SimpleNamespace(keys=[]))
    names = tuple(clauses[0])
    wanted = Conditions(torch.zeros(len(names), len(clauses), 10))
    return Task(source, names, [], np.zeros(len(clauses), int), clauses, wanted)


def named(task: Task, places=None) -> list[str]:
    return [f"{name} {one.label}" for name, one in doubts(task, places)]


def test_what_is_asked_for_positively_counts():
    assert named(task("style=s3|s1; genre=good")) == ["style s1", "style s3"]
    assert named(task("style=0.5*s4+0.5*s2:3")) == ["style s2", "style s4"]
    assert named(task("style!=s9; genre!=good")) == []
    assert named(task("genre!=good|few")) == ["genre poor"]  # what is left is a single class
    assert named(task("genre=few")) == []
    assert named(task("genre=good")) == []  # half of them is not fewer


def test_the_worst_of_all_attributes_come_first_and_each_once():
    every = task("style=s2; genre=poor", "style=s0; genre=poor", "style=s2; genre=good")
    assert named(every) == ["style s0", "genre poor", "style s2"]  # of equals that of more images
    assert named(every, [2]) == ["style s2"]


def test_five_are_named_and_the_others_counted(caplog):
    warn_of(task(*(f"style=s{i}" for i in range(8))))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == MOST + 1 == 6
    assert (
        said[1]
        == "style: the head recognises s1 in 1 of its 20 images (5 %): expect few hits to meet a condition on it"
    )
    assert said[-1] == "so it is with 3 more of the classes asked for: fewer than half of their images"
    caplog.clear()
    warn_of(task(*(f"style=s{i}" for i in range(5))))
    assert len(caplog.records) == 5


def test_logits_that_cannot_be_read_are_no_error(caplog):
    def recognised(name):
        raise MissingError("test-logits-style.npy does not exist")

    caplog.set_level("INFO")
    assert named(task("style=s0", recognised=recognised)) == []
    assert "is not known: test-logits-style.npy does not exist" in caplog.text
