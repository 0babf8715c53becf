"""What happens when something on the page is used: from its values to new values for its components, in Gradio's terms.

`Handlers` gives values in the order of `page.Parts`: the state and the run, the controls, the results.
"""

import urllib.parse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from backward_search.errors import OptionError, UserError
from backward_search.explorer.engine import STRENGTHS, Engine, View
from backward_search.explorer.exploration import Explorer
from backward_search.explorer.pictures import probabilities
from backward_search.explorer.state import Choice, State
from backward_search.stages.visualize import visualize

SIDE_BY_SIDE = ("unchanged", "teacher", "student", "best")


def guarded(function: Any) -> Any:
    """The function, with what a user can cause shown as a message instead of a fault."""

    def safe(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from None

    safe.__name__ = function.__name__
    return safe


class Handlers:
    """The answers to every event; `beside` is whether methods stand side by side."""

    def __init__(self, explorer: Explorer) -> None:
        """Answer from these runs."""
        self._explorer = explorer

    def show(self, state: State, beside: bool) -> list[Any]:
        """The results of a state."""
        view = self._explorer.engine(state.run).view(state)
        return _results(self._explorer, state, view, beside)

    def everything(self, state: State, beside: bool) -> list[Any]:
        """State, controls and results."""
        return [state, state.run, *_controls(self._explorer, state), *self.show(state, beside)]

    def open(self, beside: bool, request: gr.Request) -> list[Any]:
        """The page is loaded, perhaps by a link."""
        try:
            return self.everything(self._explorer.start(urllib.parse.urlencode(_pairs(request))), beside)
        except UserError as error:
            gr.Warning(str(error))
            return self.everything(self._explorer.start(""), beside)

    def run(self, name: str, beside: bool) -> list[Any]:
        """Another run is chosen."""
        return self.everything(self._explorer.start(urllib.parse.urlencode({"run": name})), beside)

    def index(self, old: State, row: float | None, beside: bool) -> list[Any]:
        """A query is chosen by its index."""
        return self._checked(replace(old, query=int(row or 0), upload=""), beside)

    def image(self, old: State, rows: Sequence[int], beside: bool, event: gr.SelectData) -> list[Any]:
        """An image is clicked: it is the next query."""
        return self._checked(replace(old, query=rows[int(event.index)], upload=""), beside)

    def file(self, old: State, file: str | None, beside: bool) -> list[Any]:
        """An image is dropped in."""
        new = old if file is None else replace(old, upload=self._explorer.uploads.take(Path(file)))
        return self.everything(new, beside)

    def condition(self, old: State, beside: bool, *values: Any) -> list[Any]:
        """A menu or a "not" is used; the values are those of all menus, then of all "not"s."""
        names, half = self._explorer.engine(old.run).attributes, len(values) // 2
        chosen = zip(names, values[:half], values[half:], strict=False)
        choices = {name: Choice(tuple(labels), bool(flag)) for name, labels, flag in chosen if labels}
        return self._checked(replace(old, choices=choices, strength=None), beside)

    def method(self, old: State, name: str, beside: bool) -> list[Any]:
        """Another method is chosen; it begins with its own strength."""
        return self._checked(replace(old, method=name, strength=None), beside)

    def slide(self, old: State, value: float, beside: bool) -> list[Any]:
        """The slider moves: state and results alone, so that it is not set while it is dragged."""
        new = self._explorer.engine(old.run).checked(replace(old, strength=float(value)))
        return [new, *self.show(new, beside)]

    def way(self, state: State) -> list[Any]:
        """The map and the probabilities are asked for."""
        way = self._explorer.engine(state.run).way(state)
        if way is None:
            raise OptionError("choose a condition first: without one the query stays where it is")
        return [self._explorer.map(state.run).draw(state, way), probabilities(way)]

    def figure(self, state: State) -> list[Any]:
        """E2's figure and its command are asked for."""
        engine = self._explorer.engine(state.run)
        return [engine.command(state), self._explorer.thumbnails.whole(visualize(engine.drawing(state)))]

    def _checked(self, state: State, beside: bool) -> list[Any]:
        return self.everything(self._explorer.engine(state.run).checked(state), beside)


def _pairs(request: Any) -> list[tuple[str, str]]:
    return list(request.query_params.multi_items()) if request is not None else []


def _controls(explorer: Explorer, state: State) -> list[Any]:
    engine = explorer.engine(state.run)
    menus, nots = [], []
    for i in range(explorer.attributes):
        name = engine.attributes[i] if i < len(engine.attributes) else None
        choice = state.choices.get(name or "", Choice())
        choices = [] if name is None else engine.table.classes[name]
        label = f"{name}: {'any' if not choice.labels else 'not' if choice.negated else 'is'}"
        menus.append(gr.update(choices=choices, value=list(choice.labels), label=label, visible=name is not None))
        nots.append(gr.update(value=choice.negated, label=f"not these ({name})", visible=name is not None))
    methods = engine.methods(state)
    method = state.method if state.method in methods else methods[0]
    browse, rows = explorer.browsed(state)
    index = None if state.upload else state.query
    return [
        *(index, explorer.query(state), engine.query_text(state), *menus, *nots),
        *(gr.update(choices=methods, value=method), _slider(engine, replace(state, method=method)), browse, rows),
    ]


def _slider(engine: Engine, state: State) -> Any:
    kind = STRENGTHS.get(state.method)
    if kind is None or not state.choices:
        return gr.update(visible=False)
    value = engine.view(state).strength
    return gr.update(minimum=kind.least, maximum=kind.most, value=value, label=kind.words, visible=True)


def _results(explorer: Explorer, state: State, view: View, beside: bool) -> list[Any]:
    met = sum(hit.meets for hit in view.found)
    wanted = f"**{_plain(state.condition)}** — {met} of {len(view.found)} meet it" if state.choices else "no condition"
    head = f"{view.method}: {wanted} ({1000 * view.seconds:.0f} ms); click an image to search with it"
    engine = explorer.engine(state.run)
    others = []
    for name in SIDE_BY_SIDE:
        there = beside and name in engine.methods(state) and name != view.method
        shown = explorer.images(state, engine.view(replace(state, method=name, strength=None))) if there else []
        others.append(gr.update(value=shown, visible=there))
    return [head, explorer.images(state, view), [hit.row for hit in view.found], f"?{state.link()}", *others]


def _plain(text: str) -> str:
    """The text without Markdown's and HTML's signs meaning anything."""
    return "".join(f"&#{ord(sign)};" if sign in "*_`[]<>&#!\\$|" else sign for sign in text)
