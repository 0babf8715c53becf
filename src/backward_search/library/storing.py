"""A searcher on disk: tensors as safetensors, arrays as .npy, the rest as JSON; nothing that a reader would execute."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backward_search.context.network import ContextConfig, ContextMap
from backward_search.errors import DataError, MissingError
from backward_search.library.checks import finite_rows, keys_of, number_of
from backward_search.library.memory import MemorySource
from backward_search.methods.assembler import Choice
from backward_search.methods.config import Aim
from backward_search.methods.source import Embedded
from backward_search.model.network import Head
from backward_search.storage.atomic import read_json, write_array, write_json
from backward_search.storage.mapped import mapped
from backward_search.storage.tensors import load_tensors, save_tensors
from backward_search.student.network import Student, StudentConfig

FORMAT = 1
MAIN = "searcher.json"
AGAIN = "save the searcher again"


@dataclass(frozen=True)
class Stored:
    """A searcher as it lies on disk.

    Attributes:
        source: its parts.
        keys: of the gallery.
        lambda_: of a search, unless one is given.
        strengths: those that had been chosen.
    """

    source: MemorySource
    keys: list[Any] | None
    lambda_: float
    strengths: Mapping[Choice, float]


def save(
    source: MemorySource,
    keys: Sequence[Any] | None,
    lambda_: float,
    folder: Path,
    strengths: Mapping[Choice, float],
) -> Path:
    """Write the parts of a searcher.

    `searcher.json` holds labels, keys, temperatures and chosen strengths; `heads.safetensors` and
    `students.safetensors` the weights; `gallery.npy` and `training.npy` the embeddings, with their class ids and logits
    beside them; `means.safetensors` the class means; `context.safetensors` the context map, once it has been learnt.
    Our own heads, linear layers and chains of linear layers, ReLU, Tanh and Sigmoid come back by themselves; of any
    other module the weights are written, and `load` has to be given the module.

    Args:
        source: the parts.
        keys: of the gallery.
        lambda_: of a search, unless one is given.
        folder: where to; it is made.
        strengths: those that have been chosen.

    Raises:
        ValueError: the keys are neither texts nor whole numbers.
        DataError: the folder's place is taken by a file.
    """
    if keys is not None and not all(isinstance(key, str | int) for key in keys):
        raise ValueError("keys have to be texts or whole numbers to be saved")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise DataError(f"{folder} is no folder, or lies in a file: name another") from None
    (folder / MAIN).unlink(missing_ok=True)
    content: dict[str, Any] = {"format": FORMAT, "labels": source.classes, "keys": keys, "lambda": lambda_}
    content["temperatures"] = source.temperatures
    content["strengths"] = [{**asdict(choice), "value": value} for choice, value in strengths.items()]
    content["heads"] = {name: described(module) for name, module in source.modules.items()}
    _save_states(folder / "heads.safetensors", source.modules)
    content["students"] = _save_students(folder, source)
    for what, images in (("gallery", source.shown), ("training", source.training)):
        if images is not None:
            content[what] = _save_images(folder, what, images, list(source.classes))
    if source.held_out is not None:
        write_array(folder / "held_out.npy", source.held_out.cpu().numpy())
    content["held_out"] = source.held_out is not None
    save_tensors(folder / "means.safetensors", _means(source))
    content["tags"] = source.tags
    content["context"] = _save_context(folder, source.known_context)
    write_json(folder / MAIN, content)  # last: without it nothing has been saved
    return folder


def load(folder: Path, heads: Mapping[str, Any] | None = None, **where: Any) -> Stored:
    """Read what `save` wrote.

    Args:
        folder: its folder.
        heads: modules of the saved shapes, for the heads that are no chain of known layers; their weights are replaced.
        where: engine, shortlist and device of the source.

    Raises:
        MissingError: there is none, or a head or a file is missing.
        DataError: a file is damaged, or does not fit the others.
    """
    if not (folder / MAIN).exists():
        raise MissingError(f"no searcher in {folder}: name the folder that save() wrote")
    content = read_json(folder / MAIN)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{folder / MAIN} is no searcher of this version: {AGAIN}")
    try:
        source = _source(folder, content, heads or {}, where)
        lambda_, keys = number_of(content["lambda"], "lambda"), content["keys"]
        keys = None if keys is None else keys_of(keys, len(source.gallery))
        strengths = dict(map(_chosen, content.get("strengths", [])))
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{folder} holds no whole searcher ({reason}): {AGAIN}") from None
    return Stored(source, keys, lambda_, strengths)


def _chosen(stored: Mapping[str, Any]) -> tuple[Choice, float]:
    """A strength, and what it was chosen for."""
    aim = Aim.parsed(f"{stored['aim']['kind']}={stored['aim']['share']}")
    knobs = tuple((str(option), number_of(value, option)) for option, value in stored["knobs"])
    choice = Choice(stored["method"], tuple(stored["names"]), aim, int(stored["seed"]), knobs)
    return choice, number_of(stored["value"], "a chosen strength")


def _source(
    folder: Path, content: Mapping[str, Any], heads: Mapping[str, Any], where: Mapping[str, Any]
) -> MemorySource:
    training, gallery = content.get("training"), _array(folder, "gallery")
    source = MemorySource(
        _load_heads(folder, content["heads"], heads),
        content["labels"],
        gallery,
        truth=_ids(folder, "gallery", content["gallery"]),
        training=None if training is None else (_array(folder, "training"), _ids(folder, "training", training)),
        held_out=_array(folder, "held_out") if content["held_out"] else None,
        temperatures=content["temperatures"],
        students=_load_students(folder, content["students"], gallery.shape[1]),
        tags=content.get("tags"),
        context=_load_context(folder, content.get("context")),
        **where,
    )
    for what, images in (("gallery", source.shown), ("training", source.training)):
        for number, name in enumerate(content[what]["attributes"] if images is not None else ()):
            logits = _array(folder, f"{what}-logits-{number}")
            if images is None or logits.shape != (len(images.embeddings), len(source.classes[name])):
                raise ValueError(f"{what}-logits-{number}.npy has the shape {tuple(logits.shape)}")
            finite_rows(logits, f"{what}-logits-{number}.npy")
            source.keep_logits(what, name, logits)
    means = {
        key: value.to(source.shown.embeddings) for key, value in load_tensors(folder / "means.safetensors")[0].items()
    }
    source.known_means = {name: means[f"class {number}"] for number, name in enumerate(source.classes)}
    source.known_mean = means["mean"]
    _check_means(source)
    return source


def _means(source: MemorySource) -> dict[str, Tensor]:
    """The mean of the training embeddings, and by attribute's number those of its classes less it."""
    found = source.means(list(source.classes))
    each = {f"class {number}": found.centred[name] for number, name in enumerate(source.classes)}
    return {"mean": found.mean, **each}


