"""What is shown of a state: the hits of its method, and those of others beside it; on the page, and as a sheet."""

from collections.abc import Sequence
from dataclasses import replace

from backward_search.explorer.explored import ExploredRun, FoundImage, View
from backward_search.explorer.state import USUAL, State
from backward_search.methods.registry import drawn
from backward_search.runs.evidence import BETWEEN
from backward_search.storage.atomic import sheet

COLUMNS = ("method", "strength", "condition", "query", "rank", "hit", "score", "meets", "shared")


def others(explored: ExploredRun, state: State) -> list[View]:
    """What the methods beside the state's own find, each with its own strength; nothing without a condition."""
    if not (state.beside and state.choices):
        return []
    able, own = explored.methods(state), explored.method(state)
    asked = drawn(able.__contains__) if state.beside == USUAL else [state.beside]
    return [explored.view(replace(state, method=name, strength=None)) for name in asked if name in able and name != own]


def sheet_of(explored: ExploredRun, state: State) -> str:
    """The hits as a CSV file for people: those of the state's method, then those beside them."""
    views = [explored.view(state), *others(explored, state)]
    lines = [_line(explored, state, view, place) for view in views for place in range(len(view.found))]
    return sheet([*COLUMNS, *explored.attributes], lines)


def _line(explored: ExploredRun, state: State, view: View, place: int) -> Sequence[object]:
    hit: FoundImage = view.found[place]
    strength = "" if view.strength is None else view.strength
    asked = [view.method, strength, state.condition, explored.query_text(state)[0]]
    met = "" if hit.meets is None else hit.meets
    return [*asked, place + 1, explored.keys[hit.row], hit.score, met, BETWEEN.join(hit.shared), *hit.labels]
