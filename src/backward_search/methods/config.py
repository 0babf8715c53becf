"""How queries are answered, whatever the method: the settings of a search as one small value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backward_search.errors import OptionError
from backward_search.solvers.protocol import Knob, Solver

AUTO = "auto"
"""The value of a knob that is chosen on training images."""
BATCH = 512
"""Queries moved at once."""


@dataclass(frozen=True)
class Aim:
    """What a knob is chosen for.

    Attributes:
        kind: "precision" takes the least value that attains the share of the precision@10 of the greatest; "context"
            the greatest that keeps the share of the context@10 of the least.
        share: in (0, 1].
    """

    kind: str = "precision"
    share: float = 0.95

    @classmethod
    def parsed(cls, text: str) -> "Aim":
        """Read `precision=0.85` or `context=0.9`.

        Raises:
            OptionError: it is neither.
        """
        kind, _, share = text.partition("=")
        if kind not in ("precision", "context"):
            raise OptionError(f"aim {text} is neither precision=S nor context=S")
        try:
            value = float(share)
        except ValueError:
            raise OptionError(f"aim {text}: {share!r} is not a number") from None
        if not 0 < value <= 1:
            raise OptionError(f"aim {text}: the share must lie between 0 and 1")
        return cls(kind, value)

    @property
    def text(self) -> str:
        """What `parsed` reads."""
        return f"{self.kind}={self.share:g}"


@dataclass(frozen=True)
class AnswerConfig:
    """The settings of a search.

    Attributes:
        solver: what moves queries where a method searches.
        knobs: by option the value of a method's own knobs; those that are not there keep their default. `AUTO` for one
            that is to be chosen.
        aim: what it is chosen for.
        rerank: weight of the condition's log-probability, added to any method's own score.
        seed: of what is drawn: random hits, and the training images among which a knob is chosen.
        batch_size: queries moved at once.
        student: which student answers, where there are several; the source knows what it means, and its `result_marks`
            are part of a result's file name.
    """

    solver: Solver
    knobs: Mapping[str, float | str] = field(default_factory=dict)
    aim: Aim = field(default_factory=Aim)
    rerank: float = 0.0
    seed: int = 0
    batch_size: int = BATCH
    student: Any = None

    def raw(self, knob: Knob) -> float | str:
        """The value of a knob; `AUTO` where it is yet to be chosen."""
        value = self.knobs.get(knob.option, knob.default)
        assert value is not None
        return value

    def value(self, knob: Knob) -> float:
        """The value of a knob.

        Raises:
            ValueError: it is yet to be chosen.
        """
        value = self.raw(knob)
        if isinstance(value, str):
            raise ValueError(f"the {knob.word} is {value!r}: give a number")
        return value
