"""Conditions as people write them: `style!=Rococo`, `style=0.6*Rococo+0.4*Baroque`, `style=Rococo:2; genre=portrait`.

A condition is a list of clauses with semicolons between them, each `attribute=value` or `attribute!=value`; a comma
before the next attribute will do as well. A value is

    Rococo                      a class
    Rococo|Baroque              any of these
    0.6*Rococo+0.4*Baroque      a mixture; the shares are taken in proportion
    !Rococo                     anything else (`style!=Rococo` says the same)

and may end in `:weight`, how much the attribute counts beside the others (1). A label is first taken as it stands, so
that one with any of these signs in it can be wanted too.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backward_search.errors import OptionError


@dataclass(frozen=True)
class Wanted:
    """What one query wants of one attribute.

    Attributes:
        shares: the wanted share of each label; of those that are not named it is 0. 1 for the members of a set.
        any_of: whether the labels are a set, any of which will do.
        weight: how much the attribute counts.
    """

    shares: Mapping[str, float]
    any_of: bool = False
    weight: float = 1.0

    @property
    def is_plain(self) -> bool:
        """Whether it is a single class, with the weight of any other."""
        return len(self.shares) == 1 and self.weight == 1

    def array(self, labels: Sequence[str]) -> np.ndarray:
        """The shares in the order of the labels (K,)."""
        return np.array([self.shares.get(label, 0.0) for label in labels])


def parse_condition(text: str, classes: Mapping[str, Sequence[str]]) -> dict[str, Wanted]:
    """Read a whole condition.

    Args:
        text: as in the module's description.
        classes: the labels of each attribute that can be conditioned on.

    Raises:
        OptionError: it is malformed, or names what does not exist; the message says so in one line.

    >>> parse_condition("style!=b; genre=x:2", {"style": ["a", "b", "c"], "genre": ["x"]})["style"].shares
    {'a': 1.0, 'c': 1.0}
    """
    wanted: dict[str, Wanted] = {}
    for clause in _clauses(text, classes):
        name, sign, value = clause.partition("=")
        if not sign or not value:
            raise OptionError(f"condition {clause!r} is not attribute=value or attribute!=value")
        negated = name.endswith("!")
        name = name.removesuffix("!").strip()
        if name not in classes:
            raise OptionError(f"condition {clause!r}: {_unknown(name, classes)}")
        if name in wanted:
            raise OptionError(f"condition {text!r} names {name} twice")
        wanted[name] = parse_value(("!" if negated else "") + value.strip(), classes[name])
    if not wanted:
        raise OptionError(f"condition {text!r} says nothing: write attribute=value")
    return wanted


def _clauses(text: str, attributes: Iterable[str]) -> list[str]:
    """The clauses; a semicolon parts two of them where something = follows, a comma only where an attribute does.

    Labels may contain either.
    """
    following = "|".join(re.escape(name) for name in attributes)
    parts = re.split(rf";(?=[^;=]+=|\s*$)|,(?=\s*(?:{following})\s*!?=)", text)
    return [part.strip() for part in parts if part.strip()]


def parse_value(text: str, labels: Sequence[str]) -> Wanted:
    """Read what is wanted of one attribute.

    Raises:
        OptionError: it is malformed, or names no label.
    """
    if text in labels:
        return Wanted({text: 1.0})
    text, weight = _weighted(text, labels)
    if text.startswith("!") and text not in labels:
        excluded = _members(text[1:].strip(), labels)
        rest = {label: 1.0 for label in labels if label not in excluded}
        if not rest:
            raise OptionError(f"condition {text!r} leaves no label")
        return Wanted(rest, any_of=True, weight=weight)
    if "*" in text and text not in labels:
        return Wanted(_mixture(text, labels), weight=weight)
    members = _members(text, labels)
    return Wanted(dict.fromkeys(members, 1.0), any_of=len(members) > 1, weight=weight)


def _weighted(text: str, labels: Sequence[str]) -> tuple[str, float]:
    value, sign, weight = text.rpartition(":")
    if not sign or text.removeprefix("!") in labels or not re.fullmatch(r"\s*[\d.]+(e-?\d+)?\s*", weight):
        return text, 1.0
    return value.strip(), _positive(weight, text)


def _members(text: str, labels: Sequence[str]) -> list[str]:
    parts = [text] if text in labels else [part.strip() for part in text.split("|")]
    return [_known(part, labels) for part in parts]


def _mixture(text: str, labels: Sequence[str]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for part in re.split(r"\+(?=\s*[\d.]+\s*\*)", text):
        share, sign, label = part.partition("*")
        if not sign:
            raise OptionError(f"{part.strip()!r} in {text!r} is not share*label")
        name = _known(label.strip(), labels)
        shares[name] = shares.get(name, 0.0) + _positive(share, text)
    total = sum(shares.values())
    return {label: share / total for label, share in shares.items()}


def _positive(number: str, text: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise OptionError(f"{number.strip()!r} in {text!r} is not a positive number")
    return value


def _known(label: str, labels: Sequence[str]) -> str:
    if label not in labels:
        raise OptionError(_unknown(label, labels))
    return label


def _unknown(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    hint = (
        f"did you mean {near[0]}?" if near else f"there are {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
    )
    return f"{name!r} does not exist: {hint}"
