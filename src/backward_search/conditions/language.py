"""Conditions as people write them: `style!=Rococo`, `style=0.6*Rococo+0.4*Baroque`, `style=Rococo:2; genre=portrait`.

A condition is a list of clauses with semicolons between them, each `attribute=value` or `attribute!=value`; a comma
before the next attribute will do as well. A value is

    Rococo                      a class
    Rococo|Baroque              any of these
    0.6*Rococo+0.4*Baroque      a mixture; the shares are taken in proportion
    !Rococo                     anything else (`style!=Rococo` says the same)

and may end in `:weight`, how much the attribute counts beside the others (1). A label is first taken as it stands, so
that one with any of these signs in it can be wanted too; among others, a sign that parts no two of them is its own.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from backward_search.conditions.clause import Clause, Value, all_but, clause_of, known, mixture, positive, unknown
from backward_search.errors import OptionError

Read = TypeVar("Read")

SIGNS_OF_A_LABEL = 8
"""A label among others may hold fewer signs than this that could part them."""
_NUMBER = r"[\d.]+(?:[eE][-+]?\d+)?"
_WEIGHT = re.compile(rf"\s*{_NUMBER}\s*")
_PLUS = re.compile(rf"\+(?=\s*{_NUMBER}\s*\*)")
_OR = re.compile(r"\|")


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
    read = [] if not text.strip("; \t\n") else _parted(text, _between(classes), partial(_clause, classes=classes))
    for name, clause in (each for each in read if each is not None):
        if name in clauses:
            raise OptionError(f"condition {text!r} names {name} twice")
        clauses[name] = clause
    if not clauses:
        raise OptionError(f"condition {text!r} says nothing: write attribute=value")
    return clauses


def _between(attributes: Iterable[str]) -> re.Pattern[str]:
    """What parts two clauses: a semicolon where something = follows, a comma only where an attribute does."""
    following = "|".join(re.escape(name) for name in attributes)
    return re.compile(rf";(?=[^;=]+=|\s*$)|,(?=\s*(?:{following})\s*!?=)")


def _clause(text: str, classes: Mapping[str, Sequence[str]]) -> tuple[str, Clause] | None:
    """One clause and its attribute; None for nothing."""
    clause = text.strip()
    if not clause:
        return None
    name, sign, value = clause.partition("=")
    if not sign or not value:
        raise OptionError(f"condition {clause!r} is not attribute=value or attribute!=value")
    negated = name.endswith("!")
    name = name.removesuffix("!").strip()
    if name not in classes:
        raise OptionError(f"condition {clause!r}: {unknown(name, classes)}")
    return name, parse_value(value.strip(), classes[name], negated=negated)


def _parted(text: str, sign: re.Pattern[str], read: Callable[[str], Read]) -> list[Read]:
    """Read what stands between signs; where that cannot be read, some of the signs belong to what they stand in.

    Raises:
        OptionError: it cannot be read either way; the message is of the first part that cannot.
    """
    cuts = [found.span() for found in sign.finditer(text)]
    starts, ends = [0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(text)]
    ways: dict[int, tuple[Read, int]] = {}  # by the first of some parts what they are together, and the next part
    for first in reversed(range(len(starts))):
        nexts = range(first + 1, min(first + SIGNS_OF_A_LABEL, len(starts)) + 1)
        nexts_read = [part for part in nexts if part in ways or part == len(starts)]
        if not nexts_read:
            break
        for part in nexts_read:
            try:
                ways[first] = (read(text[starts[first] : ends[part - 1]]), part)
            except OptionError:
                continue
            break
    if 0 not in ways:
        return [read(text[start:end]) for start, end in zip(starts, ends, strict=True)]
    found, part = [], 0
    while part < len(starts):
        one, part = ways[part]
        found.append(one)
    return found


def parse_value(text: str, labels: Sequence[str], *, negated: bool = False) -> Clause:
    """Read what is wanted of one attribute.

    Args:
        text: as in the module's description.
        labels: of the attribute.
        negated: whether it says what is not wanted.

    Raises:
        OptionError: it is malformed, or names no label.
    """
    if text in labels:
        return all_but([text], labels) if negated else Clause.of_set([text])
    failures = []
    for form in _forms(text, labels, negated):
        try:
            return form()
        except OptionError as failure:
            failures.append(failure)
    raise failures[0]


def _forms(text: str, labels: Sequence[str], negated: bool) -> list[Callable[[], Clause]]:
    """The ways to read a value, first the likelier."""
    value, sign, weight = text.rpartition(":")
    weighted = bool(sign and _WEIGHT.fullmatch(weight)) and text.removeprefix("!") not in labels
    forms: list[Callable[[], Clause]] = []
    for part, number in [(value.strip(), weight)] * weighted + [(text, "1")]:
        if negated:
            forms.append(partial(_negated, part, labels, number))
            continue
        if part.startswith("!") and part not in labels:
            forms.append(partial(_negated, part[1:].strip(), labels, number))
        if "*" in part and part not in labels:
            forms.append(partial(_mixed, part, labels, number))
        forms.append(partial(_any_of, part, labels, number))
    return forms


def _negated(text: str, labels: Sequence[str], weight: str) -> Clause:
    return all_but(_members(text, labels), labels, positive(weight, text))


def _mixed(text: str, labels: Sequence[str], weight: str) -> Clause:
    shares: dict[str, float] = {}
    for name, share in _parted(text, _PLUS, partial(_share, whole=text, labels=labels)):
        shares[name] = shares.get(name, 0.0) + share
    return mixture(shares, positive(weight, text))


def _any_of(text: str, labels: Sequence[str], weight: str) -> Clause:
    return Clause.of_set(_members(text, labels), positive(weight, text))


def _members(text: str, labels: Sequence[str]) -> list[str]:
    return [text] if text in labels else _parted(text, _OR, lambda part: known(part.strip(), labels))


def _share(text: str, whole: str, labels: Sequence[str]) -> tuple[str, float]:
    share, sign, label = text.partition("*")
    if not sign:
        raise OptionError(f"{text.strip()!r} in {whole!r} is not share*label")
    return known(label.strip(), labels), positive(share, whole)
