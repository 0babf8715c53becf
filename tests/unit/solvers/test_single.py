"""The search of one query by numpy against the search of a batch; a solver takes it for single queries on the CPU."""

import pytest
import torch
from made_heads import all_but_impossible_sets, every_kind_of_condition, frozen, thousand, trained_heads

from backward_search.conditions.batch import as_conditions
from backward_search.solvers import adam as module
from backward_search.solvers.adam import Adam, backward_search
from backward_search.solvers.manifold import Manifold, covariance, manifold_search
from backward_search.solvers.modules import ModuleHeads
from backward_search.solvers.protocol import GivenGround


def search(solver, heads, queries, targets, *, spread=None, lambdas=None, trace=False):
    conditions = as_conditions(targets, heads.classes, queries)
    return solver.search(GivenGround(heads, spread), queries, conditions, knobs=lambdas, trace=trace)


def one_by_one(solver, heads, queries, targets, lambdas=None, spread=None):
    conditions = as_conditions(targets, heads.classes, queries)
    return [
        search(
            *(solver, heads, queries[row], conditions.at(row)),
            spread=spread,
            lambdas=None if lambdas is None else lambdas[row],
        )
        for row in torch.arange(len(queries)).split(1)
    ]


def assert_same(parts, batch, within: float = 1e-9):
    assert (torch.cat([part.embeddings for part in parts]) - batch.embeddings).abs().max() < within
    assert (torch.cat([part.loss for part in parts]) - batch.loss).abs().max() < within
    assert torch.equal(torch.cat([part.steps for part in parts]), batch.steps)
    assert [part.reasons()[0] for part in parts] == batch.reasons()


@pytest.mark.slow
@pytest.mark.parametrize("conditions", [1, 2])
def test_a_thousand_queries_one_by_one_are_those_of_a_batch(conditions):
    heads, queries, targets, lambdas = thousand(conditions)
    batch = backward_search(frozen(heads), queries, targets, Adam(7.0), lambdas=lambdas)
    assert_same(one_by_one(Adam(7.0), frozen(heads), queries, targets, lambdas), batch)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_every_kind_of_condition(early_stopping):
    heads, queries, _, conditions = every_kind_of_condition()
    config = Adam(0.5, early_stopping=early_stopping)
    parts = one_by_one(config, heads, queries, conditions)
    assert_same(parts, backward_search(heads, queries, conditions, config))


@pytest.mark.parametrize(("probability", "step"), [(0.4, 0.4), (0.99, 20.0)])  # the longer, shortened by the loss
def test_the_manifold_solver(probability, step):
    heads, queries, _, conditions = every_kind_of_condition()
    spread, config = covariance(queries), Manifold(probability, step, max_itr=30)
    batch = manifold_search(heads, queries, conditions, spread, config)
    assert 0 < batch.stopped.sum() < len(queries)  # some arrive, some do not
    assert_same(one_by_one(config, heads, queries, conditions, spread=spread), batch)


def test_a_set_that_is_all_but_impossible_is_still_something_to_go_for():
    stacked, queries, conditions = all_but_impossible_sets()
    batch = backward_search(stacked, queries, conditions, Adam(0.5))
    assert batch.loss.isfinite().all()
    assert_same(one_by_one(Adam(0.5), stacked, queries, conditions), batch, within=1e-6)


def test_it_is_taken_where_it_can_be_and_nowhere_else(monkeypatch):
    heads, queries, targets, _ = every_kind_of_condition()
    taken = []
    monkeypatch.setattr(module, "descend_one", lambda *_: taken.append("descend_one"))
    search(Adam(0.5), heads, queries[:2], targets[:2])
    search(Adam(0.5), heads, queries[:1], targets[:1], trace=True)
    search(Adam(0.5), ModuleHeads.of(trained_heads(), queries), queries[:1], targets[:1])
    assert not taken
    search(Adam(0.5), heads, queries[:1], targets[:1])
    assert taken


def test_the_query_itself_is_left_alone():
    heads, queries, targets, _ = every_kind_of_condition()
    before = queries.clone()
    for config, spread in ((Adam(0.1), None), (Manifold(), covariance(queries))):
        search(config, heads, queries[:1], targets[:1], spread=spread).embeddings.zero_()
        assert torch.equal(queries, before)


def test_a_query_without_a_finite_loss_stays_and_says_so():
    heads, queries, targets, _ = every_kind_of_condition()
    unknown = queries[:1] * torch.nan
    assert search(Adam(0.1), heads, unknown, targets[:1]).reasons() == ["no finite loss"]
