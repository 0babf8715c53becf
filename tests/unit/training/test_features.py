"""Training on the features of a frozen encoder is training on the images, but for rounding."""

import numpy as np
import pytest
import torch
from PIL import Image

from backward_search.data.registry import Preprocessing
from backward_search.images.loading import ImageLoader
from backward_search.model.network import Model, ModelConfig
from backward_search.training import features
from backward_search.training.features import encoded
from backward_search.training.trainer import Trainer, TrainingConfig

CPU, LOOK = torch.device("cpu"), Preprocessing(size=16, augment=False)
CONFIG = TrainingConfig(2, 0.01, 0.0, 10, 0.1, enc_update=False, seed=0)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    files = [folder / f"{number}.png" for number in range(90)]
    for file in files:
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(file)
    return files


def loader(files, seed=1):
    return ImageLoader(files, {"kind": np.arange(90) % 3}, LOOK, batch_size=32, workers=0, seed=seed)


def trained(files, on_features):
    torch.manual_seed(0)
    model = Model(ModelConfig("small_cnn", 24, {"kind": 3}, 16))
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    seen = []
    model.encoder.register_forward_hook(lambda module, images, output: seen.append(len(output)))
    batches = encoded(model, loader(files), LOOK, CPU) if on_features else loader(files)
    trainer = Trainer(model, CONFIG, LOOK, CPU, on_features=on_features)
    results = [trainer.train_epoch(batches) for _ in range(2)]
    assert all(torch.equal(value, before[name]) for name, value in model.encoder.state_dict().items())
    return model.state_dict(), results, sum(seen)


def test_the_weights_are_those_of_training_on_images_and_the_encoder_runs_once(files):
    weights, results, passes = trained(files, on_features=False)
    found, same, once = trained(files, on_features=True)
    for name, value in weights.items():
        torch.testing.assert_close(found[name], value, atol=1e-3, rtol=1e-3)
    assert [result.loss for result in same] == pytest.approx([result.loss for result in results], rel=1e-4)
    assert (passes, once) == (180, 90)


def test_features_belong_to_their_rows(files):
    torch.manual_seed(0)
    model = Model(ModelConfig("small_cnn", 24, {"kind": 3}, 16)).eval()
    batches = encoded(model, loader(files), LOOK, CPU)
    first = next(batches.epoch(3))
    plain = next(loader(files).epoch(3))
    assert torch.equal(first.rows, plain.rows)
    assert torch.equal(first.labels["kind"], plain.labels["kind"])
    expected = next(encoded(model, loader(files, None), LOOK, CPU).epoch())
    inside = first.rows[first.rows < 32]
    torch.testing.assert_close(first.pixels[first.rows < 32], expected.pixels[inside])
    assert [len(batch.rows) for batch in batches.epoch(0, 1)] == [32, 26]


def test_too_many_features_are_left_to_each_epoch(files, monkeypatch):
    monkeypatch.setattr(features, "MOST_BYTES", 1000)
    model = Model(ModelConfig("small_cnn", 24, {"kind": 3}, 16))
    assert encoded(model, loader(files), LOOK, CPU) is None
