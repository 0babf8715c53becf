"""The students of a run: what tells them apart, the folder of each, and loading one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from backward_search.errors import DataError, OptionError, StaleError
from backward_search.runs.run import Run
from backward_search.solvers.protocol import Solver, knob_value
from backward_search.storage.manifest import read_manifest, refuse_changed, refuse_stale
from backward_search.storage.paths import StudentPaths, require
from backward_search.storage.tensors import load_tensors
from backward_search.student.frozen import FrozenStudent
from backward_search.student.network import Student, StudentConfig

USUAL_LOSS, PUBLISHED_EPOCHS = "mse", 49


@dataclass(frozen=True)
class StudentChoice:
    """Which student, beside its teacher and its attributes; the defaults are the paper's.

    Attributes:
        shape: of the network.
        reg: weight of the distance to the query in its loss.
        epochs: that it was trained.
        loss: its distance to the teacher.
    """

    shape: StudentConfig = field(default_factory=StudentConfig)
    reg: float = 0.0
    epochs: int = PUBLISHED_EPOCHS
    loss: str = USUAL_LOSS

    @property
    def marks(self) -> str:
        """The part of a file name that says how shape and loss differ from the paper's."""
        usual = StudentConfig()
        names = ("hidden", "depth", "output")
        values = {name: getattr(self.shape, name) for name in names}
        shape = "".join(f"-{name}{value}" for name, value in values.items() if value != getattr(usual, name))
        return shape if self.loss == USUAL_LOSS else f"{shape}-{self.loss}"

    @property
    def result_marks(self) -> str:
        """The part of a result's file name that says which student answered."""
        reg = "" if self.reg == 0 else f"-reg{self.reg}"
        epochs = "" if self.epochs == PUBLISHED_EPOCHS else f"-epoch{self.epochs}"
        lambdas = self.shape.lambda_range
        return reg + epochs + self.marks + ("" if lambdas is None else "-of{}to{}".format(*lambdas))


def strength_mark(solver: Solver) -> str:
    """The part of a file name that says how strong a teacher is: `lambda1.1`, `manifold0.95`."""
    return f"{solver.knob.mark}{knob_value(solver)}"


def student_paths(run: Run, names: Sequence[str], solver: Solver, choice: StudentChoice) -> StudentPaths:
    """The files of a student.

    Args:
        run: the trained model.
        names: the attributes that the student is conditioned on.
        solver: its teacher's.
        choice: which one.
    """
    lambdas = choice.shape.lambda_range
    strength = strength_mark(solver) if lambdas is None else f"lambda{lambdas[0]}to{lambdas[1]}"
    name = f"{'-'.join(names)}-{strength}-reg{choice.reg}-epoch{choice.epochs}{choice.marks}"
    return StudentPaths(run.paths.student(name))


def load_student(
    run: Run, names: Sequence[str], solver: Solver, choice: StudentChoice, device: torch.device
) -> FrozenStudent:
    """Load a student; see `student_paths`.

    Raises:
        MissingError: it has not been trained.
        StaleError: it was trained with other weights or another teacher.
        OptionError: the solver's lambda lies outside the student's range.
    """
    paths = student_paths(run, names, solver, choice)
    remedy = "run D1.Train-KD-Model.py with the same options"
    require(paths.manifest, f"student of {solver.knob.word} {knob_value(solver)}", remedy)
    lambdas = choice.shape.lambda_range
    if lambdas is not None:
        check_range([knob_value(solver)], lambdas, "--inverse_lambda is")
    refuse_stale(paths.manifest, {"weights": run.paths.weights}, f"{remedy} and --overwrite True")
    _check_teacher(paths.manifest, solver, lambdas is not None, remedy)
    student = Student(run.model.encoding_size, [len(run.classes[name]) for name in names], choice.shape)
    refuse_changed(paths.manifest, [paths.weights], f"{remedy} and --overwrite True")
    try:
        student.load_state_dict(load_tensors(paths.weights)[0])
    except RuntimeError:
        raise DataError(f"{paths.weights} is not this student: {remedy} and --overwrite True") from None
    return FrozenStudent(student.to(device))


def check_range(lambdas: Sequence[float], allowed: tuple[float, float], who: str) -> None:
    """Refuse lambdas that a student of a range has not learnt.

    Raises:
        OptionError: one lies outside.
    """
    low, high = allowed
    outside = [value for value in lambdas if not low <= value <= high]
    if outside:
        raise OptionError(f"{who} {outside[0]:g}, outside --student_lambda_range {low:g},{high:g}")


def _check_teacher(manifest: Path, solver: Solver, ranged: bool, remedy: str) -> None:
    settings = read_manifest(manifest)["settings"]
    teacher = {name: list(value) if isinstance(value, tuple) else value for name, value in solver.record.items()}
    if ranged:
        del teacher["lambda_"]
    other = [name for name, value in teacher.items() if settings.get(name) != value]
    if other:
        raise StaleError(
            f"the student in {manifest.parent} learnt from a teacher of other {', '.join(other)}: {remedy}"
        )
