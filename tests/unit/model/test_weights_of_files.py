"""An encoder starts from a file of weights: those of torchvision, timm, a training's checkpoint, a run of ours."""

import logging

import pytest
import torch
from extras import needs
from published_files import Hostile
from torch import nn

from backward_search.errors import DataError, MissingError, OptionError
from backward_search.model.encoders import ENCODERS, Encoder, build_encoder
from backward_search.model.network import Model, ModelConfig
from backward_search.model.torchvision_models import models
from backward_search.model.weights import Fit, load_weights, read_weights
from backward_search.storage.tensors import save_tensors


@pytest.fixture(scope="module")
def whole():
    """A classifier of torchvision, as its files hold it."""
    torch.manual_seed(1)
    return models().get_model("resnet18").state_dict()


def started(name, file):
    """The encoder that the file starts, and how it fitted."""
    encoder = build_encoder(name, pretrained=False)
    return encoder, load_weights(encoder, name, file, ENCODERS[name].respell)


def same(encoder, state, prefix=""):
    return all(torch.equal(tensor, state[prefix + name]) for name, tensor in encoder.state_dict().items())


def test_a_classifier_of_torchvision(whole, tmp_path, caplog):
    torch.save(whole, tmp_path / "resnet18.pth")
    with caplog.at_level(logging.INFO, "backward_search"):
        encoder, fit = started("resnet18", tmp_path / "resnet18.pth")
    assert same(encoder, whole)
    assert fit == Fit(120, (), ("fc.weight", "fc.bias"))
    said = f"loaded 120 of 120 tensors of resnet18 from {tmp_path}/resnet18.pth; left over: 2 (fc.weight, fc.bias)"
    assert caplog.messages == [said]


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "basemodel.", "visual.trunk."])
@pytest.mark.parametrize("entry", ["", "state_dict", "model_state_dict", "model", "ema", "anything"])
def test_what_trainings_wrap_around_it(prefix, entry, whole, tmp_path):
    state = {prefix + name: tensor for name, tensor in whole.items()}
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], 0.1, momentum=0.9)
    others = {"epoch": 3, "best": torch.tensor(0.5), "optimizer": optimizer.state_dict()}
    torch.save({entry: state, **others} if entry else state, tmp_path / "a.pth")
    encoder, fit = started("resnet18", tmp_path / "a.pth")
    assert same(encoder, whole)
    assert (fit.loaded, fit.left_over) == (120, (f"{prefix}fc.weight", f"{prefix}fc.bias"))


def test_a_teacher_is_taken_before_its_student(whole, tmp_path):
    zeros = {name: torch.zeros_like(tensor) for name, tensor in whole.items()}
    torch.save({"student": zeros, "teacher": whole}, tmp_path / "a.pth")
    assert same(started("resnet18", tmp_path / "a.pth")[0], whole)


@pytest.mark.parametrize("encoder", ["resnet18", "small_cnn"])
def test_a_run_of_ours(encoder, tmp_path):
    torch.manual_seed(2)
    model = Model(ModelConfig(encoder, 16, {"kind": 3}, 32))
    save_tensors(tmp_path / "weights.safetensors", model.state_dict())
    found, fit = started(encoder, tmp_path / "weights.safetensors")
    assert same(found, model.encoder.state_dict())
    assert fit.missing == ()
    assert {name.split(".")[0] for name in fit.left_over} == {"projection", "heads"}


@pytest.mark.parametrize("name", ["model.safetensors", "0123abcd"])
def test_safetensors_by_name_or_content(name, whole, tmp_path):
    save_tensors(tmp_path / "a.safetensors", whole).rename(tmp_path / name)
    assert same(started("resnet18", tmp_path / name)[0], whole)


def test_half_precision_is_cast_and_counters_may_be_absent(whole, tmp_path, caplog):
    state = {name: tensor.half() for name, tensor in whole.items() if "num_batches" not in name}
    torch.save(state, tmp_path / "a.pth")
    encoder, fit = started("resnet18", tmp_path / "a.pth")
    assert fit.loaded == fit.total == 100
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert all(tensor.dtype == torch.float32 for name, tensor in encoder.state_dict().items() if name in state)
    assert torch.equal(encoder.conv1.weight, state["conv1.weight"].float())


def test_a_few_missing_are_listed(whole, tmp_path, caplog):
    torch.save({name: tensor for name, tensor in whole.items() if "bn1.bias" not in name}, tmp_path / "a.pth")
    _, fit = started("resnet18", tmp_path / "a.pth")
    assert (fit.loaded, len(fit.missing)) == (111, 9)
    assert "missing, and left as they began: 9 (bn1.bias, layer1.0.bn1.bias, layer1.1.bn1.bias, ...)" in caplog.text


@pytest.mark.parametrize("name", ["densenet121", "vit_b"])
def test_the_names_that_torchvisions_files_still_have(name, tmp_path):
    network = build_encoder(name, pretrained=False)
    state = network.state_dict()
    if name == "vit_b":
        old = {
            key.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): each
            for key, each in state.items()
        }
    else:
        old = {}
        for key, each in state.items():
            head, dot, tail = key.partition("denselayer")
            for part in ("norm1", "norm2", "conv1", "conv2"):
                tail = tail.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.")
            old[head + dot + tail] = each
    assert len(old.keys() - state.keys()) > 40
    torch.save(old, tmp_path / "a.pth")
    encoder, fit = started(name, tmp_path / "a.pth")
    assert same(encoder, state)
    assert (fit.missing, fit.left_over) == ((), ())


