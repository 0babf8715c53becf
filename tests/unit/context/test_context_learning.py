"""Learning a context map: its loss, its reproducibility, and that it finds what it is to find."""

import math
from dataclasses import replace

import pytest
import torch

from backward_search.context import learning
from backward_search.context.learning import Learner, LearningConfig, kept, ranking_loss
from backward_search.context.network import ContextConfig, ContextMap
from backward_search.context.relation import ByBest, ByImages, tasks_of
from backward_search.context.shared import Shared

NAMES, E, M = ("style", "genre"), 24, 600
CONFIG = LearningConfig(size=16, hidden=64, steps=150, batch=128)


def planted(count=M):
    """Tags that lie in 4 of 24 dimensions, the others holding noise that is three times as strong."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.randint(30, (count,), generator=generator)
    embeddings = 3 * torch.randn(count, E, generator=generator)
    places = torch.randn(30, 4, generator=generator)
    embeddings[:, :4] = places[kinds] + 0.1 * torch.randn(count, 4, generator=generator)
    ids = torch.stack([torch.randint(3, (count,), generator=generator) for _ in NAMES])
    shared = Shared.gathered({"tags": [[f"tag{kind}"] for kind in kinds.tolist()]}, {name: ["x"] for name in NAMES})
    return embeddings, ByBest(shared, ByImages(embeddings, ids, torch.arange(count)))


@pytest.fixture(scope="module")
def setting():
    return planted()


def learner(setting, config=CONFIG, rows=None):
    embeddings, relation = setting
    return Learner(embeddings, relation, NAMES, config, rows)


def copied(learner):
    return {name: value.clone() for name, value in learner.state().items()}


def advanced(learner, steps):
    return [learner.advance() for _ in range(steps)]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_loss_is_that_of_a_slow_loop():
    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(9, 5, dtype=torch.float64), dim=1)
    target = torch.rand(9, 9, dtype=torch.float64)
    target = (target + target.T) / 2
    target[4], target[:, 4] = 0, 0  # shares nothing with any other
    target.fill_diagonal_(1)
    cosines, losses = vectors @ vectors.T, []
    for i in range(9):
        others = [j for j in range(9) if j != i]
        total = sum(target[i, j] ** CONFIG.sharpness for j in others)
        if total == 0:
            continue
        below = sum(torch.exp(cosines[i, j] / CONFIG.temperature) for j in others)
        parts = [
            target[i, j] ** CONFIG.sharpness / total * torch.log(torch.exp(cosines[i, j] / CONFIG.temperature) / below)
            for j in others
        ]
        losses.append(-sum(parts))
    assert len(losses) == 8
    assert float(ranking_loss(cosines, target, CONFIG)) == pytest.approx(float(sum(losses) / 8), rel=1e-9)


def test_a_batch_in_which_nothing_is_shared_has_no_loss_and_a_gradient_of_zero():
    cosines = torch.rand(5, 5, requires_grad=True)
    loss = ranking_loss(cosines, torch.eye(5), CONFIG)
    loss.backward()
    assert loss == 0
    assert not cosines.grad.any()


@pytest.mark.parametrize("stop", [1, 7])
def test_a_stopped_learning_goes_on_with_the_same_bits(setting, stop):
    whole, first, second = (learner(setting) for _ in range(3))
    expected = advanced(whole, 12)
    advanced(first, stop)
    torch.rand(5)  # whatever the program draws in between
    second.restore(copied(first))
    assert second.step == stop
    assert advanced(second, 12 - stop) == expected[stop:]
    assert same(second.state(), whole.state())


def test_a_state_of_another_map_is_refused(setting):
    other = learner(setting, replace(CONFIG, hidden=32))
    other.advance()
    with pytest.raises(RuntimeError):
        learner(setting).restore(other.state())


def seen_by(setting, config, steps, rows=None):
    """A learner after some steps, and for each of them its images and the conditioned attributes."""
    embeddings, relation = setting
    seen = []

    class Watched:
        """The relation, and what is asked of it."""

        def target(self, some, others, dropped):
            seen.append((some, dropped))
            return relation.target(some, others, dropped)

        def __getattr__(self, name):
            return getattr(relation, name)

    one = Learner(embeddings, Watched(), NAMES, config, rows)
    advanced(one, steps)
    return one, seen


def test_held_out_rows_change_nothing(setting):
    embeddings, relation = setting
    rows = torch.arange(0, M, 2)
    one, seen = seen_by(setting, CONFIG, 30, rows)
    assert set(torch.cat([some for some, _ in seen]).tolist()) == set(rows.tolist())
    other = embeddings.clone()
    other[1::2] = 1e6
    two = Learner(other, relation, NAMES, CONFIG, rows)
    advanced(two, 30)
    assert same(one.state(), two.state())


def test_half_of_a_batch_has_a_mate_in_it():
    tags = [[f"pair{i // 2}"] for i in range(2000)]  # each image shares with one other, which chance hardly finds
    shared, ids = Shared.gathered({"tags": tags}, {name: ["x"] for name in NAMES}), torch.zeros(2, 2000, dtype=int)
    embeddings, fractions = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0)), []

    class Watched(ByBest):
        """The relation, and how many of a batch have a mate."""

        def target(self, rows, others, dropped):
            found = super().target(rows, others, dropped)
            fractions.append(((found > 0).sum(1) > 1).float().mean().item())
            return found

    relation = Watched(shared, ByImages(embeddings, ids, torch.arange(2000)))
    for mates, least, most in ((0.5, 0.2, 0.5), (0.0, 0.0, 0.1)):
        fractions.clear()
        advanced(Learner(embeddings, relation, NAMES, replace(CONFIG, mates=mates)), 10)
        assert least <= sum(fractions) / len(fractions) <= most


def test_the_map_finds_what_strong_noise_hides(setting):
    embeddings, relation = setting
    rows, held = torch.arange(450), torch.arange(450, M)
    one = learner(setting, replace(CONFIG, steps=250), rows)
    advanced(one, 250)
    found = kept(one.map.eval(), embeddings, relation, held)
    assert [each.attributes for each in found] == [("style",), ("genre",), ("style", "genre")]
    for each in found:
        assert each.by == "tags"
        assert each.images == 150
        assert each.by_map > each.by_embedding + 0.1
        assert each.by_map > 4 * each.at_random


def test_judging_is_that_of_a_slow_loop(setting):
    embeddings, relation = setting
    context, rows = learner(setting).map.eval(), torch.arange(100, 140)
    for each, dropped in zip(kept(context, embeddings, relation, rows), tasks_of(NAMES), strict=True):
        target = relation.target(rows, rows, dropped)
        vectors = context(embeddings[rows], dropped.float()).detach()
        means, others = [], []
        for i in range(40):
            far = [(-float(vectors[i] @ vectors[j]), j) for j in range(40) if j != i]
            means.append(sum(float(target[i, j]) for _, j in sorted(far)[:10]) / 10)
            others += [float(target[i, j]) for _, j in far]
        assert each.by_map == pytest.approx(sum(means) / 40, abs=1e-6)
        assert each.at_random == pytest.approx(sum(others) / len(others), abs=1e-6)


@pytest.mark.parametrize("count", [0, 1])
def test_of_fewer_than_two_images_nothing_is_said(setting, count):
    embeddings, relation = setting
    assert kept(learner(setting).map, embeddings, relation, torch.arange(count)) == []


def test_the_same_seed_gives_the_same_map_and_leaves_torchs_generator_alone(setting):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = learner(setting)
    advanced(one, 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    two, other = learner(setting), learner(setting, replace(CONFIG, seed=1))
    advanced(two, 5)
    advanced(other, 5)
    assert same(one.state(), two.state())
    assert not torch.equal(one.map.last.weight, other.map.last.weight)


def test_the_steps_are_those_of_a_plain_loop(setting):
    embeddings, relation = setting
    config = replace(CONFIG, steps=20, seed=3, weight_decay=0.1)
    one, seen = seen_by(setting, config, 8)
    plain = learner(setting, config).map
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.0, weight_decay=0.1)
    for step, (rows, dropped) in enumerate(seen):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 + math.cos(math.pi * step / 20)) / 2
        vectors = plain(embeddings[rows], dropped.float())
        optimizer.zero_grad()
        ranking_loss(vectors @ vectors.T, relation.target(rows, rows, dropped), config).backward()
        optimizer.step()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(one.map.state_dict()[name], value, atol=1e-6, rtol=1e-5)


def test_each_step_draws_conditions_and_images_anew_by_the_seed(setting):
    _, seen = seen_by(setting, CONFIG, 30)
    assert {tuple(dropped.tolist()) for _, dropped in seen} == {(True, False), (False, True), (True, True)}
    batches = [rows.tolist() for rows, _ in seen]
    assert len(set(map(tuple, batches))) == 30
    assert all(len(set(rows)) == len(rows) <= CONFIG.batch for rows in batches)
    _, other = seen_by(setting, replace(CONFIG, seed=1), 30)
    assert all(rows != found.tolist() for rows, (found, _) in zip(batches, other, strict=True))


def test_a_number_that_is_the_same_for_all_images_does_no_harm(setting):
    embeddings, relation = setting
    constant = embeddings.clone()
    constant[:, 5] = 0.25
    one = learner((constant, relation))
    assert all(torch.tensor(advanced(one, 5)).isfinite())
    assert one.map(constant[:9], tasks_of(NAMES)[0].float()).isfinite().all()


def test_embeddings_are_brought_to_mean_0_and_deviation_1(setting):
    scaled = setting[0] * torch.logspace(-2, 2, E) + torch.linspace(-5, 5, E)
    one = learner((scaled, setting[1]))
    inner = (scaled - one.map.mean) / one.map.scale
    torch.testing.assert_close(inner.mean(0), torch.zeros(E), atol=1e-4, rtol=0)
    torch.testing.assert_close(inner.std(0, correction=0), torch.ones(E), atol=1e-4, rtol=0)


def test_no_more_images_are_judged_than_memory_holds(setting, monkeypatch):
    embeddings, relation = setting
    context = learner(setting).map.eval()
    few = kept(context, embeddings, relation, torch.arange(40))
    monkeypatch.setattr(learning, "JUDGED", 40)
    assert kept(context, embeddings, relation, torch.arange(M)) == few


def test_conditions_enter_the_map_and_vectors_have_length_1(setting):
    one = learner(setting)
    advanced(one, 20)
    vectors = [one.map(setting[0][:9], task.float()) for task in tasks_of(NAMES)]
    for each in vectors:
        torch.testing.assert_close(each.norm(dim=1), torch.ones(9))
    assert not torch.allclose(vectors[0], vectors[1], atol=1e-4)


def test_the_guide_is_the_gradient():
    torch.manual_seed(0)
    context = ContextMap(ContextConfig(E, NAMES, 8, 32)).double()
    context.mean.normal_()
    context.scale.uniform_(0.5, 3)
    conditioned, z = context.conditioned(["genre"]).double(), torch.randn(7, E, dtype=torch.float64)
    x, aim = z.clone().requires_grad_(), context(z, conditioned).detach()
    hidden = context.first((x - context.mean) / context.scale) + context.of_conditions(conditioned)
    (aim * context.last(torch.relu(hidden))).sum().backward()
    expected = torch.nn.functional.normalize(x.grad, dim=1)
    torch.testing.assert_close(context.guide(z, conditioned), expected)
