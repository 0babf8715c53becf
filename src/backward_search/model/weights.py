"""An encoder's weights out of a file, whoever trained it and wherever in the file they stand."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backward_search.errors import DataError, MissingError, OptionError
from backward_search.storage.tensors import load_tensors
from backward_search.storage.torch_file import is_dense, load_plain, without_wrapping

LOG = logging.getLogger(__name__)

ENTRIES = (
    *("state_dict", "model_state_dict", "model", "model_ema", "ema", "ema_state_dict", "state_dict_ema"),
    *("teacher", "student", "net", "network", "encoder", "backbone", "module", "weights", "params"),
)
"""Where trainings keep the tensors among other things; the first that is there is taken."""
DEEPEST = 5
TOLERANCE = 0.1
"""Share of an encoder's tensors that a file may lack, or have beyond them in the encoder's own modules."""
_COUNTER = "num_batches_tracked"  # older files lack it, and evaluation does without

Respell = Callable[[Mapping[str, Tensor], nn.Module], Mapping[str, Tensor]]
"""The tensors under the encoder's own names, where a file has others; what it does not know stays as it is."""


@dataclass(frozen=True)
class Look:
    """What the weights of an encoder expect of its images, besides their size.

    Attributes:
        mean: subtracted from the channels, which lie in [0, 1].
        std: what the channels are then divided by.
        interpolation: "bilinear" or "bicubic".
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bilinear"


@dataclass(frozen=True)
class Fit:
    """How the tensors of a file met those of an encoder.

    Attributes:
        total: tensors of the encoder; of the counters that older files lack, those that the file has.
        missing: the encoder's that the file lacks, by name.
        left_over: the file's that the encoder has no place for, by their name in the file.
    """

    total: int
    missing: tuple[str, ...]
    left_over: tuple[str, ...]

    @property
    def loaded(self) -> int:
        """How many tensors of the encoder came from the file."""
        return self.total - len(self.missing)


def load_weights(encoder: nn.Module, name: str, file: Path, respell: Respell | None = None) -> Fit:
    """Load an encoder's weights, and say what was loaded, what was missing and what was left over.

    The file may hold a whole classifier, a run of ours, or what a training wrapped around the network: of all prefixes
    the one that most of the encoder's names have in the file is taken off. Half precision is cast.

    Args:
        encoder: the module, changed in place.
        name: what the encoder is called, for messages.
        file: as `read_weights` reads it.
        respell: asked where the file's names are not the encoder's.

    Raises:
        OptionError: the encoder has no tensors.
        MissingError: there is no such file.
        DataError: the file cannot be read, or does not fit: a tensor of another shape or kind, or one that is not
            finite; more than `TOLERANCE` missing, or left over in modules that the encoder has.
    """
    wanted = encoder.state_dict()
    if not wanted:
        raise OptionError(f"{name} has no weights that {file} could bring: leave --pretrained out")
    prefix, held = _prefix_and_names(encoder, wanted.keys(), read_weights(file), respell)
    inside = {key.removeprefix(prefix): tensor for key, tensor in held.items() if key.startswith(prefix)}
    total = sum(not key.endswith(_COUNTER) or key in inside for key in wanted)
    fault, missing, unexpected = _load(encoder, wanted, inside)
    if fault or (fault := _other_network(wanted, total, missing, unexpected, held)):
        raise DataError(
            f"{file} does not fit {name}: {fault}: pass a file of weights of {name}, or name the encoder that it is of "
            "by --encoder_model (timm:NAME for one of timm's)"
        )
    if bad := next((key for key, tensor in encoder.state_dict().items() if not tensor.isfinite().all()), ""):
        raise DataError(f"{file}: {prefix}{bad} has values that are not finite: get it again from where it came")
    left_over = [key for key in held if not key.startswith(prefix) or key.removeprefix(prefix) in set(unexpected)]
    fit = Fit(total, tuple(missing), tuple(left_over))
    _report(fit, name, file)
    return fit


def _load(
    encoder: nn.Module, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> tuple[str, list[str], list[str]]:
    """Load in the module's own way, which knows its older names: what does not fit, is missing, is too much."""
    if fault := _misfit(wanted, found):
        return fault, [], []
    try:
        unmatched = encoder.load_state_dict(found, strict=False)
    except RuntimeError as error:  # of a tensor that the module itself renamed
        return str(error).splitlines()[-1].strip(), [], []
    missing = [key for key in unmatched.missing_keys if not key.endswith(_COUNTER)]
    return "", missing, list(unmatched.unexpected_keys)


