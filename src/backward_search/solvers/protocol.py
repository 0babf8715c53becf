"""What a solver is: it moves queries until heads see their conditions met. Each is a module beside this one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions


@dataclass(frozen=True)
class Knob:
    """The number by which a user says how far something goes.

    Attributes:
        option: its name on the command line, and the argument of a program.
        word: what stands before its value in a sentence: `lambda`.
        mark: what stands before its value in a file's name.
        meaning: what it does, for a slider and for --help.
        least: the least value of a slider.
        most: the largest value of a slider.
        default: its value unless another is given, "auto" for one that is chosen; None where the data set says so.
    """

    option: str
    word: str
    mark: str
    meaning: str
    least: float
    most: float
    default: float | str | None = None


class Objective(Protocol):
    """How far B points are from meeting their conditions; `recorded.Recordable` is one that a GPU can record."""

    def loss_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of each point (B,) and its gradient (B, E), both the caller's to change.

        Args:
            z: the points (B, E), which stay as they are.
        """

    def at(self, rows: Tensor) -> "Objective":
        """The objective of some of the queries, an index or a mask."""


class Heads(Protocol):
    """The heads of the conditioned attributes, frozen."""

    @property
    def classes(self) -> int:
        """K, the most classes of any."""

    def logits(self, z: Tensor) -> Tensor:
        """Embeddings (B, E) to logits (A, B, K), `NO_CLASS` for classes that an attribute does not have."""

    def objective(self, conditions: Conditions) -> Objective:
        """What a solver descends on."""


class Ground(Protocol):
    """What a solver can ask for; each thing is made when it first does."""

    @property
    def heads(self) -> Heads:
        """As they were trained."""

    @property
    def calibrated_heads(self) -> Heads:
        """The same with logits divided by the temperatures of their calibration."""

    @property
    def spread(self) -> Tensor:
        """The covariance of the training embeddings (E, E)."""


@dataclass(frozen=True)
class GivenGround:
    """A ground of what is at hand.

    Attributes:
        heads: as they were trained.
        covariance: of the training embeddings (E, E), where the solver needs it.
        calibrated: the calibrated heads, where they differ.
    """

    heads: Heads
    covariance: Tensor | None = None
    calibrated: Heads | None = None

    @property
    def calibrated_heads(self) -> Heads:
        """The calibrated heads; the others where nobody has calibrated them."""
        return self.calibrated or self.heads

    @property
    def spread(self) -> Tensor:
        """The covariance.

        Raises:
            ValueError: it was not given.
        """
        if self.covariance is None:
            raise ValueError("this solver needs the covariance of the training embeddings")
        return self.covariance


@dataclass(frozen=True)
class SearchResult:
    """Where the queries went; of a single one all but the embedding may lie on the CPU.

    Attributes:
        embeddings: the moved queries (B, E).
        steps: gradient evaluations of each query (B,) int64.
        loss: the loss that decided which point was kept (B,): the least one; without early stopping the last.
        stopped: whether a query was frozen because it no longer improved, (B,) bool; the others made all steps.
        losses: on request, the loss before each step (B, S), undefined (NaN) after a query's last.
        path: on request, t_0 ... t_S: the query and the point after each step (B, S + 1, E); after a query's last step
            its last point, which need not be the kept one.
        stopped_by: what it means to be stopped.
    """

    embeddings: Tensor
    steps: Tensor
    loss: Tensor
    stopped: Tensor
    losses: Tensor | None = None
    path: Tensor | None = None
    stopped_by: str = "no improvement"

    @classmethod
    def empty(cls, queries: Tensor, max_itr: int, trace: bool, stopped_by: str = "no improvement") -> "SearchResult":
        """Of queries (B, E) that are yet to be searched; traced, with room for losses and path of so many steps."""
        count = len(queries)
        return cls(
            torch.empty_like(queries),
            torch.zeros(count, dtype=torch.int64, device=queries.device),
            queries.new_full((count,), torch.inf),
            torch.zeros(count, dtype=torch.bool, device=queries.device),
            queries.new_full((count, max_itr), torch.nan) if trace else None,
            queries[:, None].repeat(1, max_itr + 1, 1) if trace else None,
            stopped_by,
        )

    def part(self, rows: slice) -> "SearchResult":
        """That of some queries."""
        cut: dict[str, Any] = {name: value[rows] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **cut)

    def reasons(self) -> list[str]:
        """Why each query stopped: `stopped_by`, "all steps made", or "no finite loss" where it never moved."""
        finite = self.loss.isfinite().tolist()
        words = ("all steps made", self.stopped_by)
        return [
            words[stopped] if good else "no finite loss"
            for stopped, good in zip(self.stopped.tolist(), finite, strict=True)
        ]


class Solver(Protocol):
    """A way to move queries; a frozen dataclass whose fields are its settings.

    Attributes:
        name: as in `--inverse_solver`.
        summary: in a few words, for --help.
        knob: how far it goes; its value is the field that `settings` gives to the knob's option.
        settings: by field the option, or argument of a program, that sets it; the other fields keep their defaults.
        each: whether every query can have a value of the knob of its own.
        needs_training: whether it asks for the training embeddings, or what they calibrate.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    knob: ClassVar[Knob]
    settings: ClassVar[Mapping[str, str]]
    each: ClassVar[bool]
    needs_training: ClassVar[bool]

    @property
    def record(self) -> dict[str, Any]:
        """All its settings by field, ready for JSON."""

    @property
    def marks(self) -> str:
        """The part of a result's file name that says how settings beside the knob differ from usual."""

    def search(
        self,
        ground: Ground,
        queries: Tensor,
        conditions: Conditions,
        *,
        knobs: Tensor | None = None,
        trace: bool = False,
    ) -> SearchResult:
        """Move queries.

        Args:
            ground: heads and what else is known.
            queries: embeddings (B, E).
            conditions: theirs, on their device and in their precision.
            knobs: the knob's value for each query (B,), in place of the solver's own, where `each` admits it.
            trace: keep losses and path.
        """


def knob_value(solver: Solver) -> float:
    """The value of a solver's knob."""
    return float(getattr(solver, knob_field(solver)))


def turned(solver: Solver, value: float) -> Solver:
    """A solver with its knob at another value."""
    return replace(solver, **{knob_field(solver): value})  # type: ignore[type-var]


def knob_field(solver: Solver) -> str:
    """The field of a solver that holds its knob's value."""
    (field,) = (name for name, option in solver.settings.items() if option == solver.knob.option)
    return field


def made(kind: type[Solver], values: Mapping[str, Any]) -> Solver:
    """A solver with the settings that some options have; those that are None keep their default.

    Args:
        kind: the solver.
        values: by option.
    """
    given = {field: values.get(option) for field, option in kind.settings.items()}
    return kind(**{field: value for field, value in given.items() if value is not None})
