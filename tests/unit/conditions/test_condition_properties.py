"""Conditions of any labels: what is printed is read again as the same, and what cannot be read is refused in a line."""

from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from nasty import CHARACTERS, labels, texts

from backward_search.conditions.clause import Clause, Not, Weighted, clause_of
from backward_search.conditions.language import parse_condition, parse_value, read_condition
from backward_search.errors import OptionError
from backward_search.explorer.state import Choice, State

ATTRIBUTES = ("style", "genre", "a b", "Größe", "style-2")
"""As A1 lets columns be called: letters, digits, `_`, `-` and spaces."""
ANY_LABELS = labels()
PLAIN = ("Rococo", "Baroque", "Op Art", "x", "日本", "e\u0301")
NUMBERS = st.floats(min_value=0, exclude_min=True, allow_infinity=False)


@st.composite
def known_classes(draw, each=ANY_LABELS):
    names = draw(st.lists(st.sampled_from(ATTRIBUTES), min_size=1, max_size=3, unique=True))
    return {name: draw(each) for name in names}


def read_or_refused(condition, classes):
    """What a condition says; nothing where it is refused in one line."""
    try:
        found = read_condition(condition, classes)
    except OptionError as refused:
        message, found = str(refused), {}
    else:
        message = "" if found else "it says nothing"
    assert bool(found) != bool(message)
    assert len(message.splitlines()) <= 1
    return found


def some(labels, most: int = 3):
    return st.lists(st.sampled_from(labels), min_size=1, max_size=most, unique=True)


@given(known_classes(), st.data())
def test_any_label_can_be_wanted_of_any_attribute_or_not(classes, data):
    choices = {}
    for name, each in classes.items():
        negated = len(each) > 1 and data.draw(st.booleans())
        choices[name] = Choice((data.draw(st.sampled_from(each)),), negated)
    text = State("run", choices=choices).condition
    assert parse_condition(text, classes) == {name: choice.clause(classes[name]) for name, choice in choices.items()}


@st.composite
def value_and_text(draw, labels):
    """What a program wants of an attribute, and the same as people write it."""
    kind = draw(st.sampled_from(("class", "set", "not", "mixture")))
    chosen = draw(some(labels, 1 if kind == "class" else 4))
    if kind == "not":
        assume(len(chosen) < len(labels))
        value, text = Not(*chosen), "!" + "|".join(chosen)
    elif kind == "mixture":
        value = {label: draw(NUMBERS) for label in chosen}
        text = " + ".join(f"{share!r}*{label}" for label, share in value.items())
    else:
        value, text = chosen, "|".join(chosen)
    if draw(st.booleans()):
        weight = draw(NUMBERS)
        value, text = Weighted(value, weight), f"{text}:{weight!r}"
    return value, text


@given(known_classes(st.permutations(PLAIN)), st.data())
def test_a_program_and_people_can_say_the_same(classes, data):
    said = {name: data.draw(value_and_text(each)) for name, each in classes.items()}
    text = data.draw(st.sampled_from(("; ", ";", ", "))).join(f"{name}={text}" for name, (_, text) in said.items())
    values = {name: value for name, (value, _) in said.items()}
    assert read_condition(text, classes) == read_condition(values, classes)


def readings(text: str, labels: list[str]) -> set[tuple[str, ...]]:
    """Every way to read a text as labels with | between them, the slow way."""
    parts = text.split("|")
    found = set()
    for count in range(len(parts)):
        for cuts in combinations(range(1, len(parts)), count):
            ends = (*cuts, len(parts))
            own = tuple("|".join(parts[a:b]).strip() for a, b in zip((0, *cuts), ends, strict=True))
            if set(own) <= set(labels):
                found.add(own)
    return found


@given(st.lists(st.text("ab|!:2", min_size=1, max_size=4), min_size=2, max_size=5, unique=True), st.data())
def test_labels_that_hold_the_signs_are_told_from_one_another_where_it_can_be_done(labels, data):
    chosen = data.draw(some(labels))
    text = "|".join(chosen)
    ways = readings(text, labels)
    assert tuple(chosen) in ways
    assume(len(ways) == 1 and not text.startswith("!") and not text.endswith(":2"))
    assert parse_value(text, labels) == Clause.of_set(chosen)


@given(some(("a+b", "2*a", "a+2*b", "b", "c*c", "a*"), 4), st.data())
def test_a_mixture_of_labels_that_hold_its_signs(chosen, data):
    shares = {label: data.draw(st.integers(1, 9)) for label in chosen}
    text = "+".join(f"{share}*{label}" for label, share in shares.items())
    assert parse_value(text, sorted(chosen)).shares == clause_of(shares, chosen).shares


@given(known_classes(), texts(most=30) | st.text(st.sampled_from("ab=!|:;,.2*+ \n") | CHARACTERS, max_size=30))
def test_whatever_is_written_is_a_condition_or_refused_in_one_line(classes, text):
    spelt = text.replace("a", next(iter(classes)))
    for condition in (text, spelt, f"{next(iter(classes))}={text}"):
        for name, clause in read_or_refused(condition, classes).items():
            assert set(clause.shares) <= set(classes[name])
            assert sum(clause.shares.values()) == pytest.approx(1 if not clause.any_of else len(clause.shares))
            assert 0 < clause.weight < float("inf")


@given(
    known_classes(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts() | st.builds(Not, texts(), texts()),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(texts(), inner, max_size=3)
            | st.builds(Weighted, inner, inner)
        ),
        max_leaves=4,
    ),
)
def test_whatever_a_program_says_is_a_condition_or_refused_in_one_line(classes, value):
    read_or_refused({next(iter(classes)): value}, classes)


@given(labels(2), st.data())
def test_all_but_some_are_the_others(labels, data):
    unwanted = data.draw(some(labels, len(labels) - 1))
    assume(len(unwanted) < len(labels))
    clause = clause_of(Not(*unwanted), labels)
    assert clause.array(labels).tolist() == [float(label not in unwanted) for label in labels]
