"""What moves the queries of a run: its heads, the teacher's settings, and its student."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from backward_search.cli import TaskOptions
from backward_search.errors import DataError, OptionError, StaleError
from backward_search.model.network import Head, head_key
from backward_search.runs.run import Run
from backward_search.solvers.adam import SearchConfig
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.manifold import ManifoldConfig
from backward_search.solvers.teacher import SolverConfig
from backward_search.storage.manifest import read_manifest, refuse_stale
from backward_search.storage.paths import require
from backward_search.storage.tensors import load_tensors
from backward_search.student.frozen import FrozenStudent
from backward_search.student.network import Student, StudentConfig


def search_config(options: TaskOptions) -> SolverConfig:
    """The teacher's settings."""
    if options.inverse_solver == "manifold":
        return ManifoldConfig(options.target_probability)
    return SearchConfig(
        options.inverse_lambda, options.inverse_lr, options.inverse_max_itr, options.inverse_earlystopping
    )


def student_config(options: TaskOptions) -> StudentConfig:
    """The student's shape."""
    lambdas = options.student_lambdas
    return StudentConfig(options.student_hidden, options.student_depth, options.student_output, lambdas)


def student_folder(run: Run, options: TaskOptions) -> Path:
    """Where the student of these settings lies."""
    lambdas = options.student_lambdas
    strength = options.strength_mark if lambdas is None else f"lambda{lambdas[0]}to{lambdas[1]}"
    name = f"{'-'.join(options.conditioned)}-{strength}-reg{options.student_reg}"
    return run.paths.student(f"{name}-epoch{options.student_num_epoch - 1}{student_marks(options)}")


def student_marks(options: TaskOptions) -> str:
    """The part of a file name that says how a student's shape and loss differ from the paper's."""
    usual = StudentConfig()
    names = ("hidden", "depth", "output")
    values = {name: getattr(options, f"student_{name}") for name in names}
    shape = "".join(f"-{name}{value}" for name, value in values.items() if value != getattr(usual, name))
    return shape if options.student_loss == "mse" else f"{shape}-{options.student_loss}"


def frozen_heads(
    run: Run, conditioned: Sequence[str], device: torch.device, *, calibrated: bool = False
) -> FrozenHeads:
    """The heads of these attributes of a run; the encoder, which the search has no use for, is not built."""
    tensors, _ = load_tensors(run.paths.weights)
    known = run.temperatures() if calibrated else {}
    temperatures = [known.get(name, 1.0) for name in conditioned]
    return FrozenHeads.of([_head(run, name, tensors) for name in conditioned], device, temperatures=temperatures)


def teacher_heads(run: Run, options: TaskOptions, conditioned: Sequence[str], device: torch.device) -> FrozenHeads:
    """The heads that the teacher descends on.

    The manifold solver, whose strength is a probability, gets them calibrated; the published search as they are.
    """
    return frozen_heads(run, conditioned, device, calibrated=options.inverse_solver == "manifold")


def _head(run: Run, attribute: str, tensors: Mapping[str, Tensor]) -> Head:
    head, prefix = Head(run.model.encoding_size, run.model.classes[attribute]), f"heads.{head_key(attribute)}."
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    try:
        head.load_state_dict(own)
    except RuntimeError:
        raise DataError(
            f"{run.paths.weights} does not hold the head of {attribute}: run B1.BuildModel.py and --overwrite True"
        ) from None
    return head.eval()


def load_student(run: Run, options: TaskOptions, device: torch.device) -> FrozenStudent:
    """The student of these settings.

    Raises:
        MissingError: it has not been trained.
        StaleError: it was trained with other weights or another teacher.
    """
    folder = student_folder(run, options)
    remedy = "run D1.Train-KD-Model.py with the same options"
    require(folder / "manifest.json", f"student of {options.strength_in_words}", remedy)
    shape, strength = student_config(options), options.inverse_lambda
    if shape.lambda_range is not None and not shape.lambda_range[0] <= strength <= shape.lambda_range[1]:
        raise OptionError(
            f"--inverse_lambda {strength} is outside --student_lambda_range {options.student_lambda_range}"
        )
    refuse_stale(folder / "manifest.json", {"weights": run.paths.weights}, f"{remedy} and --overwrite True")
    settings = read_manifest(folder / "manifest.json")["settings"]
    teacher = {name: _plain(value) for name, value in asdict(search_config(options)).items()}
    if shape.lambda_range is not None:
        del teacher["lambda_"]
    other = [name for name, value in teacher.items() if settings.get(name) != value]
    if other:
        raise StaleError(f"the student in {folder} learnt from a teacher of other {', '.join(other)}: {remedy}")
    student = Student(run.model.encoding_size, [len(run.classes[name]) for name in options.conditioned], shape)
    student.load_state_dict(load_tensors(folder / "student.safetensors")[0])
    return FrozenStudent(student.to(device))


def _plain(value: object) -> object:
    """A value as JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value
