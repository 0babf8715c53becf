"""E2: draw what the methods find for a query, or the teacher's way to it."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from backward_search.cli import VisualizeOptions
from backward_search.cli.translation import answer_config, opened_run, run_source, task_of
from backward_search.drawing.exhibit import draw, save
from backward_search.drawing.exhibits import Asked, Figure, Shown, answered, exhibit, space, table, walked
from backward_search.methods.asking import CONTEXT, STUDENT
from backward_search.methods.assembler import Assembler
from backward_search.methods.config import AnswerConfig
from backward_search.methods.registry import DRAWN, METHODS, STAND_INS, drawn
from backward_search.runs.doubts import warn_of
from backward_search.runs.question import Question, from_file, from_outside, from_table, from_vector
from backward_search.runs.run import Run
from backward_search.runs.source import RunSource
from backward_search.runs.task import Task, check_topk
from backward_search.stages.learn_context import learn_if_missing
from backward_search.storage.atomic import write_sheet
from backward_search.storage.paths import hits_beside, picture, rooted

LOG = logging.getLogger(__name__)


def visualize(options: VisualizeOptions) -> Path:
    """Draw queries, their conditions, and a row of hits per method; or with --path, per point of the teacher's way.

    Returns:
        The file of the last picture.
    """
    run = opened_run(options)
    if any(CONTEXT in METHODS.find(name).needs for name in options.named_methods):
        learn_if_missing(options)
    source = run_source(options, run)
    task, questions = asked(options, source)
    check_topk(options.search_topk, len(task.gallery_rows))
    warn_of(task, [question.place for question in questions])
    assembler = Assembler(source)
    strengths = tuple(options.walked_lambdas) if options.path or options.path_rows else ()
    figure = Figure(options.search_topk, options.condition, strengths, options.path_rows, options.map)
    configs = _configs(options, assembler, task)
    for question in questions:
        place = _place(run, options, question)
        _show(Asked(task, question, assembler, figure, configs), options, place)
    return place


def asked(options: VisualizeOptions, source: RunSource) -> tuple[Task, list[Question]]:
    """The task and the questions that the options name.

    Raises:
        OptionError: there is no such query.
    """
    if options.query_image:
        file = Path(options.query_image).expanduser()
        task, question = from_outside(source, options.conditioned, options.condition, file)
        return task, [question]
    if options.query_vector:
        file = Path(options.query_vector).expanduser()
        task, question = from_vector(source, options.conditioned, options.condition, file)
        return task, [question]
    if options.query:
        task, question = from_table(source, options.conditioned, options.condition, options.query)
        return task, [question]
    task = task_of(options, source)
    keys = options.query_keys
    if options.random:
        generator = torch.Generator().manual_seed(options.seed)
        keys = sorted(torch.randperm(len(task.queries), generator=generator)[: options.random].tolist())
    return task, [from_file(task, key) for key in keys]


def _configs(options: VisualizeOptions, assembler: Assembler, task: Task) -> dict[str, AnswerConfig]:
    """By method how it answers: the methods that are named, or those that have what they need."""
    if options.path:
        return {"teacher": answer_config(options, "teacher")}
    named = list(options.named_methods)
    if named:
        names = list(dict.fromkeys([*named, *(["teacher"] if options.path_rows else [])]))
    else:
        refused = {name: _refusal(options, assembler, task, name) for name in (*DRAWN, *STAND_INS.values())}
        names = drawn(lambda name: not refused[name])
        for name in DRAWN:
            if name not in names:
                instead = f", {STAND_INS[name]} drawn in its place" if STAND_INS.get(name) in names else ""
                LOG.info("%s is left out%s: %s", name, instead, refused[name])
    return {name: answer_config(options, name) for name in names}


def _refusal(options: VisualizeOptions, assembler: Assembler, task: Task, name: str) -> str:
    """Why a method cannot answer the task; "" where it can."""
    if STUDENT in METHODS.find(name).needs and not task.conditions.plain:
        return "the student knows single classes only"
    return assembler.refusal(name, task.conditioned, answer_config(options, name))


def _place(run: Run, options: VisualizeOptions, question: Question) -> Path:
    if options.output:
        return rooted(options.output)
    stem = question.stem + ("_path" if options.path else "")
    return picture(options.result_root, run.paths.name, stem, options.format)


def _show(asked: Asked, options: VisualizeOptions, place: Path) -> None:
    ways = None
    rows: Sequence[Shown] = []
    if not options.path:
        rows = answered(asked)
    if options.path or options.path_rows:
        points, ways = walked(asked)
        rows = [*rows, *points]
    map_ = space(asked, ways) if options.path and ways else None
    save(draw(exhibit(asked, rows, map_), options.width), place)
    LOG.info("wrote %s", place)
    if options.save_hits:
        LOG.info("wrote %s", write_sheet(hits_beside(place), *table(asked, rows)))
