"""The search against a plain loop over one query at a time, written from the description, under autograd."""

import numpy as np
import pytest
import torch
from made_heads import CLASSES, E, frozen, thousand, trained_heads
from plain_search import plain_searches
from torch import Tensor, nn

from backward_search.conditions.batch import Conditions
from backward_search.evaluation import metrics
from backward_search.gallery.memory import Gallery
from backward_search.model.network import Head
from backward_search.solvers.adam import Adam, backward_search
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.protocol import GivenGround


def plain_search(heads: list[Head], z0: Tensor, y: list[int], config: Adam) -> tuple[Tensor, int]:
    z = z0.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=config.lr)
    best, failures, kept = float("inf"), 0, z0
    for step in range(1, config.max_itr + 1):
        adam.zero_grad()
        losses = [
            nn.functional.cross_entropy(head(z[None]), torch.tensor([k])) for head, k in zip(heads, y, strict=True)
        ]
        loss = sum(losses) / len(losses) + config.lambda_ * (z - z0).abs().mean()
        loss.backward()
        adam.step()
        if not config.early_stopping:
            kept = z.detach().clone()
            continue
        if loss.item() <= best:
            best, failures, kept = loss.item(), 0, z.detach().clone()
        else:
            failures += 1
        if failures > 10:
            return kept, step
    return kept, config.max_itr


@pytest.fixture
def problem():
    heads = trained_heads()
    generator = torch.Generator().manual_seed(1)
    queries = torch.tanh(torch.randn(12, E, generator=generator, dtype=torch.float64))
    targets = torch.stack([torch.randint(k, (12,), generator=generator) for k in CLASSES], dim=1)
    return heads, queries, targets


@pytest.mark.parametrize("conditions", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("lambda_", [0.1, 3.2])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_it_agrees_with_a_plain_loop_over_single_queries(problem, conditions, lambda_, early_stopping):
    heads, queries, targets = problem
    config = Adam(lambda_, early_stopping=early_stopping)
    result = backward_search(frozen(heads[:conditions]), queries, targets[:, :conditions], config)
    for row in range(len(queries)):
        kept, steps = plain_search(heads[:conditions], queries[row], targets[row, :conditions].tolist(), config)
        assert int(result.steps[row]) == steps
        assert torch.allclose(result.embeddings[row], kept, atol=1e-6)


def test_some_queries_stop_early_and_some_do_not(problem):
    heads, queries, targets = problem
    steps = backward_search(frozen(heads[:1]), queries, targets[:, :1], Adam(0.5)).steps
    assert steps.min() < 100
    assert steps.max() == 100


def test_it_does_not_depend_on_how_the_batch_is_split(problem):
    heads, queries, targets = problem
    whole = backward_search(frozen(heads), queries, targets, Adam(1.1))
    for size in (1, 5, 11):
        parts = [
            backward_search(frozen(heads), queries[i : i + size], targets[i : i + size], Adam(1.1))
            for i in range(0, len(queries), size)
        ]
        assert torch.allclose(torch.cat([part.embeddings for part in parts]), whole.embeddings, atol=1e-9)
        assert torch.equal(torch.cat([part.steps for part in parts]), whole.steps)


def test_the_queries_themselves_are_left_alone(problem):
    heads, queries, targets = problem
    before = queries.clone()
    backward_search(frozen(heads), queries, targets, Adam(0.1))
    assert torch.equal(queries, before)


@pytest.mark.slow
@pytest.mark.parametrize("conditions", [1, 2, 3])
def test_a_thousand_queries_of_several_lambdas_agree_with_the_plain_loop(conditions):
    heads, queries, targets, lambdas = thousand(conditions)
    kept, steps = plain_searches(heads, queries, targets, lambdas)
    result = backward_search(frozen(heads), queries, targets, Adam(7.0), lambdas=lambdas)
    assert ((result.embeddings - kept).abs().amax(1) < 1e-6).double().mean() >= 0.999
    assert torch.equal(result.steps, steps)
    assert len(steps.unique()) > 10
    assert (result.steps[~result.stopped] == 100).all()


@pytest.mark.slow
@pytest.mark.parametrize("conditions", [1, 3])
@pytest.mark.parametrize("size", [40, 333])
def test_a_thousand_queries_do_not_depend_on_how_the_batch_is_split(conditions, size):
    heads, queries, targets, lambdas = thousand(conditions)
    whole = backward_search(frozen(heads), queries, targets, Adam(7.0), lambdas=lambdas)
    parts = [
        backward_search(frozen(heads), queries[rows], targets[rows], Adam(7.0), lambdas=lambdas[rows])
        for rows in torch.arange(1000).split(size)
    ]
    assert (torch.cat([part.embeddings for part in parts]) - whole.embeddings).abs().max() < 1e-9
    assert torch.equal(torch.cat([part.steps for part in parts]), whole.steps)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 1000])
