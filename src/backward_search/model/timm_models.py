"""timm's models: any of them by its name, with its published weights or without."""

import difflib
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from backward_search.errors import DataError, MissingError, OptionError
from backward_search.extras import how_to_install
from backward_search.model.torchvision_models import models
from backward_search.model.weights import Look
from backward_search.storage.fetching import why_unreachable

PREFIX = "timm:"
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # as timm looks for them


def import_timm(encoder: str, extra: str = "timm") -> ModuleType:
    """Import timm, for the encoder of this name.

    Raises:
        OptionError: it is not installed.
    """
    models()  # timm imports torchvision, which may need its operators declared
    try:
        return importlib.import_module("timm")
    except ImportError:
        raise OptionError(f"--encoder_model {encoder} needs timm: {how_to_install(extra)}") from None


def published(name: str) -> Any:
    """The description that timm has of the weights of a model; None where it has no words for any.

    Raises:
        OptionError: timm is not installed, or does not know the name.
    """
    timm = import_timm(f"{PREFIX}{name}")
    try:
        if timm.is_model(name.split(".")[0]):
            return timm.get_pretrained_cfg(name)
    except RuntimeError:  # it knows the model, but no weights of this tag
        pass
    near = difflib.get_close_matches(name, [*timm.list_models(), *timm.list_pretrained()], n=3)
    raise OptionError(
        f"--encoder_model {PREFIX}{name} is not a model of timm {timm.__version__}"
        + (f": did you mean {', '.join(near)}?" if near else ": timm.list_models() lists them")
    )


def look_of(name: str) -> Look | None:
    """What a model's weights expect of its images.

    Raises:
        OptionError: timm is not installed, or does not know the name.
    """
    cfg = published(name)
    if cfg is None:
        return None
    return Look(tuple(cfg.mean), tuple(cfg.std), "bicubic" if cfg.interpolation == "bicubic" else "bilinear")


def build(name: str, pretrained: bool) -> nn.Module:
    """A model without its classifier.

    Raises:
        OptionError: timm is not installed, or does not know the name.
        MissingError: the weights are not on this machine, and cannot be fetched.
        DataError: the file of weights on this machine is none.
    """
    cfg, timm = published(name), import_timm(f"{PREFIX}{name}")
    if not pretrained:
        network: nn.Module = timm.create_model(name, num_classes=0)
        return network
    if cfg is None or not cfg.has_weights:
        raise MissingError(f"timm has no weights of {name}: pass --pretrained FILE with some, or --pretrained False")
    file, url = _at_hand(cfg)
    if file is None and (reason := _why_out_of_reach(url)):
        raise MissingError(
            f"the weights of {PREFIX}{name} cannot be downloaded ({reason}): get {url} on another machine and pass "
            "it as --pretrained FILE, or pass --pretrained False"
        )
    at_hand = {} if file is None or cfg.custom_load else {"pretrained_cfg_overlay": {"file": str(file)}}
    try:
        network = timm.create_model(name, pretrained=True, num_classes=0, **at_hand)
    except Exception as error:  # of whichever library timm downloads or reads with
        reason = next(iter(str(error).splitlines()), type(error).__name__).split(". ")[0]
        if file is not None:
            raise DataError(
                f"{file} is no whole file of weights ({reason}): delete it, and run the same command again to download "
                "it, or pass --pretrained False"
            ) from None
        raise MissingError(
            f"the weights of {PREFIX}{name} cannot be had ({reason}): get {url} in another way and pass it as "
            "--pretrained FILE, or pass --pretrained False"
        ) from None
    return network


def respelt(state: Mapping[str, Tensor], network: nn.Module) -> Mapping[str, Tensor]:
    """Tensors as the authors of a model named them, under timm's names, where timm has a function that knows how."""
    rename = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if rename is None:
        return state
    try:
        renamed: Mapping[str, Tensor] = rename(dict(state), network)
    except Exception:  # of a function that met other names than it knows
        return state
    return renamed


def _at_hand(cfg: Any) -> tuple[Path | None, str]:
    """The file of weights, where it was fetched before, and where it is published."""
    if not cfg.hf_hub_id:
        file = Path(torch.hub.get_dir()) / "checkpoints" / cfg.url.rpartition("/")[2]
        return (file if file.is_file() else None), cfg.url
    hub = importlib.import_module("huggingface_hub")  # timm needs it
    repository, _, revision = cfg.hf_hub_id.partition("@")
    names = (cfg.hf_hub_filename,) if cfg.hf_hub_filename else _HUB_FILES
    found = (hub.try_to_load_from_cache(repository, each, revision=revision or None) for each in names)
    file = next((Path(each) for each in found if isinstance(each, str)), None)
    return file, hub.hf_hub_url(repository, names[0], revision=revision or None)


def _why_out_of_reach(url: str) -> str:
    constants = importlib.import_module("huggingface_hub.constants")
    if constants.HF_HUB_OFFLINE and url.startswith(constants.ENDPOINT):
        return "HF_HUB_OFFLINE is set, and it is not in the cache"
    return why_unreachable(url)
