"""A method from outside the package: the query moved part of the way to the mean of the wanted class."""

from backward_search.methods.asking import TRAINING, Ask, Moved
from backward_search.methods.knowledge import Knowledge
from backward_search.methods.protocol import Method
from backward_search.methods.registry import METHODS
from backward_search.solvers.protocol import Knob


class Nearer(Method):
    """z0 plus a share of the way to the mean of the target class."""

    name = "nearer"
    summary = "part of the way to the mean of the target class"
    knobs = (Knob("nearer_share", "share", "share", "share of the way to the class mean", 0.0, 1.0, 0.5),)
    needs = frozenset({TRAINING})

    def move(self, known: Knowledge, ask: Ask) -> Moved:
        """By the share."""
        way = known.target_means(ask) - ask.queries
        return Moved.at_once(ask.queries + ask.config.value(self.knobs[0]) * way)


METHODS.register(Nearer.name, Nearer)
