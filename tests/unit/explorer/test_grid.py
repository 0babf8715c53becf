"""The hits as HTML: nothing in a name is markup, and every image says which one it is."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from backward_search.explorer import grid
from backward_search.explorer.explored import FoundImage, View
from backward_search.explorer.state import State

HOSTILE = '"><script>alert(1)</script>{{x}}${1}&amp;'


class Elements(HTMLParser):
    """Its elements, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


class Engine:
    keys = (HOSTILE, "a/b.jpg")

    def __init__(self, pictures=True):
        self.pictures = pictures

    def labels(self, row):
        return (HOSTILE, "large")

    def name(self, row):
        return "" if self.pictures else self.keys[row]


@pytest.fixture
def found():
    tags = tuple(f"tag{i}" for i in range(6))
    hits = [FoundImage(0, 0.5, Engine().labels(0), (HOSTILE,), True), FoundImage(1, -0.25, ("x",), tags, False)]
    return View("best", hits, 0.25, 0.001)


def test_names_are_text(found):
    shown = Elements(grid.hits(Engine(), State("run/..?"), found, HOSTILE))
    assert "script" not in [tag for tag, _ in shown.elements]
    assert shown.text.count(HOSTILE) == 3  # heading, label, shared tag
    images = [attributes["src"] for tag, attributes in shown.elements if tag == "img"]
    assert images == ["thumbnail/run%2F..%3F/0.jpg", "thumbnail/run%2F..%3F/1.jpg"]
    assert Elements(grid.images(Engine(), State("r"), [0])).text == "0" + HOSTILE + ", large"


def test_hits_say_row_score_shared_tags_and_whether_they_meet(found):
    shown = Elements(grid.hits(Engine(), State("r"), found))
    buttons = [attributes for tag, attributes in shown.elements if tag == "button"]
    assert [(each["data-row"], each["class"]) for each in buttons] == [("0", "hit meets"), ("1", "hit")]
    assert ("section", {"class": "hits", "data-strength": "0.25"}) in shown.elements
    assert "0.50 ✓ condition met" in shown.text
    assert "-0.25 ✗ condition not metxshares tag0, tag1, tag2, tag3, +2 more" in shown.text
    assert buttons[1]["title"].endswith("✗ condition not met\nshares tag0, tag1, tag2, tag3, tag4, tag5")


def test_without_a_condition_none_is_met_or_unmet(found):
    found = replace(found, found=[replace(found.found[1], meets=None, shared=())], strength=None)
    shown = Elements(grid.hits(Engine(), State("r"), found))
    (button,) = [attributes for tag, attributes in shown.elements if tag == "button"]
    assert (shown.text, button["class"], button["title"]) == ("-0.25x", "hit", "a/b.jpg")


def test_what_has_no_picture_is_named(found):
    assert Elements(grid.images(Engine(pictures=False), State("r"), [1])).text == "1a/b.jpg" + HOSTILE + ", large"
    assert "-0.25 ✗ condition not meta/b.jpgx" in Elements(grid.hits(Engine(pictures=False), State("r"), found)).text
