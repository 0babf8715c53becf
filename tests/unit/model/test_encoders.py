"""Every encoder has the promised size, no classifier left, and gradients only where they are asked for."""

from urllib.error import URLError

import pytest
import torch
from extras import needs
from torch import nn

from backward_search.data.registry import Preprocessing
from backward_search.errors import DataError, MissingError, OptionError
from backward_search.images.loading import Batch
from backward_search.model.encoders import build_encoder, encoder_names, feature_size, has_weights, weights_look
from backward_search.model.network import Model, ModelConfig
from backward_search.storage.tensors import save_tensors
from backward_search.training.trainer import Trainer, TrainingConfig

SIZES = {
    "resnet18": 512,
    "resnet50": 2048,
    "resnet101": 2048,
    "wide_resnet50_2": 2048,
    "wideresnet50": 2048,
    "resnext50_32x4d": 2048,
    "vgg16": 25088,
    "vgg16_bn": 25088,
    "vit_b": 768,
    "vit_b_16": 768,
    "swin_b": 1024,
    "convnext_base": 1024,
    "convnext_large": 1536,
    "regnet_y_8gf": 2016,
    "regnet_y_16gf": 3024,
    "efficientnet_b0": 1280,
    "efficientnet_b3": 1536,
    "efficientnet_b5": 2048,
    "mobilenet_v3_small": 576,
    "mobilenet_v3_large": 960,
    "densenet121": 1024,
    "efficientnet_lite0": 1280,
    "small_cnn": 128,
}


def test_every_encoder_is_listed():
    assert set(encoder_names()) == set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_output_size_and_no_classifier(name):
    if name == "efficientnet_lite0":
        needs("timm")
    real = name.startswith("regnet")  # these calculate their widths with tensors
    with torch.device("cpu" if real else "meta"):  # shapes alone: no memory, no arithmetic
        encoder = build_encoder(name, pretrained=False)
        assert feature_size(encoder, 32 if real else 224) == SIZES[name]
    linear = [module for module in encoder.modules() if isinstance(module, nn.Linear)]
    assert not any(module.out_features == 1000 for module in linear)


@pytest.mark.parametrize("final_norm", [False, True])
def test_convnext_keeps_its_last_norm_only_when_asked(final_norm):
    with torch.device("meta"):
        encoder = build_encoder("convnext_base", pretrained=False, final_norm=final_norm)
        assert feature_size(encoder, 64) == 1024
    assert any(name.startswith("classifier") for name, _ in encoder.named_parameters()) is final_norm


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "mobilenet_v3_small"])
@pytest.mark.parametrize("update", [True, False])
def test_gradients_and_statistics_only_where_asked(name, update):
    torch.manual_seed(0)
    model = Model(ModelConfig(name, 16, {"kind": 3}, 32))
    config = TrainingConfig(1, 0.01, 0.0, 10, 0.1, update, 0)
    trainer = Trainer(model, config, Preprocessing(size=32), torch.device("cpu"))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trainer.train_epoch(RandomBatches())
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert any(key.startswith("encoder.") for key in changed) is update
    assert any("running_mean" in key and key.startswith("encoder.") for key in changed) is update
    assert {"projection.0.weight", "heads.kind.0.weight"} <= changed
    assert all((parameter.grad is not None) is update for parameter in model.encoder.parameters())


class RandomBatches:
    steps = 1

    def epoch(self, epoch=0, skip=0):
        pixels = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
        yield Batch(pixels, {"kind": torch.tensor([0, 1, 2, 0])}, torch.arange(4))


def test_an_unknown_encoder_is_named_with_those_known():
    with pytest.raises(OptionError, match="convnext_base"):
        build_encoder("convnet", pretrained=False)


def test_an_image_size_that_the_encoder_refuses_is_named():
    with torch.device("meta"), pytest.raises(OptionError, match="--image_size 224"):
        feature_size(build_encoder("vit_b", pretrained=False), 32)


def test_a_download_that_breaks_off_is_one_line_with_remedies(monkeypatch, tmp_path):
    def offline(*_arguments, **_named):
        raise OSError("no network")

    monkeypatch.setattr("backward_search.model.encoders.why_unreachable", lambda _url: "")
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with torch.device("meta"), pytest.raises(MissingError, match=r"\(no network\).*FILE; or pass --pretrained False"):
        build_encoder("resnet18", pretrained=True)


