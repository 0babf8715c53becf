"""In place of F1's server: a file is damaged, and then everything on the page is used once."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SERVED = "served"
"""What begins each line about an event: how it ended."""


def start_alone() -> None:
    """F1 starts, and ends where it would serve."""
    import uvicorn

    uvicorn.run = lambda **_: print(SERVED)


def damage_then_use(file: str, damaged: str) -> None:
    """F1 starts, and where it would serve, a file becomes another, or goes, and every event of the page is tried."""
    import uvicorn

    from backward_search.explorer import server

    explorers, make = [], server.application

    def application(explorer: Any, *more: Any) -> Any:
        explorers.append(explorer)
        return make(explorer, *more)

    def serve(**_: Any) -> None:
        (explorer,) = explorers
        state = explorer.start("")
        if damaged:
            Path(damaged).replace(file)  # as whoever writes it anew: what is open stays what it was
        else:
            Path(file).unlink()
        _use(explorer, state)

    server.application, uvicorn.run = application, serve


def _use(explorer: Any, state: Any) -> None:
    import gradio as gr

    from backward_search.explorer.handlers import Handlers
    from backward_search.explorer.state import USUAL, Choice

    handlers, warned = Handlers(explorer), []
    gr.Warning = warned.append
    nobody = SimpleNamespace(query_params=SimpleNamespace(multi_items=list), client=None)
    first = explorer.loaded(state.run)
    labels = [first.table.classes[name][0] for name in first.attributes]
    asked = replace(state, choices={first.attributes[0]: Choice((labels[0],))}, way=True)
    events = {
        "open": lambda: handlers.open(nobody),
        "run": lambda: handlers.run(state, state.run),
        "index": lambda: handlers.index(state, 3),
        "condition": lambda: handlers.condition(state, [], [labels[-1]], False, True),
        "settled": lambda: handlers.settled(replace(asked, beside=USUAL)),
        "beside": lambda: handlers.beside(asked, "teacher"),
        "order": lambda: handlers.order(asked, True),
        "turned": lambda: handlers.turned(state, 1),
        "sheet": lambda: handlers.sheet(asked.link()),
        "quickly": lambda: handlers.quickly(asked.link()),
        "thumbnail": lambda: [explorer.thumbnail(state.run, 5)],
        "figure": lambda: handlers.figure(asked),
        **{
            f"method {name}": lambda name=name: handlers.method(asked, name)
            for name in ("best", "teacher", "student", "concept_null", "class_shift", "predicted_filter", "context")
        },
    }
    for name, event in events.items():
        said = "well"
        try:
            handlers.guarded(event)()
        except gr.Error as error:
            said = error.message
        for each in (said, *warned):
            print(SERVED, name, repr(each))
        warned.clear()