def test_single_precision_agrees_as_often_as_autograd_in_single_precision(size):
    heads, queries, targets, lambdas = thousand(2)
    exact, _ = plain_searches(heads, queries, targets, lambdas)
    low = [head.float() for head in heads]
    plain, _ = plain_searches(low, queries.float(), targets, lambdas.float())
    ground = GivenGround(FrozenHeads.of(low, torch.device("cpu")))
    conditions = Conditions.of_ids(targets, ground.heads.classes, torch.float32)
    parts = torch.arange(1000).split(size)
    ours = [Adam(1.1).search(ground, queries[rows].float(), conditions.at(rows), knobs=lambdas[rows]) for rows in parts]
    moved = torch.cat([part.embeddings for part in ours])
    agree = [float(((found - exact).abs().amax(1) < 1e-3).double().mean()) for found in (moved, plain)]
    assert agree[0] >= agree[1] - 0.01
    assert agree[0] > 0.9
    precision, overlap = zip(*(_retrieved(found, targets) for found in (exact, moved)), strict=True)
    assert abs(precision[0] - precision[1]) < 0.002
    assert abs(overlap[0] - overlap[1]) < 0.002


def _retrieved(moved: Tensor, targets: Tensor) -> tuple[float, float]:
    """Precision@10 and mTS@10 of moved queries in a gallery of random points with the heads' own labels."""
    heads = trained_heads(2)[:2]
    images = torch.tanh(torch.randn(3000, E, generator=torch.Generator().manual_seed(9), dtype=torch.float64))
    labels = torch.stack([head(images).argmax(1) for head in heads], dim=1)
    rows = Gallery(images).search(moved.double(), 10).rows
    tags = [{f"{name}{value // 2}" for name, value in zip("ab", pair, strict=True)} for pair in labels.tolist()]
    hits = [[tags[row] for row in found] for found in rows.tolist()]
    overlaps = [metrics.tag_similarity(tags[i], found) for i, found in enumerate(hits)]
    relevant = (labels[rows] == targets[:, None]).all(2).numpy()
    return float(metrics.precision(relevant).mean()), float(np.mean(overlaps))


def test_a_sweep_is_each_lambda_by_itself(problem):
    heads, queries, targets = problem
    sweep = torch.tensor([0.1, 1.1]).repeat_interleave(len(queries))
    both = backward_search(frozen(heads), queries.repeat(2, 1), targets.repeat(2, 1), Adam(9), lambdas=sweep)
    alone = [backward_search(frozen(heads), queries, targets, Adam(lambda_)) for lambda_ in (0.1, 1.1)]
    assert torch.allclose(both.embeddings, torch.cat([part.embeddings for part in alone]), atol=1e-6)  # 0.1 as float32
    assert torch.equal(both.steps, torch.cat([part.steps for part in alone]))


def test_the_trace_is_the_walk_itself(problem):
    heads, queries, targets = problem
    config = Adam(0.5)
    result = backward_search(frozen(heads[:1]), queries, targets[:, :1], config, trace=True)
    assert torch.equal(
        result.embeddings, backward_search(frozen(heads[:1]), queries, targets[:, :1], config).embeddings
    )
    assert result.path.shape == (12, 101, E)
    assert torch.equal(result.path[:, 0], queries)
    for row, steps in enumerate(result.steps.tolist()):
        losses = result.losses[row]
        assert losses[:steps].isfinite().all()
        assert losses[steps:].isnan().all()
        assert torch.equal(losses[:steps].min(), result.loss[row])
        last_best = int(losses[:steps].flip(0).argmin())  # the last of equal losses is the one that is kept
        assert torch.equal(result.path[row, steps - last_best], result.embeddings[row])
        assert (result.path[row, steps:] == result.path[row, steps]).all()
        z = result.path[row, steps - 1]
        expected = (
            nn.functional.cross_entropy(heads[0](z[None]), targets[row, :1]) + 0.5 * (z - queries[row]).abs().mean()
        )
        assert torch.allclose(losses[steps - 1], expected)
    assert result.stopped.any()
    assert not result.stopped.all()
    assert {"no improvement", "all steps made"} == set(result.reasons())


def test_a_query_without_a_finite_loss_stays_and_says_so(problem):
    heads, queries, targets = problem
    queries[3] = torch.nan
    result = backward_search(frozen(heads), queries, targets, Adam(0.5))
    assert result.reasons().count("no finite loss") == 1
    assert result.embeddings[[0, 11]].isfinite().all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("early_stopping", [True, False])
def test_the_recorded_step_agrees_with_the_cpu(problem, early_stopping):
    heads, queries, targets = problem
    config = Adam(0.5, early_stopping=early_stopping)
    device = torch.device("cuda")
    here = backward_search(frozen(heads), queries, targets, config)
    there = backward_search(
        FrozenHeads.of(heads, device, torch.float64), queries.to(device), targets.to(device), config
    )
    assert torch.allclose(there.embeddings.cpu(), here.embeddings, atol=1e-6)
    assert torch.equal(there.steps.cpu(), here.steps)
