"""What holds of every search, whatever the heads, the queries and their conditions."""

import math

import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from made_heads import E, frozen
from made_problems import loss_of, problems
from plain_search import plain_descent

from backward_search.conditions.batch import Conditions
from backward_search.solvers.adam import Adam
from backward_search.solvers.manifold import Manifold, covariance
from backward_search.solvers.modules import ModuleHeads
from backward_search.solvers.protocol import GivenGround

SPREAD = covariance(
    torch.randn(40, E, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * torch.linspace(0.1, 1, E)
)
LAMBDAS = st.sampled_from((0.0, 0.1, 0.7, 3.2))
ADAM = st.builds(Adam, LAMBDAS, st.sampled_from((0.05, 0.2)), max_itr=st.integers(1, 20), early_stopping=st.booleans())
MANIFOLD = st.builds(
    Manifold, st.sampled_from((0.2, 0.9, 0.99)), st.sampled_from((0.1, 0.4, 5.0)), max_itr=st.integers(1, 12)
)


def searched(solver, heads, queries, wanted, *, trace=False):
    return solver.search(GivenGround(frozen(heads), SPREAD), queries, wanted, trace=trace)


def decided(solver, heads, queries, wanted, by: float = 1e-9) -> bool:
    """Whether rounding can decide nothing: no loss is as good as equal to what it is compared with."""
    losses = searched(solver, heads, queries, wanted, trace=True).losses
    best = losses.nan_to_num(nan=math.inf).cummin(1).values[:, :-1]
    near = (losses[:, 1:] - best).abs() < by
    if isinstance(solver, Manifold):
        floor = wanted.floor()[:, None]
        near = torch.cat([near, ((losses - floor + math.log(solver.target_probability)).abs() < by)], 1)
    return not bool(near.any())


def assert_same(one, other, within: float = 1e-6):
    assert (one.embeddings - other.embeddings).abs().max() < within
    assert (one.loss - other.loss).abs().max() < within
    assert torch.equal(one.steps, other.steps)
    assert one.reasons() == other.reasons()


@given(problems())
def test_loss_and_gradient_are_those_of_the_definition(problem):
    heads, queries, wanted = problem
    point = queries.clone().requires_grad_()
    plain = loss_of(heads, point, wanted)
    (slope,) = torch.autograd.grad(plain.sum(), point)
    for known in (frozen(heads), ModuleHeads.of(heads, queries)):
        conditions = Conditions(*(getattr(wanted, name) for name in ("wanted", "any_of", "weight")))
        narrow = Conditions(conditions.wanted[..., : known.classes], conditions.any_of, conditions.weight)
        loss, gradient = known.objective(narrow).loss_and_gradient(queries)
        assert torch.allclose(loss, plain, atol=1e-9)
        assert torch.allclose(gradient, slope, atol=1e-9)
    assert (plain >= wanted.floor() - 1e-9).all()


@given(problems(1), ADAM)
def test_adam_is_the_plain_loop(problem, solver):
    heads, queries, wanted = problem
    assume(decided(solver, heads, queries, wanted))
    found = searched(solver, heads, queries, wanted)
    for row in range(len(queries)):
        own = wanted.at(torch.tensor([row]))
        kept, steps = plain_descent(lambda z, own=own: loss_of(heads, z, own), queries[row : row + 1], solver)
        assert int(found.steps[row]) == steps
        assert (found.embeddings[row] - kept).abs().max() < 1e-5


@given(problems(5), ADAM | MANIFOLD, st.data())
def test_a_query_goes_its_way_whatever_goes_beside_it(problem, solver, data):
    heads, queries, wanted = problem
    assume(decided(solver, heads, queries, wanted))
    order = torch.tensor(data.draw(st.permutations(range(len(queries)))))
    cut = data.draw(st.integers(0, len(order)))
    whole = searched(solver, heads, queries, wanted)
    for rows in (order, order[:cut], order[cut:], order[:1], torch.cat([order, order[:1]])):
        if len(rows):
            part = searched(solver, heads, queries[rows], wanted.at(rows))
            assert (part.embeddings - whole.embeddings[rows]).abs().max() < 1e-6
            assert (part.loss - whole.loss[rows]).abs().max() < 1e-6
            assert torch.equal(part.steps, whole.steps[rows])
            assert part.reasons() == [whole.reasons()[row] for row in rows]


@given(problems(), ADAM)
def test_adam_keeps_the_point_after_its_least_loss(problem, solver):
    heads, queries, wanted = problem
    found = searched(solver, heads, queries, wanted, trace=True)
    assert ((found.steps >= 1) & (found.steps <= solver.max_itr)).all()
    assert torch.allclose(found.losses[:, 0], loss_of(heads, queries, wanted), atol=1e-9)
    for row, steps in enumerate(found.steps.tolist()):
        losses = found.losses[row, :steps]
        own = wanted.at(torch.tensor([row] * steps))
        z = found.path[row, :steps]
        away = solver.lambda_ * (z - queries[row]).abs().mean(1)
        assert torch.allclose(losses, loss_of(heads, z, own) + away, atol=1e-9)
        place = steps - 1 - int(losses.flip(0).argmin()) if solver.early_stopping else steps - 1
        assert torch.equal(found.embeddings[row], found.path[row, place + 1])
        assert torch.equal(found.loss[row], losses[place])
        assert not solver.early_stopping or found.loss[row] <= losses[0]
        assert bool(found.stopped[row]) == (solver.early_stopping and steps - 1 - place > 10)


@given(problems(), st.sampled_from((1e4, 1e9, 1e30)), st.integers(1, 30))
def test_however_strong_it_is_held_a_query_has_made_the_published_first_step(problem, lambda_, steps):
    """The loss at the query itself decides over the point after the first step; none after that is as good."""
    heads, queries, wanted = problem
    assume(bool((loss_of(heads, queries, wanted) > 1e-3).all()))
    solver = Adam(lambda_, max_itr=steps)
    found = searched(solver, heads, queries, wanted, trace=True)
    assert torch.equal(found.embeddings, found.path[:, 1])
    assert (found.embeddings - queries).abs().max() <= solver.lr + 1e-12
    assert torch.allclose(found.loss, loss_of(heads, queries, wanted), atol=1e-9)


@given(problems(), MANIFOLD)
def test_the_manifold_ends_where_its_condition_is_met_or_at_its_best(problem, solver):
    heads, queries, wanted = problem
    found = searched(solver, heads, queries, wanted)
    start, end = (loss_of(heads, z, wanted) for z in (queries, found.embeddings))
    enough = -math.log(solver.target_probability)
    assert torch.allclose(end, found.loss, atol=1e-9)
    assert (end <= start + 1e-9).all()
    assert (end - wanted.floor() <= enough + 1e-9)[found.stopped].all()
    assert (end - wanted.floor() >= enough - 1e-9)[~found.stopped].all()
    assert ((found.steps >= 1) & (found.steps <= solver.max_itr)).all()
    there = start - wanted.floor() < enough - 1e-9
    assert torch.equal(found.embeddings[there], queries[there])
    assert (found.steps[there] == 1).all()


@given(problems(), ADAM | MANIFOLD, st.sampled_from((0.25, 2.0, 1024.0)))
def test_weights_count_in_proportion_and_a_weight_of_0_is_out(problem, solver, factor):
    heads, queries, wanted = problem
    ones = torch.ones(wanted.wanted.shape[:2], dtype=torch.float64)
    weight = ones if wanted.weight is None else wanted.weight
    weighted = Conditions(wanted.wanted, wanted.any_of, weight)
    assume(decided(solver, heads, queries, weighted))
    found = searched(solver, heads, queries, weighted)
    assert_same(searched(solver, heads, queries, Conditions(wanted.wanted, wanted.any_of, weight * factor)), found)
    if wanted.weight is None:
        assert_same(searched(solver, heads, queries, wanted), found)
    for row in range(len(queries)):
        own = weighted.at(torch.tensor([row]))
        counts = own.weight[:, 0] > 0
        parts = {name: value[counts] for name, value in vars(own).items() if value is not None}
        left = [head for head, count in zip(heads, counts.tolist(), strict=True) if count]
        width = max(head[-1].out_features for head in left)
        parts["wanted"] = parts["wanted"][..., :width]
        alone = searched(solver, left, queries[row : row + 1], Conditions(**parts))
        assert (alone.embeddings[0] - found.embeddings[row]).abs().max() < 1e-6


@given(problems(), ADAM | MANIFOLD)
def test_a_set_of_one_is_its_class_and_that_of_all_wants_nothing(problem, solver):
    heads, queries, wanted = problem
    ids = wanted.wanted.argmax(2)
    single = torch.nn.functional.one_hot(ids, wanted.wanted.shape[2]).double()
    every = torch.ones(single.shape[:2], dtype=torch.bool)
    plain, sets = Conditions(single), Conditions(single, any_of=every)
    assume(decided(solver, heads, queries, plain))
    assert_same(searched(solver, heads, queries, sets), searched(solver, heads, queries, plain))
    all_of = torch.zeros_like(single)
    for own, head in zip(all_of, heads, strict=True):
        own[:, : head[-1].out_features] = 1
    if isinstance(solver, Adam) and not solver.early_stopping:
        return  # Adam makes whole steps of gradients that are nothing but rounding
    nothing = searched(solver, heads, queries, Conditions(all_of, any_of=every))
    assert (nothing.embeddings - queries).abs().max() < 1e-4
    assert nothing.loss.abs().max() < 1e-6
