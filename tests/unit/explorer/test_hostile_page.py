"""Nothing that a label, a tag, a key, a run or a file is called is markup, script or direction on the page."""

import html
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from extras import needs
from hostile import ALL, DOING, LONG, MATH, ODD, TURNED
from test_grid import Elements

needs("web", "gradio")

import gradio as gr
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from backward_search.errors import OptionError
from backward_search.explorer import grid, handlers
from backward_search.explorer.explored import FoundImage, Probabilities, View
from backward_search.explorer.handlers import Handlers
from backward_search.explorer.pictures import probabilities
from backward_search.explorer.state import Choice, State
from backward_search.gallery.engines.index import EXACT
from backward_search.visible import visible


class Explored:
    """A run in which everything is called the same."""

    def __init__(self, name: str) -> None:
        self.called, self.attributes, self.rows = name, (name,), np.arange(2)
        self.keys, self.table = (name, name), SizedTable({name: [name, "b"]})
        self.settings = SimpleNamespace(engine=SimpleNamespace(engine=EXACT))
        self.refusals = f"none can: python C4.py --dataset_name {name}"

    def labels(self, row):
        return (self.called,)

    def name(self, row):
        return self.called

    def query_text(self, state):
        return self.called, (self.called,)

    def view(self, state):
        hit = FoundImage(0, 0.5, (self.called,), (self.called,), True)
        return View("best", [hit, replace(hit, row=1, meets=False)], 0.25, 0.001)

    def doubts(self, state):
        return [self.called]

    def guessed(self, state):
        return [self.called]


def is_harmless(page: str, name: str, tags: set[str]) -> None:
    """Whether a piece of HTML has no elements but its own, no attribute that acts, and does nothing to what follows."""
    shown = Elements(page)
    assert {tag for tag, _ in shown.elements} <= tags
    assert not [key for _, attributes in shown.elements for key in attributes if key.startswith("on") or key == "x"]
    assert not set(page) & (set(DOING) - {"\n"})
    assert visible(name) in shown.text


@pytest.mark.parametrize("name", ALL)
def test_grids_hold_names_as_text(name):
    run, state = Explored(name), State(name, choices={name: Choice((name,))})
    tags = {"section", "div", "button", "img", "span", "b", "i", "h3", "figure", "figcaption"}
    for page in (grid.hits(run, state, run.view(state), name), grid.images(run, state, [0, 1]), grid.query(run, state)):
        is_harmless(page, name, tags)
        places = [attributes["src"] for tag, attributes in Elements(page).elements if tag == "img"]
        assert all(place.startswith("thumbnail/") and place.count("/") == 2 for place in places)


@pytest.mark.parametrize("name", ALL)
def test_the_line_above_the_hits_holds_names_as_text(name):
    head, _, link = handlers._found(Explored(name), State(name, choices={name: Choice((name,))}))
    is_harmless(head, name, {"a", "b", "br"})
    assert not set(link) & set(DOING + "<>\"' ")


@pytest.mark.parametrize("name", ALL)
def test_messages_are_no_markup(name, monkeypatch):
    def refused(*_):
        raise OptionError(f"{name} is not a label")

    explorer = SimpleNamespace(take=refused, start=refused, roots={})
    with pytest.raises(gr.Error) as error:
        Handlers(explorer).guarded(refused)()
    said = [error.value.message]
    monkeypatch.setattr(gr, "Warning", said.append)
    monkeypatch.setattr(Handlers, "everything", lambda *_: [])
    monkeypatch.setattr(Handlers, "_browsed", lambda *_: "")
    Handlers(explorer).file(State("r"), "x.jpg", None)
    Handlers(explorer).run(State("r"), "r")
    assert len(said) == 3
    for message in said:
        is_harmless(message, name[:200], set())  # a message has a bound


@pytest.mark.parametrize("name", ALL)
def test_menus_show_names_harmlessly_and_mean_the_true_ones(name):
    run = Explored(name)
    run.methods, run.method = (lambda state: ["best"]), (lambda state: "best")
    run.strength = run.slider = lambda state: None
    explorer = SimpleNamespace(loaded=lambda _: run, attributes=1)
    parts = handlers._controls(explorer, State("r", choices={name: Choice((name,))}), run.refusals)
    (menu,) = [part for part in parts if isinstance(part, dict) and part.get("label") == visible(name)]
    assert menu["choices"] == [(f"{visible(name)} (0)", name), ("b (2)", "b")]
    assert menu["value"] == [name]
    (info,) = [part["info"] for part in parts if isinstance(part, dict) and part.get("info")]
    is_harmless(info, name, set())


class SizedTable:
    def __init__(self, classes) -> None:
        self.classes, self.ids = classes, dict.fromkeys(classes, np.array([1, 1]))

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize("name", ALL)
def test_probabilities_are_drawn_of_any_names(name):
    labels = [name, "_b", "$c^{$"]
    way = Probabilities(SimpleNamespace(), {name: labels}, {name: torch.rand(4, 3)})
    figure = probabilities(way, State("r", choices={name: Choice((name,))}))
    FigureCanvasAgg(figure).draw()
    texts = "".join(text.get_text() for text in figure.findobj(Text))
    assert not set(texts) & set(DOING)
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert len(legend) == 3
    assert {"_b", "$c^{$"} <= set(legend)


def test_the_names_are_what_they_are_called():
    assert html.unescape(grid.plain(MATH, ODD)) == f"{MATH}\n{ODD}"
    assert "\\u202e" in grid.plain(TURNED)
    assert len(grid.plain(LONG)) == len(LONG)
