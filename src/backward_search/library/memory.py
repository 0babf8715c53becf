"""Heads and embeddings in memory as what an assembler draws on."""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backward_search.errors import MissingError
from backward_search.gallery.memory import Engine, Gallery
from backward_search.library.checks import class_ids, finite_rows, matrix
from backward_search.methods.asking import LABELS, STUDENT
from backward_search.methods.concept import ClassMeans
from backward_search.methods.config import AnswerConfig
from backward_search.methods.source import Embedded, means_of
from backward_search.model.network import Head
from backward_search.once import Once
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.modules import ModuleHeads
from backward_search.solvers.protocol import Heads
from backward_search.student.frozen import FrozenStudent
from backward_search.student.network import Student

BLOCK = 4096
"""Embeddings that go through a head at once."""
LOOKED_AT = 64
"""Embeddings on which a head is looked at when it is taken."""

StudentKey = tuple[str, ...]
"""The conditioned attributes of a student, in order."""


class MemorySource:
    """A gallery, heads, and perhaps training images and students, in memory; see `methods.source.Source`."""

    def __init__(
        self,
        heads: Mapping[str, Any],
        labels: Mapping[str, Sequence[str]],
        gallery: Any,
        *,
        truth: Mapping[str, Any] | None = None,
        training: tuple[Any, Mapping[str, Any]] | None = None,
        held_out: Any = None,
        temperatures: Mapping[str, float] | None = None,
        students: Mapping[StudentKey, Student] | None = None,
        engine: Engine | None = None,
        shortlist: int = 0,
        device: torch.device | None = None,
    ) -> None:
        """Check the parts and take them; see `searcher.Searcher`.

        Raises:
            ValueError: a part is damaged, or they do not fit together.
        """
        place = device or torch.device("cpu")
        vectors = matrix(gallery, "gallery").to(place)
        finite_rows(vectors, "gallery")
        if set(heads) != set(labels):
            raise ValueError(f"heads are of {sorted(heads)}, labels of {sorted(labels)}")
        if not heads:
            raise ValueError("there are no heads: give one for each attribute")
        self.classes = {name: _checked_labels(name, labels[name]) for name in heads}
        self.modules = {name: _frozen(name, head, vectors, len(self.classes[name])) for name, head in heads.items()}
        self.temperatures = _checked_temperatures(temperatures or {}, self.classes)
        self.gallery = Gallery(vectors, engine, shortlist)
        self.students = {tuple(names): FrozenStudent(copy.deepcopy(each)) for names, each in (students or {}).items()}
        self._once = Once()
        self.known_mean: Tensor | None = None
        self.known_means: dict[str, Tensor] | None = None
        self.shown = self._embedded("gallery", vectors, truth or {})
        self.training: Embedded | None = None
        self.held_out: Tensor | None = None
        if training is not None:
            self._take_training(*training, held_out)

    @property
    def trained(self) -> Embedded:
        """The training images; the gallery, where there are none."""
        return self.shown if self.training is None else self.training

    def means(self, names: Sequence[str]) -> ClassMeans:
        """The class means of the training images in some attributes: those that were saved, or made now."""
        if self.known_means is None or self.known_mean is None:
            return means_of(self.trained, names, self.classes)
        place = self.shown.embeddings
        return ClassMeans(self.known_mean.to(place), {name: self.known_means[name].to(place) for name in names})

    def heads(self, names: Sequence[str], *, calibrated: bool) -> Heads:
        """The heads of some attributes: our own in one product, any others as modules."""
        modules = [self.modules[name] for name in names]
        scales = [self.temperatures.get(name, 1.0) for name in names] if calibrated else None
        vectors = self.shown.embeddings
        if all(isinstance(module, Head) for module in modules):
            return FrozenHeads.of(modules, vectors.device, vectors.dtype, scales)  # type: ignore[arg-type]
        most = max(len(self.classes[name]) for name in names)
        return ModuleHeads(tuple(modules), most, None if scales is None else tuple(scales))

    def student(self, names: Sequence[str], config: AnswerConfig) -> FrozenStudent:
        """The student of some attributes.

        Raises:
            MissingError: there is none.
        """
        if words := self.lacks(STUDENT, names, config):
            raise MissingError(words)
        return self.students[tuple(names)]

    def lacks(self, need: str, names: Sequence[str], config: AnswerConfig) -> str:
        """Why what a method needs is not there; see `methods.source.Source`."""
        del config
        if need == STUDENT and tuple(names) not in self.students:
            return f"there is no student of {'+'.join(names)}: give one, or use the teacher"
        unknown = [name for name in names if name not in self.shown.ids]
        if need == LABELS and unknown:
            return (
                f"the gallery's true labels of {', '.join(unknown)} are not known: give truth={{{unknown[0]!r}: ...}}"
            )
        return ""

    def keep_logits(self, what: str, name: str, logits: Tensor) -> None:
        """Take the logits (N, K) of an attribute as known, so that its head is not asked.

        Args:
            what: gallery or training.
            name: the attribute.
            logits: theirs.
        """
        self._once((what, name), lambda: logits.to(self.shown.embeddings))

    def _take_training(self, embeddings: Any, ids: Mapping[str, Any], held_out: Any) -> None:
        vectors = matrix(embeddings, "training", width=self.shown.embeddings.shape[1]).to(self.shown.embeddings)
        finite_rows(vectors, "training")
        self.training = self._embedded("training", vectors, ids)
        if held_out is not None:
            self.held_out = class_ids(held_out, "held_out", None, len(vectors)).to(vectors.device)

    def _embedded(self, what: str, vectors: Tensor, known: Mapping[str, Any]) -> Embedded:
        for name in known:
            if name not in self.classes:
                raise ValueError(
                    f"labels of the {what} in {name}, which has no head: there are {', '.join(self.classes)}"
                )
        ids = {
            name: class_ids(values, f"{what} labels of {name}", len(self.classes[name]), len(vectors)).to(
                vectors.device
            )
            for name, values in known.items()
        }

        def logits(name: str) -> Tensor:
            """By the head, all at once, and kept."""
            return self._once((what, name), lambda: logits_of(self.modules[name], vectors))

        return Embedded(vectors, ids, logits)


