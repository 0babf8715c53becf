"""What one query wants of one attribute, and the ways in which a program can say so."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from backward_search.errors import OptionError


@dataclass(frozen=True)
class Clause:
    """What one query wants of one attribute.

    Attributes:
        shares: the wanted share of each label; of those that are not named it is 0. 1 for the members of a set.
        any_of: whether the labels are a set of several, any of which will do.
        weight: how much the attribute counts.
        negated: whether it was said by what is not wanted.
    """

    shares: Mapping[str, float]
    any_of: bool = False
    weight: float = 1.0
    negated: bool = False

    @classmethod
    def of_set(cls, labels: Sequence[str], weight: float = 1.0, *, negated: bool = False) -> "Clause":
        """Any of some labels."""
        members = dict.fromkeys(labels, 1.0)
        return cls(members, any_of=len(members) > 1, weight=weight, negated=negated)

    @property
    def named(self) -> tuple[str, ...]:
        """The labels that are asked for: of "not these" none, unless it leaves a single one.

        >>> all_but(["b"], ["a", "b", "c"]).named, all_but(["b"], ["a", "b"]).named, mixture({"a": 1, "b": 3}).named
        ((), ('a',), ('a', 'b'))
        """
        return () if self.negated and self.any_of else tuple(self.shares)

    def array(self, labels: Sequence[str]) -> np.ndarray:
        """The shares in the order of the labels (K,)."""
        return np.array([self.shares.get(label, 0.0) for label in labels])


@dataclass(frozen=True)
class Not:
    """Anything but some classes, as a value of a condition: `{"style": Not("Rococo", "Baroque")}`."""

    labels: tuple[str, ...]

    def __init__(self, *labels: str) -> None:
        """Name the classes that are not wanted."""
        object.__setattr__(self, "labels", labels)


@dataclass(frozen=True)
class Weighted:
    """A value of a condition that counts more or less than the others: `{"style": Weighted("Rococo", 2)}`."""

    value: "Value"
    weight: float


Value: TypeAlias = str | Sequence[str] | Mapping[str, float] | Not | Weighted
"""A class; several, any of which will do; a mixture, by shares; anything but some; any of these with a weight."""


def clause_of(value: Value, labels: Sequence[str]) -> Clause:
    """What a program wants of one attribute. A label may contain any character.

    Args:
        value: as `Value` says.
        labels: of the attribute.

    Raises:
        OptionError: a label does not exist, nothing is left to want, or a number is not positive.

    >>> clause_of(Weighted(Not("b"), 2), ["a", "b", "c"])
    Clause(shares={'a': 1.0, 'c': 1.0}, any_of=True, weight=2.0, negated=True)
    """
    if isinstance(value, Weighted):
        if isinstance(value.value, Weighted):
            raise OptionError(f"{value!r} has a weight within a weight: give one")
        inner = clause_of(value.value, labels)
        return replace(inner, weight=positive(value.weight, "the weight"))
    if isinstance(value, str):
        return Clause.of_set([known(value, labels)])
    if isinstance(value, Not):
        return all_but(value.labels, labels)
    if isinstance(value, Mapping):
        return mixture({known(label, labels): positive(share, label) for label, share in value.items()})
    if not isinstance(value, Sequence) or not value or not all(isinstance(label, str) for label in value):
        raise OptionError(f"{value!r} says nothing: give a label, labels, shares by label, Not(...) or Weighted(...)")
    return Clause.of_set([known(label, labels) for label in value])


def all_but(excluded: Sequence[str], labels: Sequence[str], weight: float = 1.0) -> Clause:
    """Any label but some.

    Raises:
        OptionError: one of them does not exist, or none is left.
    """
    if not excluded:
        raise OptionError("a condition 'not' without a label says nothing")
    unwanted = {known(label, labels) for label in excluded}
    rest = [label for label in labels if label not in unwanted]
    if not rest:
        raise OptionError(f"condition 'not {', '.join(excluded)}' leaves no label")
    return Clause.of_set(rest, weight, negated=True)


def mixture(shares: Mapping[str, float], weight: float = 1.0) -> Clause:
    """A mixture of labels, whose shares are taken in proportion.

    Raises:
        OptionError: it is empty.
    """
    if not shares:
        raise OptionError("a mixture without a label says nothing")
    most = max(shares.values())  # the sum of what lies near the largest number would be infinite
    total = sum(share / most for share in shares.values())
    return Clause({label: share / most / total for label, share in shares.items()}, weight=weight)


def positive(number: float | str, what: str) -> float:
    """A number that has to be positive and finite.

    Raises:
        OptionError: it is not.
    """
    try:
        value = float(number)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 < value < math.inf:
        raise OptionError(f"{number!r} in {what!r} is not a positive number")
    return value


def known(label: str, labels: Sequence[str]) -> str:
    """A label that exists.

    Raises:
        OptionError: it does not; the message names the nearest.
    """
    if label not in labels:
        raise OptionError(unknown(label, labels))
    return label


def unknown(name: str, there: Mapping[str, object] | Sequence[str]) -> str:
    """That something does not exist, and what is meant perhaps, in one line."""
    names = list(there)
    near = difflib.get_close_matches(name, names, 1, 0.5) if isinstance(name, str) else []
    hint = (
        f"did you mean {near[0]}?" if near else f"there are {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
    )
    return f"{name!r} does not exist: {' '.join(hint.split())}"
