"""The recipes: rates by hand, and which parameters an optimiser moves at which share of the rate."""

import pytest
import torch

from backward_search.model.network import Model, ModelConfig, classification_loss
from backward_search.training.optimizer import make_optimizer
from backward_search.training.recipe import RECIPES
from backward_search.training.trainer import TrainingConfig, dropout_seed


def config(recipe: str, **changes) -> TrainingConfig:
    fields = {"num_epoch": 30, "lr": 0.01, "weight_decay": 0.0, "lr_scheduler_step": 10, "lr_scheduler_gamma": 0.1}
    return TrainingConfig(**fields, enc_update=True, seed=0, recipe=recipe, **changes)


def test_the_papers_rate_is_cut_to_a_tenth_every_ten_epochs():
    rates = [config("paper").rate(epoch, share) for epoch, share in ((0, 0.0), (9, 0.9), (10, 0.0), (29, 0.5))]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.0001])


def test_the_modern_rate_rises_and_falls_as_a_cosine():
    warmup = RECIPES["modern"].warmup
    peak = 30 * warmup
    assert config("modern").rate(0) == 0
    assert config("modern").rate(int(peak) // 2, peak / 2 % 1) == pytest.approx(0.005)
    assert config("modern").rate(int(peak)) == pytest.approx(0.01)
    middle = peak + (30 - peak) / 2
    assert config("modern").rate(int(middle), middle % 1) == pytest.approx(0.005)
    assert config("modern").rate(29, 1.0) == pytest.approx(0.0)


def model(frozen: bool = False) -> Model:
    network = Model(ModelConfig("small_cnn", 16, {"kind": 3}, 16))
    for parameter in network.encoder.parameters():
        parameter.requires_grad_(not frozen)
    return network


def test_the_paper_has_one_group_with_everything_in_order():
    network = model()
    optimizer = make_optimizer(network, RECIPES["paper"], lr=0.01, weight_decay=1e-6, encoder_rate=1.0)
    assert isinstance(optimizer, torch.optim.Adam)
    assert not isinstance(optimizer, torch.optim.AdamW)
    (group,) = optimizer.param_groups
    assert [id(p) for p in group["params"]] == [id(p) for p in network.parameters()]
    assert (group["lr"], group["scale"], group["weight_decay"]) == (0.01, 1.0, 1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_modern_groups_hold_every_trained_parameter_once(decay, frozen):
    network = model(frozen)
    optimizer = make_optimizer(network, RECIPES["modern"], lr=0.002, weight_decay=decay, encoder_rate=0.1)
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in network.parameters() if p.requires_grad)
    encoder = {id(p) for p in network.encoder.parameters()}
    for group in optimizer.param_groups:
        assert {0.1 if id(p) in encoder else 1.0 for p in group["params"]} == {group["scale"]}
        assert {decay if p.ndim > 1 else 0.0 for p in group["params"]} == {group["weight_decay"]}


def test_smoothing_spreads_the_target():
    logits = {"kind": torch.tensor([[2.0, 0.0]])}
    labels = {"kind": torch.tensor([0])}
    log = torch.log_softmax(logits["kind"][0], 0)
    assert classification_loss(logits, labels).item() == pytest.approx(-log[0].item())
    assert classification_loss(logits, labels, 0.2).item() == pytest.approx(-(0.9 * log[0] + 0.1 * log[1]).item())


def test_dropout_seeds_differ_by_epoch_step_and_process():
    seeds = {dropout_seed(seed, e, s, r) for seed in (0, 1) for e in (0, 1) for s in (0, 1000) for r in (0, 1)}
    assert len(seeds) == 16
    assert dropout_seed(3, 5, 0, 0) == 3_000_014  # as it was before there were checkpoints inside an epoch