def _check_means(source: MemorySource) -> None:
    width = source.shown.embeddings.shape[1]
    if source.known_mean is None or source.known_mean.shape != (width,):
        raise ValueError("means.safetensors has a mean of another shape")
    finite_rows(source.known_mean[None], "the mean of all embeddings")
    for name, means in (source.known_means or {}).items():
        if means.shape != (len(source.classes[name]), width):
            raise ValueError(f"means.safetensors has {tuple(means.shape)} for {name}")
        finite_rows(means, f"the class means of {name}")


def described(module: nn.Module) -> list[dict[str, Any]] | None:
    """The layers of a head as JSON; None for a module that is more than a chain of them."""
    if isinstance(module, Head):
        return [{"layer": "Head", "size": module[0].in_features, "classes": module[-1].out_features}]
    layers = list(module) if type(module) is nn.Sequential else [module]
    found = []
    for layer in layers:
        if type(layer) is nn.Linear:
            sizes = {"size": layer.in_features, "out": layer.out_features, "bias": layer.bias is not None}
            found.append({"layer": "Linear", **sizes})
        elif type(layer) in PLAIN.values():
            found.append({"layer": type(layer).__name__})
        else:
            return None
    return found


PLAIN: dict[str, type[nn.Module]] = {"ReLU": nn.ReLU, "Tanh": nn.Tanh, "Sigmoid": nn.Sigmoid}


