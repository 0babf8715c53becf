"""What happens when something on the page is used: from its values to new values for its components, in Gradio's terms.

`Handlers` gives values in the order of the page's `Controls` and `Results`. What a user waits for comes first, as
`everything`; what takes longer follows as `settled`.
"""

import functools
import logging
import math
import urllib.parse
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from backward_search.errors import OptionError, UserError
from backward_search.explorer import grid, menus
from backward_search.explorer.comparison import others, sheet_of
from backward_search.explorer.exploration import BROWSED, Explorer
from backward_search.explorer.explored import ExploredRun
from backward_search.explorer.limits import client_of
from backward_search.explorer.pictures import probabilities
from backward_search.explorer.state import USUAL, Choice, State
from backward_search.explorer.wording import without_paths
from backward_search.gallery.engines.index import EXACT
from backward_search.runs.doubts import MOST
from backward_search.visible import visible

LOG = logging.getLogger(__name__)
FAULT = "something went wrong here: the log of the server says what"
MOST_SAID = 500
"""Letters of an error."""
NO_WAY = "Choose a condition: without one the query stays where it is."
BESIDE = (("nothing", ""), ("the usual methods", USUAL))
NO_COMMAND = "choose a condition first: E2 draws what is found under one"


class Handlers:
    """The answers to every event."""

    def __init__(self, explorer: Explorer, *, public: bool = False) -> None:
        """Answer from these runs; where it is public, commands do not say either where things lie."""
        self._explorer, self._public = explorer, public

    def guarded(self, function: Any) -> Any:
        """The function, with what goes wrong shown as a message instead of a fault; Gradio reads its signature."""

        @functools.wraps(function)
        def safe(*arguments: Any) -> Any:
            """The function, whose faults are messages."""
            try:
                return function(*arguments)
            except UserError as error:
                raise gr.Error(self.said(error), print_exception=False) from None
            except Exception:  # what is said of it is for the log, not for the client
                LOG.exception("an event of the page failed")
                raise gr.Error(FAULT, print_exception=False) from None

        return safe

    def said(self, error: UserError) -> str:
        """What a client is told of an error: where files lie is for the log; nothing of it is HTML."""
        LOG.info("refused: %s", str(error)[:2000].encode("unicode_escape").decode())
        return grid.plain(without_paths(visible(str(error)), self._explorer.roots)[:MOST_SAID])

    def everything(self, state: State) -> list[Any]:
        """State, controls and hits."""
        refusals = self._loaded(state).refusals
        refusals = without_paths(refusals, self._explorer.roots) if self._public else refusals
        controls = _controls(self._explorer, state, refusals)
        return [state, state.run, *controls, *_found(self._loaded(state), state)]

    def open(self, request: gr.Request) -> list[Any]:
        """The page is loaded, perhaps by a link."""
        try:
            state = self._explorer.start(urllib.parse.urlencode(_pairs(request)))
        except UserError as error:
            gr.Warning(self.said(error))
            state = self._explorer.start("")
        return self._opened(state)

    def run(self, old: State, name: str) -> list[Any]:
        """Another run is chosen; nothing of the condition can be kept. Where it cannot be loaded, the old one stays."""
        try:
            new = self._explorer.start(urllib.parse.urlencode({"run": name}))
            state = replace(new, beside=old.beside, way=old.way, count=old.count)
        except UserError as error:
            gr.Warning(self.said(error))
            state = old
        return self._opened(state)

    def back(self, old: State, event: gr.EventData) -> list[Any]:
        """The browser goes back to a link, or forth; where it no longer means anything, all stays."""
        data = event._data if isinstance(event._data, dict) else {}
        try:
            state = self._explorer.start(str(data.get("link", "")).removeprefix("?"))
        except UserError as error:
            gr.Warning(self.said(error))
            state = old
        return self._opened(state)

    def index(self, old: State, row: float | None) -> list[Any]:
        """A query is chosen by its index; while there is none in the field, nothing happens."""
        return self._checked(old if row is None else replace(old, query=_whole(row), upload=""))

    def chance(self, old: State) -> list[Any]:
        """Any image of the gallery is the next query."""
        row = np.random.default_rng().choice(self._loaded(old).rows)
        return self._checked(replace(old, query=int(row), upload=""))

    def image(self, old: State, event: gr.EventData) -> list[Any]:
        """An image is clicked: it is the next query."""
        data = event._data if isinstance(event._data, dict) else {}
        return self._checked(replace(old, query=_whole(data.get("row")), upload=""))

    def file(self, old: State, file: str | None, request: gr.Request) -> list[Any]:
        """An image is dropped in, or taken away again, as one is that cannot be read."""
        try:
            name = "" if file is None else self._explorer.take(Path(file), _client(request))
        except UserError as error:
            gr.Warning(self.said(error))
            name = ""
        return self.everything(replace(old, upload=name))

    def condition(self, old: State, *values: Any) -> list[Any]:
        """A menu or a "not" is used; the values are those of all menus, then of all "not"s."""
        names, half = self._loaded(old).attributes, len(values) // 2
        if not all(isinstance(labels, list) or not labels for labels in values[:half]):
            raise OptionError("the labels of a condition have to be a list")
        chosen = zip(names, values[:half], values[half:], strict=False)
        choices = {name: Choice(tuple(labels), bool(flag)) for name, labels, flag in chosen if labels}
        return self._checked(replace(old, choices=choices, strength=None))

    def method(self, old: State, name: str) -> list[Any]:
        """Another method is chosen; it begins with its own strength."""
        return self._checked(replace(old, method=str(name), strength=None))

    def slide(self, old: State, value: float) -> list[Any]:
        """The slider moves: the state alone follows, since `look.DRAGGED` brings the hits."""
        new = self._loaded(old).checked(replace(old, strength=float(value)))
        return [new, f"?{new.link()}"]

    def slid(self, old: State, value: float) -> list[Any]:
        """The slider is let go."""
        new = self._loaded(old).checked(replace(old, strength=float(value)))
        return [new, *_found(self._loaded(old), new)]

    def sheet(self, link: str) -> str:
        """The hits of a link as a CSV file for a spreadsheet.

        Raises:
            UserError: it is malformed, or names what does not exist.
        """
        state = self._explorer.start(link)
        return sheet_of(self._loaded(state), state)

    def quickly(self, link: str) -> dict[str, str]:
        """The line above the hits, and the hits, of a link.

        Raises:
            UserError: it is malformed, or names what does not exist.
        """
        state = self._explorer.start(link)
        head, hits, _ = _found(self._loaded(state), state)
        return {"head": head, "hits": hits}

    def beside(self, old: State, name: str | None) -> list[Any]:
        """Another method is to stand beside the chosen one, or the usual ones, or none."""
        new = self._loaded(old).checked(replace(old, beside=str(name or "")))
        return [new, *_found(self._loaded(old), new)]

    def order(self, old: State, flag: bool) -> list[Any]:
        """The menus are to have frequent labels first, or no longer."""
        return self.everything(replace(old, count=bool(flag)))

    def shown(self, old: State) -> list[Any]:
        """The map is opened."""
        return [replace(old, way=True), f"?{replace(old, way=True).link()}"]

    def hidden(self, old: State) -> list[Any]:
        """The map is closed."""
        return [replace(old, way=False), f"?{replace(old, way=False).link()}"]

    def settled(self, state: State) -> list[Any]:
        """What follows the hits: the other methods, the way, and the command; an old figure goes."""
        command = self._loaded(state).command(state) if state.choices else NO_COMMAND
        command = without_paths(command, self._explorer.roots) if self._public else command
        return [_others(self._loaded(state), state), *self._way(state), command, gr.update(visible=False)]

    def turned(self, old: State, step: int = 0) -> list[Any]:
        """The gallery is opened, where the query is or where it was left, or turned by so many pages."""
        first = self._explorer.page_of(old, old.gallery)
        new = replace(old, gallery=self._explorer.page_of(old, first + step * BROWSED))
        return [new, f"?{new.link()}", self._browsed(new)]

    def closed(self, old: State) -> list[Any]:
        """The gallery is closed."""
        new = replace(old, gallery=None)
        return [new, f"?{new.link()}"]

    def figure(self, state: State) -> Any:
        """E2's figure is asked for."""
        file = self._explorer.figure(state)
        return gr.update(value=self._explorer.thumbnails.whole(file), visible=True)

    def _opened(self, state: State) -> list[Any]:
        """Everything, and what is folded in as the state has it."""
        folds = [gr.update(open=state.way), gr.update(open=state.gallery is not None)]
        return [*self.everything(state), self._browsed(state), *folds]

    def _browsed(self, state: State) -> str:
        """A page of the gallery; nothing where it is closed."""
        if state.gallery is None:
            return ""
        rows = self._explorer.browsed(state, state.gallery)
        return grid.images(self._loaded(state), state, rows, self._explorer.place(state, state.gallery))

    def _loaded(self, state: State) -> ExploredRun:
        return self._explorer.loaded(state.run)

    def _checked(self, state: State) -> list[Any]:
        return self.everything(self._loaded(state).checked(state))

    def _way(self, state: State) -> list[Any]:
        way = self._loaded(state).way(state) if state.way else None
        if way is None:
            return [gr.update(value=NO_WAY, visible=state.way), *([gr.update(visible=False)] * 2)]
        drawn = (self._explorer.map(state.run).draw(state, way), probabilities(way, state))
        return [gr.update(visible=False), *(gr.update(value=figure, visible=True) for figure in drawn)]


