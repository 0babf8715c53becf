"""What images are worth to conditions of any kind, and how batches of conditions part and join, written out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backward_search.conditions.batch import NO_CLASS, Conditions
from backward_search.conditions.clause import Not, Weighted, clause_of

CLASSES = {"style": ["a", "b", "c", "d"], "genre": ["x", "y"]}


@st.composite
def values(draw, labels):
    some = draw(st.lists(st.sampled_from(labels), min_size=1, max_size=len(labels) - 1, unique=True))
    kind = draw(st.sampled_from(("set", "not", "mixture")))
    value = {"set": some, "not": Not(*some), "mixture": {label: draw(st.integers(1, 5)) for label in some}}[kind]
    return Weighted(value, draw(st.sampled_from((0.5, 2.0)))) if draw(st.booleans()) else value


@st.composite
def wishes(draw):
    """Clauses of a few queries on one or two attributes, in either order."""
    names = draw(st.sampled_from((("style",), ("genre", "style"), ("style", "genre"))))
    count = draw(st.integers(1, 4))
    return [{name: clause_of(draw(values(CLASSES[name])), CLASSES[name]) for name in names} for _ in range(count)]


def batch(clauses) -> Conditions:
    return Conditions.of(clauses, {name: CLASSES[name] for name in clauses[0]})


def some_ids(seed: int, names, shape) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(len(CLASSES[name]), size=shape) for name in names]


@given(wishes(), st.integers(0, 99))
def test_worth_and_probability_are_those_of_each_image_and_query(clauses, seed):
    names, made, count = list(clauses[0]), batch(clauses), 5
    ids = some_ids(seed, names, count)
    log_p = torch.full((len(names), count, 4), NO_CLASS, dtype=torch.float64)
    for own, name in zip(log_p, names, strict=True):
        own[:, : len(CLASSES[name])] = torch.randn(
            count, len(CLASSES[name]), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
    log_p = log_p.log_softmax(2)
    worth, likelihood = made.worth(ids), made.log_likelihood(log_p)
    own = made.log_likelihood_of_own(log_p[:, None].expand(-1, len(clauses), -1, -1))
    met = made.met_by(torch.from_numpy(np.stack(ids)))
    assert torch.allclose(own, likelihood, atol=1e-9)
    for row, clause in enumerate(clauses):
        for image in range(count):
            shares = [clause[name].shares.get(CLASSES[name][ids[a][image]], 0.0) for a, name in enumerate(names)]
            assert worth[row, image] == pytest.approx(np.prod(shares))
            assert bool(met[row, image]) == all(shares)
            expected = 0.0
            for a, name in enumerate(names):
                each = dict(zip(CLASSES[name], log_p[a, image].tolist(), strict=False))
                wanted = clause[name].shares
                log = (
                    np.log(sum(np.exp(each[label]) for label in wanted))
                    if clause[name].any_of
                    else sum(share * each[label] for label, share in wanted.items())
                )
                expected += clause[name].weight * log
            assert float(likelihood[row, image]) == pytest.approx(expected)
    assert ((made.mean_probability(likelihood) >= 0) & (made.mean_probability(likelihood) <= 1 + 1e-9)).all()


@given(wishes(), st.integers(0, 99))
def test_images_of_each_query_are_worth_what_they_are_among_others(clauses, seed):
    made, ids = batch(clauses), some_ids(seed, clauses[0], (len(clauses), 3))
    worth = made.worth(ids)
    for row in range(len(clauses)):
        alone = batch([clauses[row]]).worth([own[row] for own in ids])
        assert worth[row] == pytest.approx(alone[0])
    met = made.met_by(torch.from_numpy(np.stack(ids)))
    assert torch.equal(met, torch.from_numpy(worth > 0))
    unknown = torch.full((len(clauses[0]), len(clauses), 3), -1)
    assert not made.met_by(unknown).any()


@given(wishes(), st.data())
def test_batches_part_and_join_as_lists_do(clauses, data):
    made, order = batch(clauses), torch.tensor(data.draw(st.permutations(range(len(clauses)))))
    parts = [batch([clause]) for clause in clauses]
    joined, again = Conditions.joined(parts), made.at(order)
    twice = made.repeated(2)
    for name, missing in (("wanted", 0.0), ("any_of", False), ("weight", 1.0)):
        whole, of_parts = getattr(made, name), getattr(joined, name)
        assert (whole is None) == (of_parts is None)
        if whole is not None:
            assert torch.equal(of_parts, whole)
            assert torch.equal(getattr(again, name), whole[:, order])
            assert torch.equal(getattr(twice, name), torch.cat([whole, whole], dim=1))
        for row, part in enumerate(parts):
            alone = getattr(part, name)
            if alone is None and whole is not None:
                assert (whole[:, row] == missing).all()
    singles = all(len(wish.shares) == 1 and wish.weight == 1 for clause in clauses for wish in clause.values())
    assert made.plain == singles
    if singles:
        wanted = [[CLASSES[name].index(*wish.shares) for name, wish in clause.items()] for clause in clauses]
        assert made.ids().tolist() == wanted
        again = Conditions.of_ids(made.ids(), made.wanted.shape[2], torch.float64)
        assert torch.equal(again.wanted, made.wanted)