def _built(layers: list[dict[str, Any]], alone: bool) -> nn.Module:
    made: list[nn.Module] = []
    for each in layers:
        if each["layer"] == "Head":
            return Head(each["size"], each["classes"])
        if each["layer"] == "Linear":
            made.append(nn.Linear(each["size"], each["out"], bias=each["bias"]))
        else:
            made.append(PLAIN[each["layer"]]())
    return made[0] if alone else nn.Sequential(*made)


def _save_states(place: Path, modules: Mapping[str, nn.Module]) -> None:
    tensors: dict[str, Tensor] = {}
    for number, module in enumerate(modules.values()):  # an attribute's name may hold any character
        tensors |= {f"{number}.{key}": value.contiguous() for key, value in module.state_dict().items()}
    save_tensors(place, tensors)


def _load_heads(folder: Path, stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, nn.Module]:
    tensors, _ = load_tensors(folder / "heads.safetensors")
    modules = {}
    for number, (name, layers) in enumerate(stored.items()):
        prefix = f"{number}."
        own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        module = copy.deepcopy(given.get(name)) if layers is None else _built(layers, alone="weight" in own)
        if module is None:
            raise MissingError(f"the head of {name} is a module of your own: pass heads={{{name!r}: module}}")
        module.load_state_dict(own)
        modules[name] = module.to(next(iter(own.values())).dtype)
    return modules


def _save_students(folder: Path, source: MemorySource) -> list[dict[str, Any]]:
    found, modules = [], {}
    for names, frozen in source.students.items():
        student = frozen.student
        modules["+".join(names)] = student
        found.append({"attributes": list(names), "classes": list(student.classes), **asdict(student.config)})
    if modules:
        _save_states(folder / "students.safetensors", modules)
    return found


def _load_students(folder: Path, stored: list[dict[str, Any]], size: int) -> dict[tuple[str, ...], Student]:
    """The students by their attributes, of embeddings of a size."""
    students = {}
    tensors = load_tensors(folder / "students.safetensors")[0] if stored else {}
    for number, each in enumerate(stored):
        own = {key.removeprefix(f"{number}."): value for key, value in tensors.items() if key.startswith(f"{number}.")}
        lambdas = None if each["lambda_range"] is None else tuple(each["lambda_range"])
        shape = StudentConfig(each["hidden"], each["depth"], each["output"], lambdas)
        student = Student(size, each["classes"], shape)
        student.load_state_dict(own)
        students[tuple(each["attributes"])] = student
    return students


def _save_context(folder: Path, context: ContextMap | None) -> dict[str, Any] | None:
    """Write a context map, if there is one; its shape."""
    if context is None:
        return None
    save_tensors(folder / "context.safetensors", context.state_dict())
    return asdict(context.config)


def _load_context(folder: Path, stored: Mapping[str, Any] | None) -> ContextMap | None:
    if stored is None:
        return None
    context = ContextMap(ContextConfig(**{**stored, "attributes": tuple(stored["attributes"])}))
    tensors = load_tensors(folder / "context.safetensors")[0]
    context.load_state_dict(tensors)
    if not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise ValueError("the context map has weights that are no finite numbers")
    return context.requires_grad_(False)


def _save_images(folder: Path, what: str, images: Embedded, names: list[str]) -> dict[str, Any]:
    """Embeddings, class ids and logits; an attribute is a number in the files' names."""
    write_array(folder / f"{what}.npy", images.embeddings.cpu().numpy())
    for number, name in enumerate(names):
        write_array(folder / f"{what}-logits-{number}.npy", images.logits(name).cpu().numpy())
        if name in images.ids:
            write_array(folder / f"{what}-ids-{number}.npy", images.ids[name].cpu().numpy())
    return {"attributes": names, "labelled": [name for name in names if name in images.ids]}


def _ids(folder: Path, what: str, stored: Mapping[str, Any]) -> dict[str, Tensor]:
    numbers = {name: number for number, name in enumerate(stored["attributes"])}
    return {name: _array(folder, f"{what}-ids-{numbers[name]}") for name in stored["labelled"]}


def _array(folder: Path, stem: str) -> Tensor:
    return torch.from_numpy(np.array(mapped(folder / f"{stem}.npy", AGAIN)))
