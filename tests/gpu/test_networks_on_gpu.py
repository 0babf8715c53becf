"""What only a GPU does in training and embedding: recorded steps, bfloat16, and going on on another device."""

import numpy as np
import pytest
import torch
from PIL import Image
from scripts_by_name import script
from tiny_set import tiny_set, words

from backward_search.data.registry import Preprocessing
from backward_search.images.loading import ImageLoader
from backward_search.model.embedding import EmbeddingNetwork, outcomes
from backward_search.model.network import Model, ModelConfig
from backward_search.storage.shards import Shard
from backward_search.training import recorded
from backward_search.training.trainer import Trainer, TrainingConfig

GPU = torch.device("cuda")
LOOK = Preprocessing(size=16, augment=False)
SHAPE = ModelConfig("small_cnn", 32, {"light": 3, "shade": 3}, 16)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    files = [folder / f"{number}.png" for number in range(300)]
    for number, file in enumerate(files):
        Image.fromarray(rng.integers(0, 60 + 90 * (number % 3), (16, 16, 3), dtype=np.uint8)).save(file)
    return files


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_set(tmp_path_factory.mktemp("tiny"))


def loader(files, **more):
    labels = {name: np.arange(len(files)) % 3 for name in SHAPE.classes}
    return ImageLoader(files, labels, LOOK, batch_size=64, workers=0, seed=1, device=GPU, **more)


def trained(files, recipe):
    """The losses of four epochs, and the weights."""
    torch.manual_seed(0)
    config = TrainingConfig(4, 0.003, 1e-4, 10, 0.1, enc_update=True, seed=0, recipe=recipe)
    trainer, batches = Trainer(Model(SHAPE), config, LOOK, GPU), loader(files)
    losses = [trainer.train_epoch(batches).loss for _ in range(4)]
    return losses, trainer


@pytest.mark.parametrize("recipe", ["paper", "modern"])
def test_a_recorded_step_learns_what_the_plain_one_learns(files, recipe, monkeypatch):
    losses, trainer = trained(files, recipe)
    assert trainer._recorded._graph is not None
    monkeypatch.setattr(recorded, "SMALL", 0)
    plain, other = trained(files, recipe)
    assert other._recorded._graph is None
    assert losses == pytest.approx(plain, rel=2e-2)
    assert losses[-1] < 0.8 * losses[0]


def test_pixels_of_small_sets_lie_on_the_gpu(files):
    batches = loader(files)
    first, second = list(batches.epoch(0)), list(batches.epoch(0))
    assert {batch.pixels.device.type for batch in second} == {"cuda"}
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.pixels.cpu(), other.pixels.cpu())
        assert torch.equal(one.labels["light"].cpu(), other.labels["light"].cpu())


def test_a_trainers_memory_comes_back(files, memory):
    trained(files, "modern")  # what libraries keep stays
    before = memory()
    _, trainer = trained(files, "modern")
    assert memory() > before + 2**20
    del trainer
    assert memory() <= before + 2**20


def test_bfloat16_embeds_like_float32(files):
    _, trainer = trained(files, "paper")
    model = trainer.model.eval()
    found = {}
    for precision in ("fp32", "bf16"):
        network = EmbeddingNetwork(model, GPU, precision)
        batches = ImageLoader(files, {}, LOOK, batch_size=64, workers=0, keep=False).epoch()
        found[precision] = torch.cat(list(outcomes(network, batches, LOOK, GPU)))[:, : SHAPE.encoding_size]
    cosine = torch.nn.functional.cosine_similarity(found["fp32"], found["bf16"])
    assert cosine.min() > 0.99
    assert cosine.mean() > 0.999


@pytest.mark.parametrize(("first", "then"), [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")])
def test_a_training_goes_on_on_another_device(data, first, then, monkeypatch):
    where = f"{first}-{then}"
    whole = script("B1")(words(data, f"{where}-whole", "--device", then))
    real = Trainer.train_epoch

    def stop(self, *given):
        if self.epoch == 2:
            raise KeyboardInterrupt
        return real(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            script("B1")(words(data, where, "--device", first))
    run = script("B1")(words(data, where, "--device", then))
    rows, expected = (np.genfromtxt(each / "history.csv", delimiter=",", names=True) for each in (run, whole))
    assert rows["epoch"].tolist() == expected["epoch"].tolist() == [1, 2, 3]
    assert rows["train_loss"][-1] == pytest.approx(expected["train_loss"][-1], rel=0.5)  # dropout is another


@pytest.mark.parametrize(("first", "then"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_c1_goes_on_on_another_device(data, first, then, monkeypatch):
    script("B1")(words(data, "embedded", "--device", "cpu"))
    options = [*words(data, "embedded"), "--overwrite", "True", "--precision", "fp32", "--batch_size", "16"]
    folder = script("C1")([*options, "--device", then])
    whole = {file.name: np.load(file) for file in folder.glob("*.npy")}
    written = []
    real = Shard.write

    def stop(self, rows):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(rows)
        real(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Shard, "write", stop)
        patch.setattr("backward_search.model.passes.KEEP_SECONDS", 0)
        with pytest.raises(KeyboardInterrupt):
            script("C1")([*options, "--device", first])
    script("C1")([*options, "--device", then])
    for name, expected in whole.items():
        np.testing.assert_allclose(np.load(folder / name), expected, atol=2e-3)