def _pairs(request: Any) -> list[tuple[str, str]]:
    return list(request.query_params.multi_items()) if request is not None else []


def _client(request: Any) -> str:
    """Who asks, as the limits have it."""
    return client_of({"client": (request.client.host, 0)}) if request is not None and request.client else "?"


def _whole(value: Any) -> int:
    """A whole number.

    Raises:
        OptionError: it is none.
    """
    number = isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**53
    if isinstance(value, bool) or not number or int(value) != value:
        raise OptionError("an image is named by a whole number")
    return int(value)


def _controls(explorer: Explorer, state: State, refusals: str) -> list[Any]:
    explored = explorer.loaded(state.run)
    shown, nots = [], []
    for i in range(explorer.attributes):
        name = explored.attributes[i] if i < len(explored.attributes) else None
        choice = state.choices.get(name or "", Choice())
        offered = [] if name is None else menus.choices(explored, name, frequent_first=state.count)
        above = None if name is None else menus.title(explored, name)
        shown.append(gr.update(choices=offered, value=list(choice.labels), label=above, visible=name is not None))
        nots.append(gr.update(value=choice.negated, visible=name is not None))
    index = gr.update(value=None if state.upload else state.query, label=f"query (0 to {len(explored.table) - 1})")
    file = gr.update() if state.upload else None
    method = gr.update(choices=explored.methods(state), value=explored.method(state), info=grid.plain(refusals) or None)
    further = [(name, name) for name in explored.methods(state) if name != explored.method(state)]
    beside = gr.update(choices=[*BESIDE, *further], value=_beside(explored, state))
    named = [index, grid.query(explored, state), file, *shown, *nots, state.count]
    return [*named, method, _slider(explored, state), beside]