def _other_network(
    wanted: Iterable[str], total: int, missing: list[str], unexpected: list[str], held: Iterable[str]
) -> str:
    """Why the file must be of another network, in words; empty where enough agrees."""
    if len(missing) > TOLERANCE * total:
        return f"it lacks {len(missing)} of {total} tensors ({_listed(missing)}), and has others ({_listed(held)})"
    modules = {key.split(".")[0] for key in wanted}
    beyond = [key for key in unexpected if key.split(".")[0] in modules]
    if len(beyond) > TOLERANCE * total:
        return f"it has {len(beyond)} tensors beyond the {total} of the encoder ({_listed(beyond)})"
    return ""


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name: safetensors, or a torch file of tensors and plain data, of which nothing is run.

    Of a training's checkpoint the entry that holds the network is taken (`ENTRIES`).

    Raises:
        MissingError: there is no such file.
        DataError: it is damaged, or holds no tensors by name.
    """
    if file.is_dir():
        raise DataError(f"{file} is a folder: pass the file of weights in it")
    if not file.exists():
        raise MissingError(f"{file} does not exist")
    if _is_safetensors(file):
        return load_tensors(file, "get it again from where it came")[0]
    tensors = _tensors(load_plain(file))
    if not tensors:
        raise DataError(f"{file} holds no weights (tensors by name): pass the file of a state dict")
    return tensors


def _is_safetensors(file: Path) -> bool:
    """By its name, or by its beginning: the caches of hubs name files by their hash."""
    with file.open("rb") as opened:
        return file.suffix == ".safetensors" or opened.read(9)[8:] == b"{"  # eight bytes of length, then JSON


def _tensors(content: Any, deeper: int = DEEPEST) -> dict[str, Tensor]:
    """The tensors of a checkpoint: in the first entry known to hold them, in the only entry that does, or its own.

    Dictionaries are looked into so many levels deep, and each of a level once: they may hold one another.
    """
    if not isinstance(content, dict) or not deeper:
        return {}
    each = {id(value): value for value in content.values()}
    known = {number: _tensors(value, deeper - 1) for number, value in each.items()}
    inner = {key: known[id(value)] for key, value in content.items() if known[id(value)]}
    chosen = next((key for key in ENTRIES if key in inner), None)
    if chosen is not None or len(inner) == 1:
        return inner[next(iter(inner)) if chosen is None else chosen]
    return {key: value.detach() for key, value in content.items() if isinstance(key, str) and is_dense(value)}


def _prefix_and_names(
    encoder: nn.Module, wanted: Iterable[str], held: dict[str, Tensor], respell: Respell | None
) -> tuple[str, dict[str, Tensor]]:
    """What stands before the encoder's names in the file, and the file's tensors, respelt where that fits better."""
    names = set(wanted)
    prefix, hits = _vote(names, held)
    if respell is not None and hits < len(names):
        respelt = dict(respell(without_wrapping(held), encoder))
        other, more = _vote(names, respelt)
        if more > hits:
            return other, respelt
    return prefix, held


def _vote(wanted: set[str], held: Iterable[str]) -> tuple[str, int]:
    """The prefix that most of the wanted names have, and how many have it.

    >>> _vote({"conv1.weight", "bn1.weight"}, ["encoder.conv1.weight", "encoder.bn1.weight", "layer1.0.conv1.weight"])
    ('encoder.', 2)
    """
    votes = Counter[str]()
    for key in held:
        parts = key.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in wanted:
                votes[".".join((*parts[:start], ""))] += 1
    return max(votes.items(), key=lambda vote: vote[1]) if votes else ("", 0)


def _misfit(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """The first tensor of another shape or kind, in words."""
    for key, tensor in wanted.items():
        if key not in found or key.endswith(_COUNTER):
            continue
        other = found[key]
        if other.shape != tensor.shape:
            return f"{key} is {tuple(other.shape)} there and {tuple(tensor.shape)} here"
        if tensor.is_floating_point() and not (other.is_floating_point() and other.layout == torch.strided):
            return f"{key} is no plain tensor of decimal numbers there ({other.dtype})"
    return ""


def _report(fit: Fit, name: str, file: Path) -> None:
    left = f"; left over: {len(fit.left_over)} ({_listed(fit.left_over)})" if fit.left_over else ""
    LOG.info("loaded %d of %d tensors of %s from %s%s", fit.loaded, fit.total, name, file, left)
    if fit.missing:
        LOG.warning("%s: missing, and left as they began: %d (%s)", file, len(fit.missing), _listed(fit.missing))


def _listed(names: Iterable[str]) -> str:
    """The first three.

    >>> _listed(["a", "b", "c", "d"])
    'a, b, c, ...'
    """
    every = list(names)
    return ", ".join([*every[:3], *(["..."] if len(every) > 3 else [])])
