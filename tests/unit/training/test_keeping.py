"""What a training keeps beside its classes: the targets and the term, and that it resumes to the same bits."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from backward_search.context.shared import Shared
from backward_search.data.registry import Preprocessing
from backward_search.images.fitting import normalise
from backward_search.images.loading import Batch
from backward_search.model.network import Model, ModelConfig, classification_loss
from backward_search.training import keeping
from backward_search.training.keeping import LEAST, Kept, WithTokens
from backward_search.training.recipe import RECIPES
from backward_search.training.trainer import Trainer, TrainingConfig, dropout_seed

CPU, LOOK = torch.device("cpu"), Preprocessing(size=16, augment=False)
CONFIG = TrainingConfig(2, 0.01, 0.1, 10, 0.1, enc_update=True, seed=0, recipe="modern", checkpoint_step=1)
ROWS = 96


def tags():
    rng = np.random.default_rng(0)
    words = ["sea", "ship", "oil", "tree", "bird"]
    found = [list(rng.choice(words, rng.integers(1, 4), replace=False)) for _ in range(ROWS)]
    for row in range(LEAST - 1):
        found[row].append("rare")
    found[10], found[11] = [], ["alone"]
    return found


def kept(weight=0.5):
    return Kept.of(Shared.gathered({"tags": tags()}, {}), weight)


def test_targets_are_even_over_the_tokens_of_enough_images():
    found, counts = kept().targets, Counter(tag for own in tags() for tag in own)
    frequent = sorted((tag for tag, count in counts.items() if count >= LEAST), key=lambda tag: -counts[tag])
    assert found.shape == (ROWS, len(frequent)) == (ROWS, 5)
    held = [counts[tag] for tag in frequent]
    assert (found > 0).sum(0).tolist() == held
    for row, own in enumerate(tags()):
        some = sorted({tag for tag in own if tag in frequent})
        assert found[row][found[row] > 0].tolist() == pytest.approx([1 / max(len(some), 1)] * len(some))
    assert not found[[10, 11]].any()


def test_only_the_most_frequent_tokens_count(monkeypatch):
    whole = kept().targets
    monkeypatch.setattr(keeping, "MOST", 2)
    few = kept().targets
    assert torch.equal(few > 0, whole[:, :2] > 0)
    assert set(few.sum(1).tolist()) == {0.0, 1.0}


def test_the_term_is_the_mean_cross_entropy_over_images_with_tokens():
    found, rows = kept(0.3), torch.tensor([9, 10, 50, 11, 3])
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    losses = []
    for place, row in enumerate(rows.tolist()):
        p = torch.exp(logits[place]) / torch.exp(logits[place]).sum()
        if found.targets[row].any():
            losses.append(-sum(float(t) * float(q.log()) for t, q in zip(found.targets[row], p, strict=True)))
    assert len(losses) == 3
    assert float(found.loss(logits, rows)) == pytest.approx(0.3 * sum(losses) / 3, rel=1e-5)


def test_a_batch_without_tokens_has_no_term():
    logits = torch.randn(2, 5, requires_grad=True)
    loss = kept().loss(logits, torch.tensor([10, 11]))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


class Batches:
    """Three batches an epoch of images that are always the same."""

    steps = 3

    def __init__(self):
        rng = np.random.default_rng(1)
        self.pixels = torch.from_numpy(rng.integers(0, 255, (ROWS, 3, 16, 16), dtype=np.uint8))
        self.kinds = torch.arange(ROWS) % 3

    def epoch(self, epoch=0, skip=0):
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(ROWS)).view(3, -1)
        for rows in order[skip:]:
            yield Batch(self.pixels[rows], {"kind": self.kinds[rows]}, rows)


def trainer(weight=0.5, **more):
    torch.manual_seed(0)
    model = Model(ModelConfig("small_cnn", 24, {"kind": 3}, 16))
    torch.manual_seed(1)  # of the layer beside it
    return Trainer(model, replace(CONFIG, **more), LOOK, CPU, kept=kept(weight) if weight is not None else None)


@pytest.mark.parametrize("stop", [1, 3, 4])
@pytest.mark.parametrize("enc_update", [True, False])
def test_a_stopped_training_goes_on_with_the_same_bits(stop, enc_update):
    batches, states = Batches(), []
    whole = trainer(enc_update=enc_update)

    def keep():
        states.append({name: value.clone() for name, value in whole.state().items()})

    results = [whole.train_epoch(batches, keep) for _ in range(2)]
    again = trainer(enc_update=enc_update)
    for parameter in again.model.parameters():
        parameter.data.add_(1)
    again.restore(states[stop - 1])
    if again.step == batches.steps:  # kept before the epoch was closed
        again.train_epoch(batches)
    while again.epoch < 2:
        last = again.train_epoch(batches)
    assert last == results[1]
    expected, found = whole.state(), again.state()
    assert expected.keys() == found.keys()
    assert {"tokens.weight", "tokens.bias"} < expected.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name


def test_the_term_moves_the_embedding_and_is_no_part_of_the_loss_that_is_told_or_of_the_model():
    batches, told, weights = Batches(), {}, {}
    for weight in (None, 0.0, 3.0):
        one, sums = trainer(weight), []
        result = one.train_epoch(batches, lambda one=one, sums=sums: sums.append(one.tally.sums.clone()))
        told[weight], weights[weight] = sums[0], one.model.state_dict()
        assert result.loss == pytest.approx(float(sums[-1][1] / ROWS))
    assert torch.equal(told[0.0], told[3.0])  # before the first step all are the same model
    assert weights[None].keys() == weights[0.0].keys() == weights[3.0].keys()
    changed = [name for name, value in weights[0.0].items() if not torch.equal(value, weights[3.0][name])]
    assert any(name.startswith("projection") for name in changed)
    assert any(name.startswith("encoder") for name in changed)


def same_model(one, other):
    return all(torch.equal(value, other.model.state_dict()[name]) for name, value in one.model.state_dict().items())


def test_without_the_term_a_training_is_what_it_was():
    """A plain loop of the recipe, and a term that weighs nothing, end with the same bits."""
    batches, one, nothing = Batches(), trainer(None), trainer(0.0)
    one.train_epoch(batches)
    nothing.train_epoch(batches)
    assert same_model(one, nothing)
    assert not [name for name in one.state() if name.startswith("tokens.")]
    plain = trainer(None)
    plain.model.train()
    optimizer, recipe = plain._optimizer, RECIPES["modern"]
    for step, batch in enumerate(batches.epoch()):
        torch.manual_seed(dropout_seed(0, 0, step, 0))
        for group in optimizer.param_groups:
            group["lr"] = CONFIG.rate(0, step / 3) * group["scale"]
        logits = plain.model(normalise(batch.pixels, LOOK, CPU))
        optimizer.zero_grad()
        classification_loss(logits, batch.labels, recipe.label_smoothing).backward()
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(plain.model.parameters(), recipe.clip)
        optimizer.step()
    assert same_model(one, plain)


class OfFeatures(Batches):
    """The same batches, with what a frozen encoder makes of the images in place of their pixels."""

    def __init__(self, model):
        super().__init__()
        with torch.no_grad():
            self.pixels = model.eval().encode(normalise(self.pixels, LOOK, CPU))


def test_the_term_is_the_same_on_features_of_a_frozen_encoder():
    on_images = trainer(2.0, enc_update=False)
    torch.manual_seed(0)
    model = Model(ModelConfig("small_cnn", 24, {"kind": 3}, 16))
    batches = OfFeatures(model)
    torch.manual_seed(1)
    config = replace(CONFIG, enc_update=False)
    on_features = Trainer(model, config, LOOK, CPU, on_features=True, kept=kept(2.0))
    on_images.train_epoch(Batches())
    on_features.train_epoch(batches)
    expected, found = on_images.state(), on_features.state()
    for name in expected:
        if name.startswith(("model.", "tokens.")):
            torch.testing.assert_close(found[name], expected[name], atol=1e-3, rtol=1e-3)


def test_what_tokens_need_reaches_the_encoder():
    beside = WithTokens(Model(ModelConfig("small_cnn", 24, {"kind": 3}, 16)), 5, on_features=False)
    _, logits = beside(torch.randn(4, 3, 16, 16))
    kept().loss(logits, torch.arange(4)).backward()
    for part in (beside.model.encoder, beside.model.projection, beside.head):
        assert any(parameter.grad is not None and parameter.grad.any() for parameter in part.parameters())
    assert all(parameter.grad is None for parameter in beside.model.heads.parameters())