def _beside(explored: ExploredRun, state: State) -> str:
    """What stands beside the method: nothing where it is the method itself, or cannot answer."""
    able = state.beside in explored.methods(state) and state.beside != explored.method(state)
    return state.beside if able or state.beside == USUAL else ""


def _slider(explored: ExploredRun, state: State) -> Any:
    value, knob = explored.strength(state), explored.slider(state)
    if value is None or knob is None:
        return gr.update(visible=False)
    return gr.update(minimum=knob.least, maximum=max(knob.most, value), value=value, label=knob.meaning, visible=True)


def _found(explored: ExploredRun, state: State) -> list[str]:
    """The line above the hits, the hits, and the link."""
    view = explored.view(state)
    met = sum(bool(hit.meets) for hit in view.found)
    wanted = f"{view.method}, <b>{grid.plain(state.condition)}</b>: {met} of {len(view.found)} meet it"
    head = wanted if state.choices else "no condition yet: the images most like the query"
    title = grid.heading(view) if state.beside and state.choices else ""
    by = "" if explored.settings.engine.engine == EXACT else f" by {explored.settings.engine.engine}"
    link = f'<a href="hits.csv?{grid.plain(state.link())}" download="hits.csv">as a sheet (CSV)</a>'
    head = f"{head} ({1000 * view.seconds:.0f} ms{by}) {link}{_note(explored, state)}"
    return [head, grid.hits(explored, state, view, title), f"?{state.link()}"]


def _note(explored: ExploredRun, state: State) -> str:
    """What is to be known beside a condition: a class that the head hardly knows, guessed labels; "" for nothing."""
    poor = explored.doubts(state)
    said = "; ".join(map(str, poor[:MOST])) + (f"; and {len(poor) - MOST} more" if len(poor) > MOST else "")
    notes = [f"The head recognises {grid.plain(said)}."] if poor else []
    if guessed := explored.guessed(state):
        notes.append(
            f"Labels of {grid.plain(', '.join(guessed))} are guesses: a tick says that the class vectors agree."
        )
    return "".join(f"<br>{note}" for note in notes)


def _others(explored: ExploredRun, state: State) -> Any:
    views = others(explored, state)
    if not views:
        return gr.update(visible=False)
    found = "".join(grid.hits(explored, state, view, grid.heading(view)) for view in views)
    return gr.update(value=f'<div class="others">{found}</div>', visible=True)
