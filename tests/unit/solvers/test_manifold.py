"""The manifold solver against a plain loop over one query at a time, under autograd."""

import math

import numpy as np
import pytest
import torch
from made_heads import CLASSES, E, frozen, trained_heads
from plain_search import plain_manifold_search

from backward_search.conditions.batch import Conditions
from backward_search.solvers.manifold import Manifold, covariance, manifold_search


@pytest.fixture
def problem():
    heads = trained_heads()
    for head in heads:
        head[-1].weight.data *= 8  # as sure of themselves as heads that learnt something
    generator = torch.Generator().manual_seed(1)
    embeddings = torch.tanh(torch.randn(40, E, generator=generator, dtype=torch.float64) * torch.linspace(0.1, 2, E))
    targets = torch.stack([torch.randint(k, (12,), generator=generator) for k in CLASSES], dim=1)
    return heads, embeddings[:12], targets, covariance(embeddings)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("probability", [0.5, 0.99])
def test_it_agrees_with_a_plain_loop(problem, count, probability):
    heads, queries, targets, spread = problem
    config = Manifold(probability)
    result = manifold_search(frozen(heads[:count]), queries, targets[:, :count], spread, config)
    assert result.stopped.any()
    for row, query in enumerate(queries):
        kept, steps, met = plain_manifold_search(heads[:count], query, targets[row, :count], spread, probability)
        assert (int(result.steps[row]), bool(result.stopped[row])) == (steps, met)
        assert torch.allclose(result.embeddings[row], kept, atol=1e-8)


def test_each_condition_becomes_as_probable_as_asked(problem):
    heads, queries, targets, spread = problem
    result = manifold_search(frozen(heads), queries, targets, spread, Manifold(0.9))
    log_p = frozen(heads).logits(result.embeddings).log_softmax(2)
    mean = log_p.gather(2, targets.T[..., None]).mean(dim=(0, 2))
    assert (mean[result.stopped] >= math.log(0.9)).all()
    assert [reason == "condition met" for reason in result.reasons()] == result.stopped.tolist()


def test_a_query_that_meets_its_condition_stays(problem):
    heads, queries, targets, spread = problem
    stacked = frozen(heads)
    there = manifold_search(stacked, queries, targets, spread, Manifold(0.9))
    rows = there.stopped
    again = manifold_search(stacked, there.embeddings[rows], targets[rows], spread, Manifold(0.9))
    assert torch.equal(again.embeddings, there.embeddings[rows])
    assert again.steps.tolist() == [1] * len(again.steps)


@pytest.mark.parametrize("size", [1, 5])
def test_the_batch_does_not_matter(problem, size):
    heads, queries, targets, spread = problem
    config = Manifold(0.95)
    whole = manifold_search(frozen(heads), queries, targets, spread, config)
    parts = [
        manifold_search(frozen(heads), queries[i : i + size], targets[i : i + size], spread, config)
        for i in range(0, len(queries), size)
    ]
    assert torch.allclose(torch.cat([part.embeddings for part in parts]), whole.embeddings, atol=1e-10)
    assert torch.equal(torch.cat([part.steps for part in parts]), whole.steps)


def test_a_mixture_is_met_once_it_is_as_near_as_a_class_would_be(problem):
    heads, queries, _, spread = problem
    wanted = torch.zeros(1, len(queries), CLASSES[0], dtype=torch.float64)
    wanted[..., 0], wanted[..., 1] = 0.7, 0.3
    config = Manifold(0.9, max_itr=200)
    result = manifold_search(frozen(heads[:1]), queries, Conditions(wanted), spread, config)
    p = frozen(heads[:1]).logits(result.embeddings).softmax(2)[0]
    divergence = 0.7 * (0.7 / p[:, 0]).log() + 0.3 * (0.3 / p[:, 1]).log()
    assert result.stopped.any()
    assert (divergence[result.stopped] <= -math.log(0.9) + 1e-9).all()


