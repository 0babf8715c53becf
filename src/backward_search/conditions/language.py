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

import re
from collections.abc import Iterable, Mapping, Sequence

from backward_search.conditions.clause import Clause, Value, all_but, clause_of, known, mixture, positive, unknown
from backward_search.errors import OptionError


def read_condition(condition: str | Mapping[str, Value], classes: Mapping[str, Sequence[str]]) -> dict[str, Clause]:
    """What a condition wants of each attribute it speaks of, in the order of `classes`.

    Args:
        condition: a text as in the module's description; or by attribute a `Value`, where labels stand as they are.
        classes: the labels of each attribute that can be conditioned on.

    Raises:
        OptionError: it is malformed, or names what does not exist; the message says so in one line.
    """
    if isinstance(condition, str):
        clauses = parse_condition(condition, classes)
    else:
        for name in condition:
            if name not in classes:
                raise OptionError(f"condition: {unknown(name, classes)}")
        clauses = {name: clause_of(value, classes[name]) for name, value in condition.items()}
    if not clauses:
        raise OptionError(f"condition {condition!r} says nothing: write attribute=value")
    return {name: clauses[name] for name in classes if name in clauses}


def parse_condition(text: str, classes: Mapping[str, Sequence[str]]) -> dict[str, Clause]:
    """Read a whole condition.

    Args:
        text: as in the module's description.
        classes: the labels of each attribute that can be conditioned on.

    Raises:
        OptionError: it is malformed, or names what does not exist; the message says so in one line.

    >>> parse_condition("style!=b; genre=x:2", {"style": ["a", "b", "c"], "genre": ["x"]})["style"].shares
    {'a': 1.0, 'c': 1.0}
    """
    clauses: dict[str, Clause] = {}
    for clause in _clauses(text, classes):
        name, sign, value = clause.partition("=")
        if not sign or not value:
            raise OptionError(f"condition {clause!r} is not attribute=value or attribute!=value")
        negated = name.endswith("!")
        name = name.removesuffix("!").strip()
        if name not in classes:
            raise OptionError(f"condition {clause!r}: {unknown(name, classes)}")
        if name in clauses:
            raise OptionError(f"condition {text!r} names {name} twice")
        clauses[name] = parse_value(("!" if negated else "") + value.strip(), classes[name])
    if not clauses:
        raise OptionError(f"condition {text!r} says nothing: write attribute=value")
    return clauses


def _clauses(text: str, attributes: Iterable[str]) -> list[str]:
    """The clauses; a semicolon parts two of them where something = follows, a comma only where an attribute does.

    Labels may contain either.
    """
    following = "|".join(re.escape(name) for name in attributes)
    parts = re.split(rf";(?=[^;=]+=|\s*$)|,(?=\s*(?:{following})\s*!?=)", text)
    return [part.strip() for part in parts if part.strip()]


def parse_value(text: str, labels: Sequence[str]) -> Clause:
    """Read what is wanted of one attribute.

    Raises:
        OptionError: it is malformed, or names no label.
    """
    if text in labels:
        return Clause.of_set([text])
    text, weight = _weighted(text, labels)
    if text.startswith("!") and text not in labels:
        return all_but(_members(text[1:].strip(), labels), labels, weight)
    if "*" in text and text not in labels:
        return mixture(_shares(text, labels), weight)
    return Clause.of_set(_members(text, labels), weight)


def _weighted(text: str, labels: Sequence[str]) -> tuple[str, float]:
    value, sign, weight = text.rpartition(":")
    if not sign or text.removeprefix("!") in labels or not re.fullmatch(r"\s*[\d.]+(e-?\d+)?\s*", weight):
        return text, 1.0
    return value.strip(), positive(weight, text)


def _members(text: str, labels: Sequence[str]) -> list[str]:
    parts = [text] if text in labels else [part.strip() for part in text.split("|")]
    return [known(part, labels) for part in parts]


def _shares(text: str, labels: Sequence[str]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for part in re.split(r"\+(?=\s*[\d.]+\s*\*)", text):
        share, sign, label = part.partition("*")
        if not sign:
            raise OptionError(f"{part.strip()!r} in {text!r} is not share*label")
        name = known(label.strip(), labels)
        shares[name] = shares.get(name, 0.0) + positive(share, text)
    return shares
