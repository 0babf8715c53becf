"""The encoders: torchvision classification networks without their classifier, any of timm's, a small one of our own.

Each of torchvision's is one line of `_TORCHVISION`: the name of the constructor, its weights, and the module that is
taken out. What is left maps images (B, 3, H, W) to features (B, d).
"""

import dataclasses
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn

from backward_search.data.registry import Preprocessing
from backward_search.errors import DataError, MissingError, OptionError
from backward_search.model import efficientnet_lite, timm_models
from backward_search.model.torchvision_models import models
from backward_search.model.weights import Look, Respell, load_weights
from backward_search.registry import Registry
from backward_search.storage.fetching import why_unreachable

Start = bool | str | Path
"""What an encoder starts from: its published weights, nothing, or a file of weights."""

_TIMM = timm_models.PREFIX


@dataclass(frozen=True)
class _Torchvision:
    """How a torchvision model becomes an encoder.

    Attributes:
        constructor: its name in `torchvision.models`.
        classifier: the module that is replaced.
        weights: the name of its pretrained weights.
        respell: what files of its weights need, whose names are not those of its modules.
    """

    constructor: str
    classifier: str
    weights: str = "IMAGENET1K_V1"
    respell: Respell | None = None


def _respelt_densenet(state: Mapping[str, Tensor], _network: nn.Module) -> dict[str, Tensor]:
    """The tensors of a DenseNet as torchvision's files still name them, under the names of its modules."""
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)")
    return {old.sub(r"\1\2", name): tensor for name, tensor in state.items()}


_TORCHVISION = {
    "resnet18": _Torchvision("resnet18", "fc"),
    "resnet50": _Torchvision("resnet50", "fc"),
    "resnet101": _Torchvision("resnet101", "fc"),
    "wide_resnet50_2": _Torchvision("wide_resnet50_2", "fc", "DEFAULT"),
    "resnext50_32x4d": _Torchvision("resnext50_32x4d", "fc"),
    "vgg16": _Torchvision("vgg16", "classifier"),
    "vgg16_bn": _Torchvision("vgg16_bn", "classifier"),
    "vit_b": _Torchvision("vit_b_16", "heads"),
    "swin_b": _Torchvision("swin_b", "head"),
    "convnext_base": _Torchvision("convnext_base", "classifier"),
    "convnext_large": _Torchvision("convnext_large", "classifier"),
    "regnet_y_8gf": _Torchvision("regnet_y_8gf", "fc"),
    "regnet_y_16gf": _Torchvision("regnet_y_16gf", "fc", "IMAGENET1K_SWAG_E2E_V1"),
    "efficientnet_b0": _Torchvision("efficientnet_b0", "classifier"),
    "efficientnet_b3": _Torchvision("efficientnet_b3", "classifier"),
    "efficientnet_b5": _Torchvision("efficientnet_b5", "classifier"),
    "mobilenet_v3_small": _Torchvision("mobilenet_v3_small", "classifier"),
    "mobilenet_v3_large": _Torchvision("mobilenet_v3_large", "classifier"),
    "densenet121": _Torchvision("densenet121", "classifier", respell=_respelt_densenet),
}
_ALIASES = {"wideresnet50": "wide_resnet50_2", "vit_b_16": "vit_b"}


