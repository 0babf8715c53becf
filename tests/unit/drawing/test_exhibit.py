"""The figure of a query: what stands beneath its hits."""

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from backward_search.drawing.exhibit import Card, Exhibit, Hit, Row, draw, save
from backward_search.storage.atomic import MACHINE

USUAL = ["red", "cos 0.50"]


def beneath(*shared: str, hits: int = 1) -> list[str]:
    """The lines beneath the first of some equal hits in a figure of 6 inches, whose cells are 1.1 wide at most."""
    found = [Hit(None, ["red"], ["cos 0.50"], meets=False, shared=shared)] * hits
    figure = draw(Exhibit(Card(None, "query", []), [Row("method", found)]), 6.0)
    texts = [one for one in figure.findobj(Text) if one.get_text() and one.get_text() != "query"]
    lines = [one for one in texts if one.get_position()[0] == texts[0].get_position()[0]]
    return [one.get_text() for one in lines[1:-1]]  # but for title and legend


def test_what_a_hit_shares_stands_beneath_it():
    assert beneath() == USUAL
    assert beneath("boat") == [*USUAL, "shares boat"]
    assert " ".join(beneath("boat", "oil", "sea")) == "red cos 0.50 shares boat, oil, sea"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("", "a, b, c, +2 more"),
        (" with a tail so long", "a with a tail so long, b with a tail so long, +3 more"),
        (" which goes on and on for very long", "a which goes on and on for very long, +4 more"),
    ],
)
def test_of_many_or_long_tags_fewer_are_named_and_the_others_counted(words, shown):
    lines = beneath(*(letter + words for letter in "abcde"))
    assert lines[:2] == USUAL
    assert " ".join(lines[2:]) == f"shares {shown}"
    assert len(lines) <= 5


def test_a_tag_without_room_is_cut():
    lines = beneath(*(f"{letter} which goes on and on for very long" for letter in "abcde"), hits=9)
    assert len(lines) == 5
    assert lines[2].startswith("shares a")
    assert lines[4].endswith("…")


def test_what_was_half_drawn_goes(tmp_path):
    half = tmp_path / f".query_2.{MACHINE}-999999999-1.partial.png"
    half.touch()  # of a process that was killed
    save(Figure(), tmp_path / "query_3.png")
    assert [file.name for file in tmp_path.iterdir()] == ["query_3.png"]
