"""The methods that move the query and rank by likeness to where it is then: the search, its student, class means."""

from typing import Any, ClassVar

from torch import Tensor

from backward_search.errors import OptionError
from backward_search.methods.asking import STUDENT, TRAINING, Ask, Moved
from backward_search.methods.config import AnswerConfig
from backward_search.methods.knowledge import Knowledge
from backward_search.methods.protocol import Method
from backward_search.solvers.protocol import Knob, SearchResult, knob_value

SHIFT = Knob("shift", "shift", "shift", "share of the shift from class to class", 0.0, 2.0, 1.0)


class Teacher(Method):
    """Backward Search, by a solver."""

    name = "teacher"
    summary = "Backward Search"
    searches = True

    def asks(self, config: AnswerConfig) -> frozenset[str]:
        """What the solver needs."""
        return super().asks(config) | ({TRAINING} if config.solver.needs_training else set())

    def marks(self, config: AnswerConfig) -> str:
        """Those of the solver."""
        return config.solver.marks

    def record(self, config: AnswerConfig) -> dict[str, Any]:
        """The solver's settings."""
        return config.solver.record

    def move(self, known: Knowledge, ask: Ask) -> Moved:
        """By the solver."""
        return _moved(self._search(known, ask))

    def traced(self, known: Knowledge, ask: Ask) -> tuple[Moved, list[Tensor]]:
        """By the solver, with the points up to the one that it kept.

        Raises:
            OptionError: the solver does not tell its points.
        """
        found = self._search(known, ask, trace=True)
        if found.path is None:
            raise OptionError(f"the solver {ask.config.solver.name} does not tell the points of its way")
        last = (found.path - found.embeddings[:, None]).abs().sum(2).argmin(1)  # the kept point is one of them
        return _moved(found), [path[: step + 1] for path, step in zip(found.path, last.tolist(), strict=True)]

    def _search(self, known: Knowledge, ask: Ask, *, trace: bool = False) -> SearchResult:
        return ask.config.solver.search(known, ask.queries, ask.conditions, knobs=ask.knobs, trace=trace)


def _moved(found: SearchResult) -> Moved:
    return Moved(found.embeddings, found.steps.cpu(), found.stopped.cpu())


class StudentMethod(Method):
    """The student's imitation of the teacher, in one step."""

    name = "student"
    summary = "the student's imitation of it"
    searches = True
    needs: ClassVar[frozenset[str]] = frozenset({STUDENT})

    def slider(self, config: AnswerConfig) -> Knob | None:
        """None: it learnt its teacher's strength."""
        return None

    def marks(self, config: AnswerConfig) -> str:
        """Those of the student."""
        return "" if config.student is None else str(config.student.result_marks)

    def move(self, known: Knowledge, ask: Ask) -> Moved:
        """By the student of these settings.

        Raises:
            OptionError: a condition is more than a class, or lambda is 0 for a student that takes its logarithm.
        """
        knobs = ask.knobs
        if knobs is None:
            knobs = ask.queries.new_full((len(ask.queries),), knob_value(ask.config.solver))
        student = known.student(ask.config)
        if student.student.config.lambda_range is not None and bool((knobs <= 0).any()):
            raise OptionError("lambda is 0: this student takes it on a logarithmic scale, give a number above 0")
        return Moved.at_once(student.move(ask.queries, ask.conditions.ids(), knobs))


class ClassShift(Method):
    """The query, moved from the mean of its own class to that of the target class."""

    name = "class_shift"
    summary = "the query plus target class mean minus own class mean"
    knobs = (SHIFT,)
    needs: ClassVar[frozenset[str]] = frozenset({TRAINING})

    def move(self, known: Knowledge, ask: Ask) -> Moved:
        """By the shift."""
        return Moved.at_once(known.shifted(ask, ask.config.value(SHIFT)))


class ClassMean(Method):
    """The mean of the target class, blind to the query."""

    name = "class_mean"
    summary = "the mean of the target class"
    needs: ClassVar[frozenset[str]] = frozenset({TRAINING})
    offered = False

    def move(self, known: Knowledge, ask: Ask) -> Moved:
        """To the mean."""
        return Moved.at_once(known.target_means(ask))