class SmallCNN(nn.Sequential):
    """Four 3x3 convolutions for images of some 50 pixels: (B, 3, H, W) -> (B, 128)."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        """Stack the blocks; each but the last halves the image."""
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *widths), widths, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
        super().__init__(*layers[:-1], nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * widths[-1], widths[-1]))


@dataclass(frozen=True)
class Encoder:
    """An encoder that can be named.

    Attributes:
        build: makes the module from images (B, 3, H, W), normalised, to features (B, d); it is told whether to start
            from pretrained weights, and whether ConvNeXt keeps its last LayerNorm.
        has_weights: whether there are pretrained weights.
        look: what these expect of images; None where that is what the data sets' preprocessing does.
        respell: the tensors of a file of weights under the names of the module, where files have others.
    """

    build: Callable[[bool, bool], nn.Module]
    has_weights: bool = False
    look: Look | None = None
    respell: Respell | None = None


ENCODERS: Registry[Encoder] = Registry("encoder", {})
"""By name, but for those of timm; another package adds one by `ENCODERS.register(name, Encoder(build))`."""


def encoder_names() -> list[str]:
    """The names that `build_encoder` takes, besides `timm:` and the name of a model of timm."""
    return list(ENCODERS)


def has_weights(name: str) -> bool:
    """Whether an encoder can start from pretrained weights."""
    return name.startswith(_TIMM) or name not in ENCODERS or ENCODERS[name].has_weights


def build_encoder(name: str, *, pretrained: Start, final_norm: bool = False) -> nn.Module:
    """Build an encoder.

    Args:
        name: one of `encoder_names()`, or `timm:` and a name that timm knows.
        pretrained: start from ImageNet weights, which torchvision or timm downloads once, or from a file of weights,
            as `weights.load_weights` takes it.
        final_norm: keep the LayerNorm between ConvNeXt's pooling and its classifier (the published model drops it).

    Returns:
        A module that maps images (B, 3, H, W), normalised, to features (B, d).

    Raises:
        OptionError: the name is unknown, or what the encoder needs is not installed.
        MissingError: the pretrained weights cannot be downloaded, or there is no such file.
        DataError: the file of pretrained weights is none, or not of this encoder.
    """
    encoder = _find(name)
    if isinstance(pretrained, bool):
        return encoder.build(pretrained, final_norm)
    network = encoder.build(False, final_norm)
    load_weights(network, name, Path(pretrained), encoder.respell)
    return network


def _find(name: str) -> Encoder:
    if name.startswith(_TIMM):
        return _of_timm(name.removeprefix(_TIMM))
    if name not in ENCODERS:
        raise OptionError(
            f"--encoder_model {name} is not known: known are {', '.join(encoder_names())}, and {_TIMM}NAME"
        )
    return ENCODERS[name]


def _of_timm(model: str) -> Encoder:
    look = timm_models.look_of(model)
    return Encoder(lambda pretrained, _: timm_models.build(model, pretrained), True, look, timm_models.respelt)


def _of_torchvision(row: _Torchvision) -> Encoder:
    """A model of torchvision without its classifier."""

    def build(pretrained: bool, final_norm: bool) -> nn.Module:
        """The network, whose classifier is replaced."""
        network = _torchvision(row, pretrained)
        head = getattr(network, row.classifier)
        setattr(network, row.classifier, _without_classifier(head, final_norm))
        return network

    return Encoder(build, has_weights=True, respell=row.respell)


for _name, _row in _TORCHVISION.items():
    ENCODERS.register(_name, _of_torchvision(_row))
for _alias, _name in _ALIASES.items():
    ENCODERS.register(_alias, ENCODERS[_name])
ENCODERS.register(
    efficientnet_lite.NAME,
    Encoder(efficientnet_lite.build, True, efficientnet_lite.LOOK, efficientnet_lite.respelt),
)
ENCODERS.register("small_cnn", Encoder(lambda _pretrained, _final_norm: SmallCNN()))


def _torchvision(row: _Torchvision, pretrained: bool) -> nn.Module:
    if not pretrained:
        network: nn.Module = models().get_model(row.constructor)
        return network
    weights = models().get_model_weights(row.constructor)[row.weights]
    file = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    reason = "" if file.is_file() else why_unreachable(weights.url)
    if not reason:
        try:
            network = models().get_model(row.constructor, weights=weights)
        except (URLError, OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError, LookupError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__).split(". ")[0]  # PyTorch says much more
        else:
            return network
    if file.is_file():
        raise DataError(
            f"{file} is no whole file of weights ({reason}): delete it, and run the same command again to "
            "download it, or pass --pretrained False"
        )
    raise MissingError(
        f"the ImageNet weights of {row.constructor} cannot be downloaded ({reason}): get {weights.url} on another "
        f"machine, and put it into {file.parent} or pass it as --pretrained FILE; or pass --pretrained False"
    )


def weights_look(name: str, look: Preprocessing) -> Preprocessing:
    """What an encoder's pretrained weights expect of its images, in place of the data set's mean and deviation.

    All of torchvision's were trained on ImageNet's, which are the data sets' too; others state theirs.
    """
    expected = _find(name).look
    return look if expected is None else dataclasses.replace(look, **dataclasses.asdict(expected))


def _without_classifier(head: nn.Module, final_norm: bool) -> nn.Module:
    """What stays of a classifier: nothing, but of ConvNeXt's (norm, flatten, linear) the flattening, maybe the norm."""
    parts = list(head.children())
    flatten = next((part for part in parts if isinstance(part, nn.Flatten)), None)
    if flatten is None:
        return nn.Identity()
    return nn.Sequential(parts[0], flatten) if final_norm else flatten


@torch.no_grad()
def feature_size(encoder: nn.Module, image_size: int) -> int:
    """The number d of features that an encoder makes of an image.

    Raises:
        OptionError: the encoder does not take images of this size.
    """
    was_training = encoder.training
    try:
        features: Tensor = encoder.eval()(torch.zeros(1, 3, image_size, image_size))
    except (RuntimeError, AssertionError) as error:
        reason = f"the encoder takes no images of {image_size} pixels ({error})"
        size = getattr(encoder, "pretrained_cfg", {}).get("input_size", (3, 224, 224))[-1]
        raise OptionError(f"{reason}: pass --image_size {size}") from None
    encoder.train(was_training)
    return features.shape[1]
