"""The ways on the map: they begin at the query and end at the teacher's answer."""

import importlib.util

import numpy as np
import pytest
import torch
from made_heads import CLASSES, E, trained_heads

from backward_search.conditions.batch import Conditions
from backward_search.drawing.walks import SPOTS, flattened, spots, stops, walks
from backward_search.errors import OptionError
from backward_search.library.memory import MemorySource
from backward_search.methods.assembler import Assembler
from backward_search.methods.config import AnswerConfig
from backward_search.solvers.adam import Adam


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    head = trained_heads()[0].float()
    return Assembler(MemorySource({"a": head}, {"a": [str(i) for i in range(CLASSES[0])]}, torch.randn(50, E)))


def config(lambda_=0.5, early=True):
    return AnswerConfig(Adam(lambda_, max_itr=40, early_stopping=early))


TARGET = Conditions.of_ids(torch.tensor([[1]]), CLASSES[0], torch.float32)


@pytest.mark.parametrize("early", [True, False])
def test_a_way_ends_where_the_teacher_does(teacher, early):
    query = torch.tanh(torch.randn(1, E))
    for walk in walks(teacher, ["a"], query, TARGET, config(early=early), [0.1, 0.5, 3]):
        answer = teacher.answer("teacher", ["a"], query, TARGET, config(walk.strength, early), 5)
        assert torch.equal(walk.points[0], query[0])
        assert torch.equal(teacher.source.gallery.search(walk.points[-1:], 5).rows, answer.hits.rows)
        assert 0 < walk.steps <= int(answer.moved.steps[0])


def test_a_larger_lambda_stays_closer(teacher):
    query = torch.tanh(torch.randn(1, E))
    ends = [walk.points[-1] for walk in walks(teacher, ["a"], query, TARGET, config(), [0.01, 1, 30])]
    distances = [float((end - query[0]).abs().mean()) for end in ends]
    assert distances[0] > distances[1] > distances[2]


@pytest.mark.parametrize(
    ("steps", "rows", "expected"), [(1, 3, [0, 1]), (20, 1, [20]), (9, 4, [0, 3, 6, 9]), (0, 3, [0])]
)
def test_the_stops_are_the_first_the_last_and_some_between(steps, rows, expected):
    assert stops(steps, rows) == expected


@pytest.mark.parametrize("how", ["pca", "tsne"])
def test_clusters_stay_apart_on_the_map_and_a_way_leads_from_one_to_the_other(how):
    torch.manual_seed(0)
    centres = torch.eye(3, E) * 8
    vectors = (centres[:, None] + 0.2 * torch.randn(3, 30, E)).flatten(0, 1)
    way = torch.stack([vectors[0], (vectors[0] + vectors[30]) / 2, vectors[30]])
    flat, (line,) = flattened(vectors, [way], how, 0)
    middle = flat.reshape(3, 30, 2).mean(1)
    inside = np.linalg.norm(flat.reshape(3, 30, 2) - middle[:, None], axis=2).mean()
    assert np.linalg.norm(middle[0] - middle[1]) > 3 * inside
    assert np.linalg.norm(line[0] - middle[0]) < 3 * inside
    assert np.linalg.norm(line[-1] - middle[1]) < 3 * inside


@pytest.mark.skipif(importlib.util.find_spec("umap") is not None, reason="UMAP is installed")
def test_a_map_without_its_package_says_what_to_install():
    with pytest.raises(OptionError, match="pip install umap-learn"):
        flattened(torch.randn(20, E), [], "umap", 0)


def test_the_map_shows_the_two_classes_before_others():
    first = np.zeros(3 * SPOTS, bool)
    first[::7] = True
    chosen = spots(first, len(first), 0)
    assert len(chosen) == SPOTS
    assert np.isin(np.flatnonzero(first), chosen).all()
