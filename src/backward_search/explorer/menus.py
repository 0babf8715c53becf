"""What the menus of a condition offer: the labels of an attribute with how many images of the gallery have each."""

import numpy as np

from backward_search.explorer.explored import ExploredRun
from backward_search.visible import visible

MANY = 12
"""Labels: a menu of more says that one can type to find one."""


def counts(explored: ExploredRun, name: str) -> dict[str, int]:
    """How many images of the gallery have each label of an attribute, in the order of the labels."""
    labels = explored.table.classes[name]
    found = np.bincount(explored.table.ids[name][explored.rows], minlength=len(labels)).tolist()
    return dict(zip(labels, found, strict=True))


def by_count(found: dict[str, int]) -> list[str]:
    """The labels, the most frequent first; equally frequent ones stay in their order.

    >>> by_count({"a": 1, "b": 3, "c": 3})
    ['b', 'c', 'a']
    """
    return sorted(found, key=lambda label: -found[label])


def choices(explored: ExploredRun, name: str, *, frequent_first: bool) -> list[tuple[str, str]]:
    """What a menu shows, and the labels that it means."""
    found = counts(explored, name)
    order = by_count(found) if frequent_first else list(found)
    return [(f"{visible(label)} ({found[label]:,})", label) for label in order]


def title(explored: ExploredRun, name: str) -> str:
    """What stands above a menu."""
    many = len(explored.table.classes[name])
    return f"{visible(name)}: type to find one of {many}" if many > MANY else visible(name)