def test_timms_file_of_a_network_that_both_have(tmp_path):
    timm = needs("timm")
    state = timm.create_model("resnet18").state_dict()
    save_tensors(tmp_path / "model.safetensors", state)
    assert same(started("resnet18", tmp_path / "model.safetensors")[0], state)
    assert same(build_encoder("timm:resnet18", pretrained=tmp_path / "model.safetensors"), state)


def test_names_that_timm_knows_to_translate(tmp_path):
    state = needs("timm").create_model("convnext_atto").state_dict()
    torch.save({"model": {as_its_authors_have_it(key): each for key, each in state.items()}}, tmp_path / "a.pth")
    assert same(build_encoder("timm:convnext_atto", pretrained=tmp_path / "a.pth"), state)


def as_its_authors_have_it(name):
    """A name of timm's ConvNeXt."""
    if "downsample" in name:
        return name.replace("stages.", "downsample_layers.").replace("downsample.", "")
    for ours, theirs in (
        *((".blocks.", "."), ("stem.", "downsample_layers.0."), ("conv_dw", "dwconv")),
        *(("mlp.fc1", "pwconv1"), ("mlp.fc2", "pwconv2"), ("head.norm", "norm"), ("head.fc", "head")),
    ):
        name = name.replace(ours, theirs)
    return name


@pytest.mark.parametrize(
    ("of", "encoder", "line"),
    [
        ("resnet50", "resnet18", r"layer1.0.conv1.weight is \(64, 64, 1, 1\) there and \(64, 64, 3, 3\) here"),
        ("resnet101", "resnet50", r"it has 306 tensors beyond the 318 of the encoder \(layer3.6.conv1.weight, "),
        ("resnet50", "resnet101", r"it lacks 255 of 573 tensors \(layer3.6.conv1.weight, "),
        ("resnet18", "vgg16", r"it lacks 26 of 26 tensors \(features.0.weight, .* has others \(conv1.weight"),
    ],
)
def test_a_file_of_another_network_is_one_line(of, encoder, line, tmp_path):
    torch.save(models().get_model(of).state_dict(), tmp_path / "a.pth")
    with pytest.raises(DataError, match=rf"{tmp_path}/a.pth does not fit {encoder}: {line}.*: pass a file") as found:
        started(encoder, tmp_path / "a.pth")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(value, whole, tmp_path):
    state = {name: tensor.clone() for name, tensor in whole.items()}
    state["layer2.0.conv1.weight"][3, 1] = value
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(DataError, match=r"a.pth: layer2.0.conv1.weight has values that are not finite"):
        started("resnet18", tmp_path / "a.pth")


def test_whole_numbers_are_no_weights(whole, tmp_path):
    torch.save(whole | {"conv1.weight": whole["conv1.weight"].to(torch.int8)}, tmp_path / "a.pth")
    with pytest.raises(DataError, match=r"conv1.weight is no plain tensor of decimal numbers there \(torch.int8\)"):
        started("resnet18", tmp_path / "a.pth")


def test_code_in_a_file_is_not_run(whole, tmp_path):
    torch.save({"state_dict": whole, "more": Hostile(tmp_path / "mark")}, tmp_path / "a.pth")
    torch.save(models().get_model("resnet18"), tmp_path / "b.pth")
    for name in ("a.pth", "b.pth"):
        with pytest.raises(DataError, match="is not read"):
            started("resnet18", tmp_path / name)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>407</html>", b"PK\x03\x04" + bytes(2000), b"\x08" + bytes(7) + b"{}"])
def test_a_file_that_is_none_is_named(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} .*get it again|{name} .*get a copy") as found:
        read_weights(tmp_path / name)
    assert "\n" not in str(found.value)


def test_a_folder_nothing_and_no_tensors(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        read_weights(tmp_path)
    with pytest.raises(MissingError, match="does not exist"):
        read_weights(tmp_path / "a.pth")
    for content in ([1, 2], {"epoch": 3}, {}):
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(DataError, match="holds no weights"):
            read_weights(tmp_path / "a.pth")


def test_an_encoder_of_another_package_takes_files_too(tmp_path):
    ENCODERS.register("linear", Encoder(lambda _pretrained, _final_norm: nn.Sequential(nn.Flatten(), nn.Linear(12, 2))))
    ENCODERS.register("flat", Encoder(lambda _pretrained, _final_norm: nn.Flatten()))
    try:
        torch.save({"0.weight": torch.ones(2, 12), "0.bias": torch.ones(2)}, tmp_path / "a.pth")
        with pytest.raises(DataError, match=r"a.pth does not fit linear: it lacks 2 of 2 tensors \(1.weight, 1.bias\)"):
            build_encoder("linear", pretrained=tmp_path / "a.pth")
        torch.save({"1.weight": torch.ones(2, 12), "1.bias": torch.ones(2)}, tmp_path / "a.pth")
        assert build_encoder("linear", pretrained=tmp_path / "a.pth")[1].weight.sum() == 24
        with pytest.raises(OptionError, match="flat has no weights that"):
            build_encoder("flat", pretrained=tmp_path / "a.pth")
    finally:
        ENCODERS.unregister("linear")
        ENCODERS.unregister("flat")
