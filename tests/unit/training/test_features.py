"""Training on the features of a frozen encoder is training on the images, but for rounding."""

import numpy as np
import pytest
import torch
from PIL import Image

from backward_search.data.registry import Preprocessing
from backward_search.distributed import Group
from backward_search.errors import DataError
from backward_search.images.fitting import normalise
from backward_search.images.loading import ImageLoader
from backward_search.model.features import Features
from backward_search.model.network import Model, ModelConfig
from backward_search.training.features import FeatureLoader
from backward_search.training.trainer import Trainer, TrainingConfig

CPU, LOOK = torch.device("cpu"), Preprocessing(size=16, augment=False)
CONFIG = TrainingConfig(2, 0.01, 0.0, 10, 0.1, enc_update=False, seed=0)
KEYS = [f"a/{number}" for number in range(90)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    files = [folder / f"{number}.png" for number in range(90)]
    for file in files:
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(file)
    return files


def loader(files, seed=1, **more):
    return ImageLoader(files, {"kind": np.arange(90) % 3}, LOOK, batch_size=32, workers=0, seed=seed, **more)


def trained(files, on_features):
    torch.manual_seed(0)
    model = Model(ModelConfig("small_cnn", 24, {"kind": 3}, 16))
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    batches = loader(files)
    if on_features:
        parts = list(loader(files, None).epoch())
        with torch.no_grad():
            made = torch.cat([model.eval().encode(normalise(part.pixels, LOOK, CPU)) for part in parts])
        order = np.random.default_rng(5).permutation(90)
        features = Features(made.numpy()[order], [KEYS[row] for row in order])
        batches = FeatureLoader(batches, features, KEYS)
    trainer = Trainer(model, CONFIG, LOOK, CPU, on_features=on_features)
    results = [trainer.train_epoch(batches) for _ in range(2)]
    assert all(torch.equal(value, before[name]) for name, value in model.encoder.state_dict().items())
    return model.state_dict(), results


def test_the_weights_are_those_of_training_on_images_whatever_order_the_features_have(files):
    weights, results = trained(files, on_features=False)
    found, same = trained(files, on_features=True)
    for name, value in weights.items():
        torch.testing.assert_close(found[name], value, atol=1e-3, rtol=1e-3)
    assert [result.loss for result in same] == pytest.approx([result.loss for result in results], rel=1e-4)


def test_features_belong_to_their_rows_and_processes_share_them(files):
    features = Features(np.arange(180, dtype=np.float32).reshape(90, 2), KEYS)
    for rank in range(2):
        images = loader(files, group=Group(rank, 2))
        batches = list(FeatureLoader(images, features, KEYS).epoch(3))
        plain = list(images.epoch(3))
        for batch, expected in zip(batches, plain, strict=True):
            assert torch.equal(batch.rows, expected.rows)
            assert torch.equal(batch.labels["kind"], expected.labels["kind"])
            assert batch.weight == expected.weight
            assert batch.pixels[:, 0].tolist() == [2 * row for row in batch.rows.tolist()]
    assert [len(batch.rows) for batch in FeatureLoader(loader(files), features, KEYS).epoch(0, 1)] == [32, 26]


def test_an_image_without_features_is_refused(files):
    features = Features(np.zeros((89, 2), np.float32), KEYS[1:])
    with pytest.raises(DataError, match="no vectors of 1 images, such as a/0"):
        FeatureLoader(loader(files), features, KEYS)
