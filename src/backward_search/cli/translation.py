"""From options to the small values that the package works with. Below this room nobody knows that options exist."""

from typing import Any

from backward_search.cli import (
    ChangeOptions,
    ContextOptions,
    DistillOptions,
    EmbedOptions,
    EvaluateOptions,
    ExploreOptions,
    IndexOptions,
    TrainOptions,
    VisualizeOptions,
)
from backward_search.cli.definition import number
from backward_search.cli.groups import OpeningOptions
from backward_search.evaluation.settings import Evaluation
from backward_search.gallery.engines.index import EngineSettings
from backward_search.methods.config import AUTO, Aim, AnswerConfig
from backward_search.methods.registry import METHODS
from backward_search.runs.names import RunName
from backward_search.runs.run import Run, find_device
from backward_search.runs.source import RunSource
from backward_search.runs.students import StudentChoice
from backward_search.runs.task import Task
from backward_search.solvers.protocol import Knob, Solver, made
from backward_search.solvers.registry import SOLVERS
from backward_search.storage.paths import RunPaths
from backward_search.student.network import StudentConfig

Asking = EvaluateOptions | VisualizeOptions
Searching = DistillOptions | Asking
OnRun = TrainOptions | EmbedOptions | ContextOptions | IndexOptions | ChangeOptions | Searching


def run_name(options: OnRun) -> RunName:
    """What the run is called that the options name."""
    return RunName(
        options.mname,
        options.dataset_name,
        options.category_type,
        options.encoder_model,
        options.encoding_size,
        options.enc_update,
        options.num_epoch,
        options.recipe,
    )


def run_paths(options: OnRun) -> RunPaths:
    """The folder of the run that the options name."""
    return RunPaths.of(options.weight_root, run_name(options).folder)


def opened_run(options: OnRun) -> Run:
    """The finished run that the options name; see `Run.open`."""
    run = Run.open(run_name(options), options.weight_root, options.data_root)
    return run.taking(options.max_pixels) if isinstance(options, OpeningOptions) else run


def solver(options: Searching) -> Solver:
    """The solver with its settings."""
    return made(SOLVERS.find(options.inverse_solver), vars(options) | dict(getattr(options, "further", {})))


def student_choice(options: Searching) -> StudentChoice:
    """Which student, beside its teacher and its attributes."""
    shape = StudentConfig(
        options.student_hidden, options.student_depth, options.student_output, options.student_lambdas
    )
    return StudentChoice(shape, options.student_reg, options.student_num_epoch - 1, options.student_loss)


def engine_settings(options: Asking | ExploreOptions) -> EngineSettings:
    """Which engine, and how it is searched."""
    return EngineSettings(options.engine, options.shortlist, options.nprobe, options.ef_search)


def answer_config(options: Asking, method: str) -> AnswerConfig:
    """How queries are answered by a method."""
    return AnswerConfig(
        solver(options),
        {knob.option: value for knob in METHODS.find(method).knobs if (value := _value(options, knob)) is not None},
        Aim.parsed(options.aim),
        options.rerank,
        options.seed,
        options.batch_size,
        student_choice(options),
    )


def run_source(options: Asking, run: Run, *, omit_tagless: bool = True) -> RunSource:
    """The gallery that the options name, with what is known of it."""
    device, engine = find_device(options.device), engine_settings(options)
    return RunSource(run, options.split, device=device, engine=engine, omit_tagless=omit_tagless)


def evaluation(options: EvaluateOptions) -> Evaluation:
    """What E1 evaluates, under the first of its lambdas."""
    method = options.chosen_method
    return Evaluation(
        method,
        options.conditioned,
        answer_config(options, method),
        engine_settings(options),
        {knob.mark: word for knob in METHODS.find(method).knobs if (word := _word(options, knob))},
        options.search_topk,
        options.split,
        options.omit_tagless_img,
        options.protocol == "strict",
        options.condition,
    )


def task_of(options: Asking, source: RunSource, *, strict: bool = False) -> Task:
    """The queries of the query file."""
    return Task.load(
        source, options.conditioned, condition=options.condition, strict=strict, lambda_=options.inverse_lambda
    )


def _given(options: Asking, knob: Knob) -> Any:
    """What a knob's option says; None or "" for nothing."""
    return getattr(options, knob.option, options.further.get(knob.option))


def _value(options: Asking, knob: Knob) -> float | str | None:
    given = _given(options, knob)
    if not isinstance(given, str):
        return None if given is None else float(given)
    if not given:
        return None
    return AUTO if given == AUTO else number(f"--{knob.option}", given)


def _word(options: Asking, knob: Knob) -> str:
    """How a knob that is not as usual was written; "" for one that is."""
    given = _given(options, knob)
    return "" if given in (None, "") or (not isinstance(given, str) and given == knob.default) else f"{given}"
