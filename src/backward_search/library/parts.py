"""Heads, labels and students that a program hands over: checked, and copied, so that they change no more."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from backward_search.gallery.memory import Engine
from backward_search.library.checks import number_of
from backward_search.student.frozen import FrozenStudent
from backward_search.student.network import Student

Module = TypeVar("Module", bound=nn.Module)

LOOKED_AT = 64
"""Embeddings on which a head is looked at when it is taken."""


def labels_of(name: str, labels: Sequence[str]) -> list[str]:
    """The labels of an attribute.

    Raises:
        ValueError: they are not different strings.
    """
    found = list(labels) if isinstance(labels, Sequence | np.ndarray) and not isinstance(labels, str) else []
    if not all(isinstance(label, str) for label in found) or not 0 < len(found) == len(set(found)):
        raise ValueError(f"the labels of {name} have to be different strings, in the order of the head's outputs")
    return [str(label) for label in found]


def temperatures_of(given: Mapping[str, float], classes: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Temperatures by attribute.

    Raises:
        ValueError: one is not positive, or of an attribute that has no head.
    """
    if not isinstance(given, Mapping) or not set(given) <= set(classes):
        raise ValueError(f"the temperatures {given}: expected a number by attribute, of {', '.join(classes)}")
    return {name: number_of(value, f"the temperature of {name}", above=True) for name, value in given.items()}


def frozen_student(names: Any, student: Any, classes: Mapping[str, Sequence[str]], vectors: Tensor) -> FrozenStudent:
    """A copy of a student, on the device and in the precision of the gallery.

    Args:
        names: the attributes that it serves.
        student: a `Student`.
        classes: the labels of each attribute that has a head.
        vectors: the gallery (N, E).

    Raises:
        ValueError: it does not fit heads and gallery, or is damaged.
    """
    if not isinstance(names, tuple) or not names or names != tuple(name for name in classes if name in names):
        raise ValueError(f"students has the key {names!r}: expected a tuple of attributes, in the order of the heads")
    if not isinstance(student, Student):
        raise ValueError(f"the student of {'+'.join(names)} is a {type(student).__name__}: expected a Student")
    wanted = tuple(len(classes[name]) for name in names)
    inputs = vectors.shape[1] + sum(wanted) + (student.config.lambda_range is not None)
    if student.classes != wanted or student[0].in_features != inputs:
        raise ValueError(
            f"the student of {'+'.join(names)} is of {student.classes} classes and takes {student[0].in_features} "
            f"numbers: expected {wanted} and {inputs}"
        )
    if not all(bool(value.isfinite().all()) for value in student.state_dict().values()):
        raise ValueError(f"the student of {'+'.join(names)} has weights that are no finite numbers")
    return FrozenStudent(_copied(student).to(vectors.device, vectors.dtype))


def frozen_head(name: str, head: Any, vectors: Tensor, labels: Sequence[str]) -> nn.Module:
    """A copy of a head that changes no more; the caller's stays as it is, in its mode.

    Args:
        name: of the attribute.
        head: a torch module, or a fitted linear classifier of scikit-learn.
        vectors: the gallery (N, E), on whose first rows it is tried.
        labels: the names of its classes.

    Raises:
        ValueError: it is no head of these embeddings and classes.
    """
    module = head if isinstance(head, nn.Module) else linear_of(name, head, labels)
    module = _copied(module).eval().requires_grad_(False).to(vectors.device, vectors.dtype)
    try:
        with torch.no_grad():
            found = module(vectors[:LOOKED_AT])
    except Exception as error:  # a module of somebody's own may raise anything
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(
            f"the head of {name} does not take embeddings of {vectors.shape[1]} numbers: {reason}"
        ) from None
    _check_logits(name, found, len(vectors[:LOOKED_AT]), len(labels))
    return module


def engine_of(engine: Any) -> Engine | None:
    """An engine, or none.

    Raises:
        ValueError: it is none.
    """
    if engine is not None and not callable(getattr(engine, "shortlist", None)):
        raise ValueError(f"the engine is a {type(engine).__name__}: expected one with a method shortlist")
    return engine  # type: ignore[no-any-return]


def _check_logits(name: str, found: Any, count: int, classes: int) -> None:
    """Refuse what cannot be logits (count, classes), and warn of what seems to be probabilities."""
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != count or not found.is_floating_point():
        shape = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"the head of {name} gives {shape} for {count} embeddings: expected ({count}, {classes})")
    if found.shape[1] != classes:
        raise ValueError(f"the head of {name} knows {found.shape[1]} classes, {classes} are named")
    if not bool(found.isfinite().all()):
        raise ValueError(f"the head of {name} gives logits that are no finite numbers")
    if classes > 1 and bool((found >= 0).all()) and bool(((found.sum(1) - 1).abs() < 1e-3).all()):
        warnings.warn(
            f"the head of {name} seems to give probabilities: logits are expected, leave the last softmax out",
            stacklevel=6,  # the line that makes the searcher
        )


def linear_of(name: str, classifier: Any, labels: Sequence[str]) -> nn.Linear:
    """A linear classifier of scikit-learn as a layer that gives its logits.

    Of two classes scikit-learn keeps one row of coefficients, the logit of the second; the first gets 0.

    Raises:
        ValueError: it is none, or has not been fitted, or has the labels in another order.
    """
    try:
        classes, weight = [str(label) for label in classifier.classes_], classifier.coef_
        weight = np.atleast_2d(np.asarray(weight.toarray() if hasattr(weight, "toarray") else weight, np.float64))
        bias = np.broadcast_to(np.asarray(classifier.intercept_, np.float64), len(weight))
    except (AttributeError, TypeError, ValueError):
        raise ValueError(
            f"the head of {name} is a {type(classifier).__name__}: expected a torch module, or a fitted linear "
            "classifier of scikit-learn"
        ) from None
    if set(classes) == set(labels) and classes != list(labels):
        raise ValueError(f"the classes of {name} are {', '.join(classes)}: give the labels in this order")
    if len(weight) == 1:
        weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
    layer = nn.Linear(weight.shape[1], len(weight), dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.copy()))
        layer.bias.copy_(torch.from_numpy(bias.copy()))
    return layer


def _copied(module: Module) -> Module:
    """A copy without gradients, of ordinary tensors even where the module was made in inference mode."""
    copied = copy.deepcopy(module)
    for part in copied.modules():
        for name, value in [*part._parameters.items(), *part._buffers.items()]:
            if value is not None and value.is_inference():
                fresh = value.detach().clone()
                setattr(part, name, nn.Parameter(fresh, False) if name in part._parameters else fresh)
    return copied
