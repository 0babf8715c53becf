"""The compiled search of one query against the search of a batch."""

import pytest
import torch
from made_heads import CLASSES, E, frozen, trained_heads

from backward_search.search.backward import SearchConfig, backward_search
from backward_search.search.compiled import HAS_NUMBA, CompiledManifold, CompiledSearch
from backward_search.search.conditions import Conditions
from backward_search.search.manifold import ManifoldConfig, covariance, manifold_search

pytestmark = pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed (requirements-fast.txt)")
COUNT = 60


def problem():
    heads = frozen(trained_heads())
    generator = torch.Generator().manual_seed(2)
    queries = torch.tanh(torch.randn(COUNT, E, generator=generator, dtype=torch.float64))
    targets = torch.stack([torch.randint(k, (COUNT,), generator=generator) for k in CLASSES], dim=1)
    wanted = Conditions.of_ids(targets, heads.classes, torch.float64).wanted
    wanted[0, ::2] = 1 - wanted[0, ::2]
    any_of = torch.zeros(3, COUNT, dtype=torch.bool)
    any_of[0, ::2] = True
    conditions = Conditions(wanted, any_of, torch.rand(3, COUNT, generator=generator, dtype=torch.float64))
    return heads, queries, targets, conditions


@pytest.mark.parametrize("early_stopping", [True, False])
def test_it_makes_the_same_steps(early_stopping):
    heads, queries, targets, conditions = problem()
    config = SearchConfig(0.5, early_stopping=early_stopping)
    batch, single = backward_search(heads, queries, conditions, config), CompiledSearch(heads)
    for row in range(COUNT):
        found = single(queries[row : row + 1], conditions.at(torch.tensor([row])), config)
        assert int(found.steps) == int(batch.steps[row])
        assert bool(found.stopped) == bool(batch.stopped[row])
        assert torch.allclose(found.loss, batch.loss[row], atol=1e-9)
        assert torch.allclose(found.embeddings[0], batch.embeddings[row], atol=1e-6)
    assert torch.equal(
        single(queries[:1], targets[:1], config).steps, backward_search(heads, queries[:1], targets[:1], config).steps
    )


def test_the_manifold_solver_makes_the_same_steps():
    heads, queries, targets, conditions = problem()
    spread, config = covariance(queries), ManifoldConfig(0.4, max_itr=30)
    batch, single = manifold_search(heads, queries, conditions, spread, config), CompiledManifold(heads, spread)
    assert 0 < batch.stopped.sum() < COUNT  # some arrive, some do not
    for row in range(COUNT):
        found = single(queries[row : row + 1], conditions.at(torch.tensor([row])), config)
        assert int(found.steps) == int(batch.steps[row])
        assert found.reasons() == [batch.reasons()[row]]
        assert torch.allclose(found.loss, batch.loss[row], atol=1e-9)
        assert torch.allclose(found.embeddings[0], batch.embeddings[row], atol=1e-6)
    plain = manifold_search(heads, queries[:1], targets[:1], spread, config)
    assert torch.allclose(single(queries[:1], targets[:1], config).embeddings, plain.embeddings)
