"""Results for the paper's tables: read, or measured where that is cheap, or else the commands that make them."""

from collections.abc import Callable
from typing import Any

from backward_search.cli import EvaluateOptions
from backward_search.cli.translation import evaluation, opened_run, run_paths
from backward_search.errors import UserError
from backward_search.evaluation.settings import Evaluation
from backward_search.methods.asking import STUDENT, TRAINING
from backward_search.paper.tables import Cell
from backward_search.readers.glyphs import source as glyphs
from backward_search.runs.students import student_paths
from backward_search.stages.distill import distill
from backward_search.stages.embed import embed
from backward_search.stages.evaluate import measure
from backward_search.stages.generate_queries import generate_queries
from backward_search.stages.paper_settings import Settings
from backward_search.stages.prepare import prepare
from backward_search.stages.train import train
from backward_search.storage.atomic import read_json
from backward_search.storage.manifest import read_manifest

DEMO = "glyphs"
"""The data set whose images are made on request; those of the others have to be there."""

Row = dict[str, Any]


def result(settings: Settings, *words: str) -> Row | Cell:
    """The results of an evaluation as E1 writes them, or the cell that says what makes them.

    Args:
        settings: of the model and the task.
        words: further options of E1.
    """
    evaluation = settings.evaluation(*words)
    try:
        make_missing(settings, evaluation)
        missing = _missing(evaluation)
        if not missing:
            content: Row = read_json(measure(evaluation))
            return content
    except UserError as error:
        return Cell.not_run(settings.commands(evaluation)["E1"], " ".join(str(error).split()))
    return Cell.not_run(commands_for(settings, evaluation, [*missing, "E1"]))


def commands_for(settings: Settings, evaluation: EvaluateOptions, scripts: list[str]) -> str:
    """The commands of some scripts, one after the other."""
    commands = settings.commands(evaluation)
    return " && ".join(commands[script] for script in scripts)


def training_of(settings: Settings) -> Row:
    """The settings that B1 trained a run with; empty before it has, and where the record of them is damaged."""
    manifest = run_paths(settings.run).manifest("B1")
    try:
        return read_manifest(manifest)["settings"]
    except UserError:
        return {}


def _missing(options: EvaluateOptions) -> list[str]:
    """The scripts that have to run before E1 can, in order."""
    paths = run_paths(options)
    strict = options.protocol == "strict"
    there = {
        "A1": options.data.is_prepared,
        "A2": options.data.queries(options.conditioned, options.split, strict=strict).exists(),
        "B1": paths.manifest("B1").exists(),
        "C1": all(paths.embedding_manifest(split).exists() for split in _splits(options)),
    }
    one = evaluation(options)
    if STUDENT in one.how.needs:
        there["D1"] = there["B1"] and _has_student(options, one)
    return [script for script, is_there in there.items() if not is_there]


def _has_student(options: EvaluateOptions, one: Evaluation) -> bool:
    return student_paths(opened_run(options), one.conditioned, one.config.solver, one.config.student).manifest.exists()


def _splits(options: EvaluateOptions) -> list[str]:
    one = evaluation(options)
    return [options.split, *(["train"] if {TRAINING, STUDENT} & one.how.asks(one.config) else [])]


def make_missing(settings: Settings, evaluation: EvaluateOptions, *, data_only: bool = False) -> None:
    """Run the scripts that have to run before E1 can, where that was asked for and the images are there.

    Args:
        settings: of the model and the task.
        evaluation: the options of E1.
        data_only: tables and queries alone.
    """
    if not settings.tables.train or not (evaluation.data.is_prepared or settings.task.dataset == DEMO):
        return
    makers: dict[str, Callable[[], object]] = {
        "A1": lambda: prepare(glyphs.source(evaluation.data, evaluation.seed), evaluation.data),
        "A2": lambda: generate_queries(settings.queries),
        "B1": lambda: train(settings.training),
        "C1": lambda: embed(settings.run),
        "D1": lambda: distill(settings.distillation),
    }
    for script in _missing(evaluation):
        if not data_only or script in ("A1", "A2"):
            makers[script]()
