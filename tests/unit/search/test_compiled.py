"""The compiled search of one query against the search of a batch."""

import pytest
import torch
from made_heads import all_but_impossible_sets, every_kind_of_condition

from backward_search.search.backward import SearchConfig, backward_search
from backward_search.search.compiled import HAS_NUMBA, CompiledManifold, CompiledSearch
from backward_search.search.manifold import ManifoldConfig, covariance, manifold_search

pytestmark = pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed (requirements-fast.txt)")


@pytest.mark.parametrize("early_stopping", [True, False])
def test_it_makes_the_same_steps(early_stopping):
    heads, queries, targets, conditions = every_kind_of_condition()
    config = SearchConfig(0.5, early_stopping=early_stopping)
    batch, single = backward_search(heads, queries, conditions, config), CompiledSearch(heads)
    for row in range(len(queries)):
        found = single(queries[row : row + 1], conditions.at(torch.tensor([row])), config)
        assert int(found.steps) == int(batch.steps[row])
        assert bool(found.stopped) == bool(batch.stopped[row])
        assert torch.allclose(found.loss, batch.loss[row], atol=1e-9)
        assert torch.allclose(found.embeddings[0], batch.embeddings[row], atol=1e-6)
    assert torch.equal(
        single(queries[:1], targets[:1], config).steps, backward_search(heads, queries[:1], targets[:1], config).steps
    )


def test_the_manifold_solver_makes_the_same_steps():
    heads, queries, targets, conditions = every_kind_of_condition()
    spread, config = covariance(queries), ManifoldConfig(0.4, max_itr=30)
    batch, single = manifold_search(heads, queries, conditions, spread, config), CompiledManifold(heads, spread)
    assert 0 < batch.stopped.sum() < len(queries)  # some arrive, some do not
    for row in range(len(queries)):
        found = single(queries[row : row + 1], conditions.at(torch.tensor([row])), config)
        assert int(found.steps) == int(batch.steps[row])
        assert found.reasons() == [batch.reasons()[row]]
        assert torch.allclose(found.loss, batch.loss[row], atol=1e-9)
        assert torch.allclose(found.embeddings[0], batch.embeddings[row], atol=1e-6)
    plain = manifold_search(heads, queries[:1], targets[:1], spread, config)
    assert torch.allclose(single(queries[:1], targets[:1], config).embeddings, plain.embeddings)


def test_a_set_that_is_all_but_impossible_is_still_something_to_go_for():
    heads, queries, conditions = all_but_impossible_sets()
    batch, single = backward_search(heads, queries, conditions, SearchConfig(0.5)), CompiledSearch(heads)
    for row in range(len(queries)):
        found = single(queries[row : row + 1], conditions.at(torch.tensor([row])), SearchConfig(0.5))
        assert int(found.steps) == int(batch.steps[row])
        assert torch.allclose(found.loss, batch.loss[row], atol=1e-6)
