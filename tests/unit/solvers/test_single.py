"""The search of one query by numpy against the search of a batch; `Teacher` takes it for single queries on the CPU."""

import pytest
import torch
from made_heads import all_but_impossible_sets, every_kind_of_condition, frozen, thousand, trained_heads

from backward_search.solvers import teacher as module
from backward_search.solvers.adam import SearchConfig, backward_search
from backward_search.solvers.manifold import ManifoldConfig, covariance, manifold_search
from backward_search.solvers.teacher import Teacher


def one_by_one(teacher: Teacher, queries, targets, lambdas=None):
    rows = torch.arange(len(queries)).split(1)
    some = [targets[row] if isinstance(targets, torch.Tensor) else targets.at(row) for row in rows]
    strengths = [None if lambdas is None else lambdas[row] for row in rows]
    return [
        teacher.search(queries[row], wanted, lambdas=lambda_)
        for row, wanted, lambda_ in zip(rows, some, strengths, strict=True)
    ]


def assert_same(parts, batch, within: float = 1e-9):
    assert (torch.cat([part.embeddings for part in parts]) - batch.embeddings).abs().max() < within
    assert (torch.cat([part.loss for part in parts]) - batch.loss).abs().max() < within
    assert torch.equal(torch.cat([part.steps for part in parts]), batch.steps)
    assert [part.reasons()[0] for part in parts] == batch.reasons()


@pytest.mark.parametrize("conditions", [1, 2])
def test_a_thousand_queries_one_by_one_are_those_of_a_batch(conditions):
    heads, queries, targets, lambdas = thousand(conditions)
    batch = backward_search(frozen(heads), queries, targets, SearchConfig(7.0), lambdas=lambdas)
    assert_same(one_by_one(Teacher(frozen(heads), SearchConfig(7.0)), queries, targets, lambdas), batch)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_every_kind_of_condition(early_stopping):
    heads, queries, _, conditions = every_kind_of_condition()
    config = SearchConfig(0.5, early_stopping=early_stopping)
    parts = one_by_one(Teacher(heads, config), queries, conditions)
    assert_same(parts, backward_search(heads, queries, conditions, config))


@pytest.mark.parametrize(("probability", "step"), [(0.4, 0.4), (0.99, 20.0)])  # the longer, shortened by the loss
def test_the_manifold_solver(probability, step):
    heads, queries, _, conditions = every_kind_of_condition()
    spread, config = covariance(queries), ManifoldConfig(probability, step, max_itr=30)
    batch = manifold_search(heads, queries, conditions, spread, config)
    assert 0 < batch.stopped.sum() < len(queries)  # some arrive, some do not
    assert_same(one_by_one(Teacher(heads, config, spread), queries, conditions), batch)


def test_a_set_that_is_all_but_impossible_is_still_something_to_go_for():
    stacked, queries, conditions = all_but_impossible_sets()
    batch = backward_search(stacked, queries, conditions, SearchConfig(0.5))
    assert batch.loss.isfinite().all()
    assert_same(one_by_one(Teacher(stacked, SearchConfig(0.5)), queries, conditions), batch, within=1e-6)


def test_it_is_taken_where_it_can_be_and_nowhere_else(monkeypatch):
    heads, queries, targets, _ = every_kind_of_condition()
    taken = []
    monkeypatch.setattr(module, "search_one", lambda *_: taken.append("search_one"))
    teacher = Teacher(heads, SearchConfig(0.5))
    teacher.search(queries[:2], targets[:2])
    teacher.search(queries[:1], targets[:1], trace=True)
    Teacher(trained_heads(), SearchConfig(0.5)).search(queries[:1], targets[:1])
    assert not taken
    teacher.search(queries[:1], targets[:1])
    assert taken


def test_the_query_itself_is_left_alone():
    heads, queries, targets, _ = every_kind_of_condition()
    before = queries.clone()
    for config, spread in ((SearchConfig(0.1), None), (ManifoldConfig(), covariance(queries))):
        Teacher(heads, config, spread).search(queries[:1], targets[:1]).embeddings.zero_()
        assert torch.equal(queries, before)


def test_a_query_without_a_finite_loss_stays_and_says_so():
    heads, queries, targets, _ = every_kind_of_condition()
    unknown = queries[:1] * torch.nan
    assert Teacher(heads, SearchConfig(0.1)).search(unknown, targets[:1]).reasons() == ["no finite loss"]
