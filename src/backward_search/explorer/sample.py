"""The question that a page begins with, answered: one that shows what the search does."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backward_search.explorer.explored import ExploredRun
from backward_search.explorer.menus import by_count, counts
from backward_search.explorer.state import Choice, State

TRIED, COMMON = 12, 3
"""Questions that are tried, and the most frequent labels of an attribute that they ask for."""


def sample(explored: ExploredRun, run: str) -> State:
    """The best answered of a few questions: images over the whole gallery, each with another label than its own.

    Best is what has most hits that meet the condition and are in all else labelled as the query, then most that share
    something. Without any label to ask for it is the first image without a condition.
    """
    tried = [State(run, row, choices={name: Choice((label,))}) for row, name, label in _questions(explored)]
    return max(tried, key=lambda state: _worth(explored, state), default=State(run, int(explored.rows[0])))


def _questions(explored: ExploredRun) -> Iterator[tuple[int, str, str]]:
    """Query, attribute and label."""
    names, rows = explored.attributes, explored.rows
    for number, place in enumerate(np.linspace(0, len(rows), TRIED, endpoint=False).astype(int)):
        row, at = int(rows[place]), number % len(names)
        order = by_count(counts(explored, names[at]))
        wanted = [label for label in order if label != explored.labels(row)[at]][:COMMON]
        if wanted:
            yield row, names[at], wanted[number // len(names) % len(wanted)]


def _worth(explored: ExploredRun, state: State) -> tuple[int, int]:
    knob = explored.slider(state)
    strength = None if knob is None else (3 * knob.least + knob.most) / 4  # choosing one takes seconds
    found, own = explored.view(replace(state, strength=strength)).found, explored.labels(state.query)
    kept = [place for place, name in enumerate(explored.attributes) if name not in state.choices]
    alike = [bool(hit.meets) and all(hit.labels[i] == own[i] for i in kept) for hit in found]
    return sum(alike), sum(len(hit.shared) for hit in found if hit.meets)