@torch.no_grad()
def logits_of(module: nn.Module, vectors: Tensor) -> Tensor:
    """The logits (N, K) of a head on embeddings (N, E)."""
    return torch.cat([module(part) for part in torch.split(vectors, BLOCK)])


def _checked_labels(name: str, labels: Sequence[str]) -> list[str]:
    found = list(labels)
    if len(set(found)) < len(found) or not all(isinstance(label, str) for label in found):
        raise ValueError(f"the labels of {name} have to be different strings, in the order of the head's outputs")
    return found


def _checked_temperatures(given: Mapping[str, float], classes: Mapping[str, Sequence[str]]) -> dict[str, float]:
    for name, value in given.items():
        if name not in classes or not 0 < float(value) < float("inf"):
            raise ValueError(
                f"the temperature {value} of {name}: expected a positive number for an attribute with a head"
            )
    return {name: float(value) for name, value in given.items()}


def _frozen(name: str, head: Any, vectors: Tensor, classes: int) -> nn.Module:
    """A copy of a head that changes no more; the caller's stays as it is, in its mode.

    Raises:
        ValueError: it is no head of these embeddings and classes.
    """
    module = head if isinstance(head, nn.Module) else linear_of(name, head)
    module = copy.deepcopy(module).eval().requires_grad_(False).to(vectors.device, vectors.dtype)
    try:
        with torch.no_grad():
            found = module(vectors[:LOOKED_AT])
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"the head of {name} does not take embeddings of {vectors.shape[1]} numbers: {reason}"
        ) from None
    count = len(vectors[:LOOKED_AT])
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != count:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"the head of {name} gives {shape} for {count} embeddings: expected ({count}, {classes})")
    if found.shape[1] != classes:
        raise ValueError(f"the head of {name} knows {found.shape[1]} classes, {classes} are named")
    if not bool(found.isfinite().all()):
        raise ValueError(f"the head of {name} gives logits that are no finite numbers")
    if classes > 1 and bool((found >= 0).all()) and bool(((found.sum(1) - 1).abs() < 1e-3).all()):
        warnings.warn(
            f"the head of {name} seems to give probabilities: logits are expected, leave the last softmax out",
            stacklevel=5,
        )
    return module


def linear_of(name: str, classifier: Any) -> nn.Linear:
    """A linear classifier of scikit-learn as a layer that gives its logits.

    Of two classes scikit-learn keeps one row of coefficients, the logit of the second; the first gets 0.

    Raises:
        ValueError: it is none, or has not been fitted.
    """
    try:
        weight = np.atleast_2d(np.asarray(classifier.coef_, np.float64))
        bias = np.broadcast_to(np.asarray(classifier.intercept_, np.float64), len(weight))
    except AttributeError:
        raise ValueError(
            f"the head of {name} is a {type(classifier).__name__}: expected a torch module, or a fitted linear "
            "classifier of scikit-learn"
        ) from None
    if len(weight) == 1:
        weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
    layer = nn.Linear(weight.shape[1], len(weight), dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.copy()))
        layer.bias.copy_(torch.from_numpy(bias.copy()))
    return layer


Embedder = Callable[[Sequence[Any]], Tensor]
"""Embeds images from files: (B, E)."""