def test_torchvision_weights_expect_the_data_sets_look():
    from backward_search.model.torchvision_models import models

    look = Preprocessing()
    for name in ("resnet50", "vit_b_16", "convnext_base", "vgg16_bn"):
        expected = models().get_model_weights(name)["IMAGENET1K_V1"].transforms()
        assert (tuple(expected.mean), tuple(expected.std)) == (look.mean, look.std)
    assert weights_look("convnext_base", look) == look
    assert not has_weights("small_cnn")


def test_any_model_of_timm_is_an_encoder_with_the_look_of_its_weights():
    needs("timm")
    with torch.device("meta"):
        assert feature_size(build_encoder("timm:resnet10t", pretrained=False), 64) == 512
    look = weights_look("timm:vit_tiny_patch16_224.augreg_in21k", Preprocessing(size=224, fit="squeeze"))
    assert (look.mean, look.std, look.fit) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "squeeze")
    assert (look.interpolation, look.in_json["interpolation"]) == ("bicubic", "bicubic")


def test_a_model_that_timm_does_not_know_names_the_nearest():
    needs("timm")
    with pytest.raises(OptionError, match="did you mean resnet18"):
        build_encoder("timm:resnet_18", pretrained=False)
    with pytest.raises(OptionError, match=r"resnet18\.a1_in1k"):
        build_encoder("timm:resnet18.a1_1k", pretrained=True)


@pytest.mark.parametrize("content", [b"<html>407 proxy</html>", b"", b"PK\x03\x04" + b"\0" * 2000], ids=repr)
def test_a_file_of_weights_that_is_none_is_named(content, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    file = tmp_path / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"{file} is no whole file of weights .*: delete it") as found:
        build_encoder("resnet18", pretrained=True)
    assert "\n" not in str(found.value)
    assert "weights_only" not in str(found.value)


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """Nothing answers, nothing was fetched before, and nobody may try to."""

    def refused(*_request, **_more):
        raise URLError("connection refused")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", refused)
    for place in ("torch.hub.urlopen", "torch.hub.download_url_to_file"):
        monkeypatch.setattr(place, lambda *_request, **_more: pytest.fail("asked for it all the same"))


def test_weights_out_of_reach_are_named_with_their_place(tmp_path, no_network):
    line = (
        rf"\(connection refused\): get https://\S*resnet18-f37072fd.pth on .* into {tmp_path}/checkpoints or pass it as"
    )
    with pytest.raises(MissingError, match=line):
        build_encoder("resnet18", pretrained=True)


def test_weights_of_timm_out_of_reach_are_named_at_once(tmp_path, no_network, monkeypatch):
    hub = needs("timm", "huggingface_hub")
    monkeypatch.setattr(hub, "hf_hub_download", lambda *_words, **_more: pytest.fail("asked for it all the same"))
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    file = f"{hub.constants.ENDPOINT}/timm/resnet10t.c3_in1k/resolve/main/model.safetensors"
    with pytest.raises(MissingError, match=rf"\(connection refused\): get {file} .* --pretrained FILE, or"):
        build_encoder("timm:resnet10t", pretrained=True)
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingError, match="HF_HUB_OFFLINE is set"):
        build_encoder("timm:resnet10t", pretrained=True)


def test_weights_of_timm_that_were_fetched_before_need_no_network(tmp_path, no_network, monkeypatch):
    timm = needs("timm")
    hub = needs("timm", "huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--timm--resnet10t.c3_in1k"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    state = timm.create_model("resnet10t").state_dict()
    file = save_tensors(folder / "snapshots" / "abc" / "model.safetensors", state)
    encoder = build_encoder("timm:resnet10t", pretrained=True)
    assert all(torch.equal(tensor, state[name]) for name, tensor in encoder.state_dict().items())
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"model.safetensors is no whole file of weights \(.*: delete it"):
        build_encoder("timm:resnet10t", pretrained=True)


def test_timm_comes_after_the_operators_of_torchvision(monkeypatch):
    order = []
    monkeypatch.setattr("backward_search.model.timm_models.models", lambda: order.append("torchvision"))
    monkeypatch.setattr("importlib.import_module", lambda name: order.append(name) or exec("raise ImportError"))
    with pytest.raises(OptionError, match="needs timm"):
        build_encoder("timm:resnet18", pretrained=False)
    assert order == ["torchvision", "timm"]
