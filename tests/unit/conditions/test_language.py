"""Conditions as people write them, and what images are worth to them."""

import numpy as np
import pytest
import torch

from backward_search.conditions.batch import Conditions
from backward_search.conditions.clause import Clause, Not, Weighted, clause_of
from backward_search.conditions.language import parse_condition, parse_value, read_condition
from backward_search.errors import OptionError

LABELS = ["Baroque", "Op|Art", "Rococo", "a:b:2"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Rococo", Clause({"Rococo": 1})),
        ("Op|Art", Clause({"Op|Art": 1})),
        ("a:b:2", Clause({"a:b:2": 1})),
        ("Rococo:2", Clause({"Rococo": 1}, weight=2)),
        ("Rococo | Baroque", Clause({"Rococo": 1, "Baroque": 1}, any_of=True)),
        ("!Rococo|Baroque", Clause({"Op|Art": 1, "a:b:2": 1}, any_of=True, negated=True)),
        ("!Op|Art", Clause({"Baroque": 1, "Rococo": 1, "a:b:2": 1}, any_of=True, negated=True)),
        ("!a:b:2:0.5", Clause({"Baroque": 1, "Rococo": 1, "Op|Art": 1}, any_of=True, weight=0.5, negated=True)),
        ("3*Rococo + 1*Baroque:4", Clause({"Rococo": 0.75, "Baroque": 0.25}, weight=4)),
    ],
)
def test_values(text, wanted):
    assert parse_value(text, LABELS) == wanted


@pytest.mark.parametrize(
    ("text", "labels", "wanted"),
    [
        ("style=c;", ["a", "c;"], Clause({"c;": 1})),
        ("style=a; b=c", ["a", "a; b=c"], Clause({"a; b=c": 1})),
        ("style!=a", ["!a", "a"], Clause({"!a": 1}, negated=True)),
        ("style=Op|Art|a", ["Op|Art", "a"], Clause({"Op|Art": 1, "a": 1}, any_of=True)),
        ("style=a|b:2", ["a", "b:2"], Clause({"a": 1, "b:2": 1}, any_of=True)),
        ("style=!a|b", ["!a", "b"], Clause({"!a": 1, "b": 1}, any_of=True)),
        ("style=1*a+2*b+1*b", ["a+2*b", "b"], Clause({"a+2*b": 0.5, "b": 0.5})),
        ("style=3e-05*a+1e-05*b", ["a", "b"], Clause({"a": 0.75, "b": 0.25})),
        ("style=a:1e+02", ["a"], Clause({"a": 1}, weight=100)),
    ],
)
def test_a_sign_that_parts_nothing_belongs_to_a_label_or_a_number(text, labels, wanted):
    found = parse_condition(text, {"style": labels})["style"]
    assert found.shares == pytest.approx(wanted.shares)
    assert (found.any_of, found.weight, found.negated) == (wanted.any_of, wanted.weight, wanted.negated)


def test_a_long_text_that_says_nothing_is_refused_at_once():
    with pytest.raises(OptionError, match="does not exist"):
        parse_value("|".join(["nothing"] * 30_000), LABELS)


def test_shares_may_be_as_large_as_numbers_are():
    assert clause_of({"Rococo": 1.5e308, "Baroque": 1.5e308}, LABELS).shares == {"Rococo": 0.5, "Baroque": 0.5}


def test_clauses():
    found = parse_condition("style!=Rococo; genre = x:3;", {"style": LABELS, "genre": ["x", "y"]})
    assert found["style"] == parse_value("!Rococo", LABELS)
    assert found["genre"] == Clause({"x": 1}, weight=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("style=Rocco", "'Rocco' does not exist: did you mean Rococo"),
        ("stile=Rococo", "did you mean style"),
        ("style", "not attribute=value"),
        (" ; ", "says nothing"),
        ("style=Rococo; style!=Baroque", "names style twice"),
        ("style=0.5*Rococo+x", "does not exist"),
        ("style=0*Rococo+1*Baroque", "not a positive number"),
        ("style=Rococo:0", "not a positive number"),
        ("style!=Rococo|Baroque|Op|Art|a:b:2", "does not exist"),
    ],
)
def test_what_is_wrong_is_one_line(text, message):
    with pytest.raises(OptionError, match=message) as failure:
        parse_condition(text, {"style": LABELS})
    assert "\n" not in str(failure.value)