def test_not_a_class_is_met_by_all_the_others(problem):
    heads, queries, _, spread = problem
    own = frozen(heads[:1]).logits(queries)[0].argmax(1)
    others = 1 - torch.nn.functional.one_hot(own, CLASSES[0]).double()
    conditions = Conditions(others[None], any_of=torch.ones(1, len(queries), dtype=torch.bool))
    result = manifold_search(frozen(heads[:1]), queries, conditions, spread, Manifold(0.9))
    p = frozen(heads[:1]).logits(result.embeddings).softmax(2)[0]
    unwanted = p.gather(1, own[:, None])[:, 0]
    assert result.stopped.all()
    assert (unwanted <= 0.1 + 1e-9).all()


def test_an_attribute_of_weight_0_is_left_out(problem):
    heads, queries, targets, spread = problem
    wanted = Conditions.of_ids(targets, max(CLASSES), torch.float64).wanted
    weight = torch.tensor([[1.0], [0.0], [2.0]], dtype=torch.float64).repeat(1, len(queries))
    with_it = manifold_search(frozen(heads), queries, Conditions(wanted, weight=weight), spread, Manifold())
    some = Conditions(wanted[[0, 2]], weight=weight[[0, 2]])
    without = manifold_search(frozen([heads[0], heads[2]]), queries, some, spread, Manifold())
    assert torch.allclose(with_it.embeddings, without.embeddings, atol=1e-8)


def test_few_or_redundant_embeddings_still_give_directions(problem):
    heads, queries, targets, _ = problem
    few = queries[:5].clone()
    few[:, 1] = few[:, 0]  # fewer than E, and two dimensions that say the same
    spread = covariance(few)
    assert torch.linalg.eigvalsh(spread).min() > 0
    result = manifold_search(frozen(heads), queries, targets, spread, Manifold(0.7))
    assert result.embeddings.isfinite().all()
    assert result.stopped.any()


def test_a_direction_without_any_spread_is_not_taken(problem):
    heads, queries, targets, spread = problem
    spread = spread.clone()
    spread[0], spread[:, 0] = 0, 0
    result = manifold_search(frozen(heads), queries, targets, spread, Manifold(0.9))
    assert torch.equal(result.embeddings[:, 0], queries[:, 0])
    assert result.steps.max() > 1
    nowhere = manifold_search(frozen(heads), queries, targets, torch.zeros_like(spread), Manifold(0.9))
    assert torch.equal(nowhere.embeddings, queries)


def test_embeddings_that_do_not_differ_are_refused():
    with pytest.raises(ValueError, match="do not differ"):
        covariance(torch.ones(1, E))


def test_the_shrinkage_is_that_of_the_formula():
    x = np.random.default_rng(0).normal(size=(30, 6)) @ np.diag([1, 2, 3, 1, 1, 0.1])
    x -= x.mean(0)
    sample, count = x.T @ x / 30, 30
    mu = np.trace(sample) / 6
    away = ((sample - mu * np.eye(6)) ** 2).sum()
    noise = sum(((np.outer(row, row) - sample) ** 2).sum() for row in x) / count**2
    share = min(noise / away, 1)
    expected = (1 - share) * sample + share * mu * np.eye(6)
    assert np.allclose(covariance(torch.from_numpy(x)).numpy(), expected)


def test_the_path_starts_at_the_query_and_ends_at_the_answer(problem):
    heads, queries, targets, spread = problem
    result = manifold_search(frozen(heads), queries, targets, spread, Manifold(0.9), trace=True)
    assert torch.equal(result.path[:, 0], queries)
    assert torch.equal(result.path[result.stopped, -1], result.embeddings[result.stopped])
    counted = result.losses.isfinite().sum(1)
    assert torch.equal(counted, result.steps)


def test_impossible_settings_are_refused():
    for settings in ({"target_probability": 1.0}, {"max_itr": 0}, {"step": 0.0}):
        with pytest.raises(ValueError, match=r"expected|positive"):
            Manifold(**settings)
