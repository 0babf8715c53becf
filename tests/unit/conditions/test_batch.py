"""Sets, mixtures and weights, against their formulas under autograd."""

import pytest
import torch
from made_heads import CLASSES, E, frozen, trained_heads
from torch import nn

from backward_search.conditions.batch import NO_CLASS, Conditions
from backward_search.solvers.adam import Adam, backward_search


def random_logits(count: int = 4) -> torch.Tensor:
    return torch.randn(2, count, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3


def checked(conditions: Conditions, logits: torch.Tensor, expected) -> None:
    """The loss is `expected(log p)` for each query, and the slope its gradient."""
    variable = logits.clone().requires_grad_()
    wanted = expected(variable.log_softmax(2))
    wanted.sum().backward()
    loss, slope = conditions.loss_and_slope(logits)
    assert torch.allclose(loss, wanted.detach())
    assert torch.allclose(slope, variable.grad)


def test_a_mixture_has_its_cross_entropy():
    wanted = torch.rand(2, 4, 5, dtype=torch.float64)
    wanted /= wanted.sum(2, keepdim=True)
    checked(Conditions(wanted), random_logits(), lambda log_p: -(wanted * log_p).sum(2).mean(0))


def test_not_a_class_is_the_loss_of_one_minus_its_probability():
    others = 1 - nn.functional.one_hot(torch.tensor([[0, 1, 2, 4], [3, 3, 0, 1]]), 5).double()
    conditions = Conditions(others, any_of=torch.ones(2, 4, dtype=torch.bool))
    checked(conditions, random_logits(), lambda log_p: -torch.log1p(-(log_p.exp() * (1 - others)).sum(2)).mean(0))


def test_not_a_class_that_is_certain_has_a_finite_loss_with_a_slope():
    logits = torch.tensor([[[90.0, 0.0, NO_CLASS]]])
    loss, slope = Conditions(torch.tensor([[[0.0, 1.0, 0.0]]]), torch.tensor([[True]])).loss_and_slope(logits)
    assert loss.item() == pytest.approx(90)
    assert torch.allclose(slope, torch.tensor([[[1.0, -1.0, 0.0]]]))


def test_sets_and_classes_stand_beside_each_other_with_weights():
    wanted = torch.zeros(2, 4, 5, dtype=torch.float64)
    wanted[0, :, 2] = 1
    wanted[1, :, :2] = 1
    any_of = torch.tensor([[False] * 4, [True] * 4])
    weight = torch.tensor([[1.0, 3, 0, 2], [1, 1, 1, 0]], dtype=torch.float64)

    def expected(log_p):
        terms = torch.stack([-log_p[0, :, 2], -log_p[1, :, :2].exp().sum(1).log()])
        return (weight * terms).sum(0) / weight.sum(0)

    checked(Conditions(wanted, any_of, weight), random_logits(), expected)


def test_a_weight_of_zero_is_an_attribute_left_out():
    heads = trained_heads()
    queries = torch.tanh(torch.randn(6, E, dtype=torch.float64))
    targets = torch.stack([torch.randint(k, (6,)) for k in CLASSES], dim=1)
    stacked = frozen(heads)
    whole = Conditions.of_ids(targets, stacked.classes, torch.float64)
    weight = torch.tensor([[1.0], [0.0], [1.0]], dtype=torch.float64).expand(3, 6)
    moved = backward_search(stacked, queries, Conditions(whole.wanted, weight=weight), Adam(0.5))
    without = backward_search(frozen([heads[0], heads[2]]), queries, targets[:, [0, 2]], Adam(0.5))
    assert torch.allclose(moved.embeddings, without.embeddings, atol=1e-9)


def test_the_search_leaves_a_class_that_is_not_wanted():
    (head,) = trained_heads()[:1]
    queries = torch.tanh(torch.randn(40, E, dtype=torch.float64))
    own = head(queries).argmax(1)
    conditions = Conditions(
        1 - nn.functional.one_hot(own[None], CLASSES[0]).double(), torch.ones(1, 40, dtype=torch.bool)
    )
    moved = backward_search(frozen([head]), queries, conditions, Adam(0.01)).embeddings
    assert (head(moved).argmax(1) != own).all()


def test_a_mixture_is_reached():
    torch.manual_seed(0)
    head = nn.Linear(E, 5).double()
    queries = torch.tanh(torch.randn(20, E, dtype=torch.float64))
    wanted = torch.tensor([0.6, 0.4, 0, 0, 0], dtype=torch.float64).expand(1, 20, 5)
    moved = backward_search([head.eval()], queries, Conditions(wanted), Adam(0.0)).embeddings
    assert torch.allclose(head(moved).softmax(1), wanted[0], atol=0.05)


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match=r"weight has the shape \(2, 3\): expected \(2, 4\)"):
        Conditions(torch.ones(2, 4, 5), weight=torch.ones(2, 3))


def test_an_attribute_that_is_left_out_may_be_impossible():
    wanted = torch.zeros(2, 1, 3)
    wanted[0, 0, 2] = wanted[1, 0, 0] = 1
    log_p = torch.tensor([[[0.6, 0.4, 0.0]], [[0.5, 0.5, 0.0]]]).log().clamp(min=-1e30)
    conditions = Conditions(wanted, torch.tensor([[True], [False]]), torch.tensor([[0.0], [1.0]]))
    assert conditions.log_likelihood(log_p).item() == pytest.approx(torch.tensor(0.5).log().item())


def test_batches_are_joined_whatever_parts_they_have():
    plain = Conditions(torch.eye(3)[None])
    of_sets = Conditions(torch.ones(1, 2, 3), any_of=torch.tensor([[True, False]]))
    weighed = Conditions(torch.ones(1, 1, 3) / 3, weight=torch.tensor([[2.0]]))
    assert Conditions.joined([plain, plain]).any_of is Conditions.joined([plain, plain]).weight is None
    joined = Conditions.joined([plain, of_sets, weighed])
    assert torch.equal(joined.wanted, torch.cat([plain.wanted, of_sets.wanted, weighed.wanted], dim=1))
    assert joined.any_of.tolist() == [[False, False, False, True, False, False]]
    assert joined.weight.tolist() == [[1, 1, 1, 1, 1, 2]]
