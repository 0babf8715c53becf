"""The search as a GPU makes it, in rooms of fixed sizes; here without a GPU, where the step is called, not replayed."""

import pytest
import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.model.network import Head
from backward_search.solvers import adam, manifold, recorded
from backward_search.solvers.adam import Adam, backward_search
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.manifold import Manifold, manifold_search

E, CLASSES = 12, (5, 3)
CPU = torch.device("cpu")


@pytest.fixture
def frozen():
    torch.manual_seed(3)
    return FrozenHeads.of([Head(E, k).eval() for k in CLASSES], CPU, torch.float64, temperatures=[0.1, 0.1])


@pytest.fixture
def spread():
    half = torch.randn(E, E, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    return half @ half.T / E


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Take the way of a GPU, and note the sizes of the rooms."""
    sizes = []
    load = recorded._Recording.load

    def noted(self, course, objective, walk, step):
        sizes.append(len(self.walk.row))
        load(self, course, objective, walk, step)

    monkeypatch.setattr(recorded._Recording, "load", noted)

    def on():
        for module in (adam, manifold):
            monkeypatch.setattr(
                module, "is_recorded", lambda objective, _, trace: not trace and hasattr(objective, "recordings")
            )
        return sizes

    return on


def asked(count, seed=5, **parts):
    generator = torch.Generator().manual_seed(seed)
    queries = torch.tanh(torch.randn(count, E, dtype=torch.float64, generator=generator))
    ids = torch.stack([torch.randint(k, (count,), generator=generator) for k in CLASSES], 1)
    plain = Conditions.of_ids(ids, max(CLASSES), torch.float64)
    return queries, Conditions(plain.wanted, **parts)


def same(one, other):
    assert torch.allclose(one.embeddings, other.embeddings, atol=1e-12, equal_nan=True)
    assert torch.allclose(*(each.loss.nan_to_num(posinf=-1, nan=-1) for each in (one, other)), atol=1e-12)
    assert torch.equal(one.steps, other.steps)
    assert torch.equal(one.stopped, other.stopped)
    assert one.stopped_by == other.stopped_by
    assert not one.embeddings.is_inference()


def searches(frozen, spread):
    return {
        "adam": lambda *asked: backward_search(frozen, *asked, Adam(2.0, max_itr=80)),
        "all steps": lambda *asked: backward_search(frozen, *asked, Adam(0.5, max_itr=43, early_stopping=False)),
        "manifold": lambda *asked: manifold_search(frozen, *asked, spread, Manifold(0.4, step=0.2, max_itr=60)),
    }


@pytest.mark.parametrize("name", ["adam", "all steps", "manifold"])
@pytest.mark.parametrize("count", [1, 2, 16, 300])
def test_rooms_of_fixed_sizes_give_what_the_batch_gives(frozen, spread, as_on_a_gpu, name, count):
    search, (queries, conditions) = searches(frozen, spread)[name], asked(count)
    plain = search(queries, conditions)
    sizes = as_on_a_gpu()
    same(search(queries, conditions), plain)
    assert sizes[0] == {1: 16, 2: 16, 16: 16, 300: 512}[count]
    if count == 300 and name != "all steps":
        assert sizes[-1] < 512  # few were left


@pytest.mark.parametrize("name", ["adam", "manifold"])
def test_a_room_keeps_nothing_of_those_before(frozen, spread, as_on_a_gpu, name):
    search = searches(frozen, spread)[name]
    batches = [asked(300, seed=1), asked(290, seed=2), asked(3, seed=3), asked(300, seed=4)]
    batches[0][0][::7] = torch.nan
    plain = [search(*each) for each in batches]
    as_on_a_gpu()
    for each, found in zip(batches, plain, strict=True):
        same(search(*each), found)
    assert len(frozen.recordings._made) <= 4


def test_sets_and_weights_have_rooms_of_their_own(frozen, spread, as_on_a_gpu):
    some = torch.rand(2, 20, generator=torch.Generator().manual_seed(9)) < 0.5
    weight = torch.rand(2, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(10)) + 0.1
    every = [asked(20), asked(20, any_of=some), asked(20, weight=weight), asked(20, any_of=some, weight=weight)]
    search = searches(frozen, spread)["adam"]
    plain = [search(*each) for each in every]
    as_on_a_gpu()
    for each, found in zip(every, plain, strict=True):
        same(search(*each), found)
    assert len(frozen.recordings._made) == len(every)


def test_each_query_may_have_a_lambda_of_its_own(frozen, as_on_a_gpu):
    queries, conditions = asked(20)
    lambdas = torch.linspace(0, 3, 20, dtype=torch.float64)
    plain = backward_search(frozen, queries, conditions, Adam(0.5), lambdas=lambdas)
    as_on_a_gpu()
    same(backward_search(frozen, queries, conditions, Adam(0.5), lambdas=lambdas), plain)


def test_settings_have_recordings_of_their_own(frozen, as_on_a_gpu):
    every = [Adam(0.5, max_itr=20), Adam(0.5, lr=0.1, max_itr=20), Adam(0.5, betas=(0.5, 0.9), max_itr=20)]
    queries, conditions = asked(20)
    plain = [backward_search(frozen, queries, conditions, each) for each in every]
    as_on_a_gpu()
    for each, found in zip(every, plain, strict=True):
        same(backward_search(frozen, queries, conditions, each), found)
    backward_search(frozen, queries, conditions, Adam(2.0, max_itr=20))  # lambda is no part of a recording
    assert len(frozen.recordings._made) == len(every)


def test_recordings_are_few(frozen, as_on_a_gpu, monkeypatch):
    monkeypatch.setattr(recorded, "MOST", 3)
    as_on_a_gpu()
    queries, conditions = asked(20)
    for steps in range(3, 12):
        backward_search(frozen, queries, conditions, Adam(0.5, max_itr=steps))
    assert len(frozen.recordings._made) == 3


def test_a_way_is_told_by_the_plain_loop(frozen, as_on_a_gpu):
    sizes = as_on_a_gpu()
    queries, conditions = asked(20)
    found = backward_search(frozen, queries, conditions, Adam(0.5), trace=True)
    assert isinstance(found.path, Tensor)
    assert not sizes


def test_heads_of_others_are_not_recorded(as_on_a_gpu):
    sizes = as_on_a_gpu()
    queries, _ = asked(20)
    torch.manual_seed(0)
    head = torch.nn.Linear(E, 4, dtype=torch.float64).eval()
    backward_search([head], queries, torch.zeros(20, 1, dtype=torch.int64), Adam(0.5))
    assert not sizes