def conditions() -> Conditions:
    wanted = [
        {"s": parse_value("!b", "abc"), "t": parse_value("x", "xy")},
        {"s": parse_value("0.6*a+0.4*b", "abc"), "t": parse_value("y:2", "xy")},
    ]
    return Conditions.of(wanted, {"s": list("abc"), "t": list("xy")})


def test_an_image_is_worth_what_its_labels_are():
    ids = [np.array([0, 1, 2, 0]), np.array([0, 0, 0, 1])]
    assert conditions().worth(ids).tolist() == [[1, 0, 1, 0], [0, 0, 0, 0.6]]
    assert conditions().mixed


def test_they_become_the_conditions_of_the_search():
    found = conditions()
    assert found.wanted[0].tolist() == [[1, 0, 1], [0.6, 0.4, 0]]
    assert found.wanted[1].tolist() == [[1, 0, 0], [0, 1, 0]]
    assert found.any_of.tolist() == [[True, False], [False, False]]
    assert found.weight.tolist() == [[1, 1], [1, 2]]


def test_the_student_takes_single_classes_alone():
    plain = Conditions.of([{"s": parse_value("c", "abc")}, {"s": parse_value("a", "abc")}], {"s": list("abc")})
    assert torch.equal(plain.ids(), torch.tensor([[2], [0]]))
    with pytest.raises(OptionError, match="single classes only"):
        conditions().ids()


def test_a_comma_parts_clauses_only_before_an_attribute():
    classes = {"style": ["Rococo", "Baroque, late", "a"], "genre": ["portrait", "x"]}
    found = parse_condition("style=Rococo|Baroque, late, genre!=portrait", classes)
    assert found["style"].shares == {"Rococo": 1.0, "Baroque, late": 1.0}
    assert found["genre"].shares == {"x": 1.0}


def test_a_semicolon_may_be_part_of_a_label():
    classes = {"style": ["a;b", "c"], "genre": ["x", "y"]}
    found = parse_condition("style=a;b; genre=x;", classes)
    assert (found["style"].shares, found["genre"].shares) == ({"a;b": 1.0}, {"x": 1.0})
    with pytest.raises(OptionError, match="nothing"):
        parse_condition("style=c; nothing=x", classes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a:b:2", "a:b:2"),
        (["Rococo", "Baroque"], "Rococo|Baroque"),
        (("Rococo",), "Rococo"),
        (Not("Op|Art"), "!Op|Art"),
        ({"Rococo": 3, "Baroque": 1}, "3*Rococo+1*Baroque"),
        (Weighted(Not("Rococo", "Baroque"), 0.5), "!Rococo|Baroque:0.5"),
    ],
)
def test_a_program_says_the_same_without_signs(value, text):
    assert clause_of(value, LABELS) == parse_value(text, LABELS)


def test_a_mapping_takes_labels_of_any_characters_in_the_order_of_the_attributes():
    classes = {"style": ["Rock & Roll; live=1", "!x|y"], "genre": ["0.5*a", "b"]}
    found = read_condition({"genre": "0.5*a", "style": "Rock & Roll; live=1"}, classes)
    assert list(found) == ["style", "genre"]
    assert found["style"].shares == {"Rock & Roll; live=1": 1.0}
    assert read_condition({"style": Not("!x|y")}, classes)["style"].shares == {"Rock & Roll; live=1": 1.0}


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"stile": "Rococo"}, "did you mean style"),
        ({"style": "Rocco"}, "did you mean Rococo"),
        ({"style": []}, "says nothing"),
        ({"style": 3}, "says nothing"),
        ({"style": {}}, "without a label"),
        ({"style": {"Rococo": -1}}, "not a positive number"),
        ({"style": Weighted("Rococo", float("nan"))}, "not a positive number"),
        ({"style": Not(*LABELS)}, "leaves no label"),
        ({}, "says nothing"),
    ],
)
def test_what_a_program_cannot_mean_is_one_line(condition, message):
    with pytest.raises(OptionError, match=message) as failure:
        read_condition(condition, {"style": LABELS})
    assert "\n" not in str(failure.value)
