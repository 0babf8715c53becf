"""E2: draw what the methods find for a query, or the teacher's way to it."""

import itertools
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from backward_search.cli import VisualizeOptions
from backward_search.cli.translation import answer_config, opened_run, run_source, task_of
from backward_search.drawing.exhibit import Exhibit, draw, save, save_sheet
from backward_search.drawing.exhibits import Asked, Figure, Shown, answered, exhibit, space, table, walked
from backward_search.drawing.fonts import doubts
from backward_search.drawing.sheet import pages
from backward_search.methods.asking import CONTEXT, STUDENT
from backward_search.methods.assembler import Assembler
from backward_search.methods.config import AnswerConfig
from backward_search.methods.registry import DRAWN, METHODS, STAND_INS, drawn
from backward_search.progress import progress
from backward_search.runs.doubts import warn_of
from backward_search.runs.question import Question, from_file, from_outside, from_table, from_vector
from backward_search.runs.run import Run
from backward_search.runs.source import RunSource
from backward_search.runs.task import Task, check_topk
from backward_search.stages.learn_context import learn_if_missing
from backward_search.storage.atomic import write_sheet
from backward_search.storage.paths import hits_beside, picture, rooted

LOG = logging.getLogger(__name__)
LONGEST_STEM = 60
"""Characters of the indices in a contact sheet's file name."""


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
    each = [Asked(task, question, assembler, figure, configs) for question in questions]
    if options.contact_sheet:
        return _show_sheet(each, options, _place(run, options, _sheet_stem(questions)))
    texts: set[str] = set()
    for one in each:
        place = _place(run, options, one.question.stem + ("_path" if options.path else ""))
        texts.update(_show(one, options, place).texts)
    _warn(sorted(texts))
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
    if options.path or (options.contact_sheet and not options.named_methods):
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


def _place(run: Run, options: VisualizeOptions, stem: str) -> Path:
    if options.output:
        return rooted(options.output)
    return picture(options.result_root, run.paths.name, stem, options.format)


def _show(asked: Asked, options: VisualizeOptions, place: Path) -> Exhibit:
    ways = None
    rows: Sequence[Shown] = []
    if not options.path:
        rows = answered(asked)
    if options.path or options.path_rows:
        points, ways = walked(asked)
        rows = [*rows, *points]
    shown = exhibit(asked, rows, space(asked, ways) if options.path and ways else None)
    save(draw(shown, options.width), place)
    LOG.info("wrote %s", place)
    if options.save_hits:
        LOG.info("wrote %s", write_sheet(hits_beside(place), *table(asked, rows)))
    return shown


def _show_sheet(each: Sequence[Asked], options: VisualizeOptions, place: Path) -> Path:
    """Draw a row of hits per query and method into one file."""
    exhibits: list[Exhibit] = []
    names: list[str] = []
    lines: list[list[object]] = []
    header: list[str] = []
    for asked in progress(each, "answering", "query"):
        rows = answered(asked)
        exhibits.append(exhibit(asked, rows, None))
        names += [row.meant for row in rows]
        header, more = table(asked, rows)
        lines += more
    said = list(dict.fromkeys(names))
    named = said if len(said) == len(exhibits[0].rows) else [row.name for row in exhibits[0].rows]
    paged = place.suffix.lower() == ".pdf"
    title = f"{'; '.join(named)}: {options.search_topk} hits of each query"
    save_sheet(pages(exhibits, title, options.width, whole=not paged), place)
    LOG.info("wrote %s", place)
    if options.save_hits:
        LOG.info("wrote %s", write_sheet(hits_beside(place), header, lines))
    _warn(text for one in exhibits for text in one.texts)
    return place


def _sheet_stem(questions: Sequence[Question]) -> str:
    """What the file of some queries is called: by their indices, as --query_key takes them, where these are few."""
    stems = [question.stem for question in questions]
    keys = [int(stem.removeprefix("query_")) for stem in stems if re.fullmatch(r"query_\d+", stem)]
    if len(keys) < len(stems):
        return f"contact_sheet_{stems[0]}"
    runs = [[key for _, key in run] for _, run in itertools.groupby(enumerate(keys), lambda pair: pair[1] - pair[0])]
    words = "_".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
    few = len(words) <= LONGEST_STEM
    return f"contact_sheet_{words}" if few else f"contact_sheet_{keys[0]}_and_{len(keys) - 1}_more"


def _warn(texts: Iterable[str]) -> None:
    """Say what of the texts cannot be drawn as it is."""
    for line in doubts(texts):
        LOG.warning("%s", line)
