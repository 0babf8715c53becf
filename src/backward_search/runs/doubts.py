"""What is to be said of a condition beside its hits: it may ask for a class that the head hardly knows."""

import logging
from collections.abc import Sequence

from backward_search.data.guesses import load_guessed, warnings_of_guesses
from backward_search.errors import MissingError
from backward_search.runs.task import Task
from backward_search.training.recognition import Recognition

LOG = logging.getLogger(__name__)

MOST = 5
"""Classes that are warned of by name; further ones are counted."""


def doubts(task: Task, places: Sequence[int] | None = None) -> list[tuple[str, Recognition]]:
    """The classes asked for that are recognised in fewer than half of the split's images of them, the worst first.

    Nothing is said of classes of fewer than five images, nor where the split has no logits: a method that needs them
    will say so itself.

    Args:
        task: the queries; their conditioned attributes are the first of each pair.
        places: of those that are meant; all where they are left out.

    Raises:
        DataError: the logits are damaged.
    """
    guessed = load_guessed(task.source.run.data)
    asked = [(name, labels) for name, labels in task.asked(places).items() if name not in guessed]
    try:
        found = [(name, task.source.recognised(name)[label]) for name, labels in asked for label in sorted(labels)]
    except MissingError as error:
        LOG.info("how well the heads recognise the classes asked for is not known: %s", error)
        return []
    return sorted((each for each in found if each[1].doubtful), key=lambda each: each[1].rank)


def warn_of(task: Task, places: Sequence[int] | None = None) -> None:
    """Warn of them in the log, a line each; see `doubts`."""
    for words in warnings_of_guesses(task.source.run.data, task.conditioned, task.table.keys):
        LOG.warning("%s", words)
    found = doubts(task, places)
    for name, one in found[:MOST]:
        LOG.warning("%s: the head recognises %s: expect few hits to meet a condition on it", name, one)
    if (more := len(found) - MOST) > 0:
        LOG.warning("so it is with %d more of the classes asked for: fewer than half of their images", more)
