"""E2: draw what the methods find for a query, or the teacher's way to it."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from backward_search.cli import VisualizeOptions
from backward_search.drawing.exhibit import draw, save
from backward_search.drawing.exhibits import Asked, Found, answered, exhibit, space, table, walked
from backward_search.methods.answers import Answerer
from backward_search.runs.movers import student_folder
from backward_search.runs.question import Question, asked
from backward_search.runs.run import Run
from backward_search.runs.task import Task, check_topk
from backward_search.storage.atomic import write_csv
from backward_search.storage.paths import hits_beside, picture, rooted

LOG = logging.getLogger(__name__)


def visualize(options: VisualizeOptions) -> Path:
    """Draw queries, their conditions, and a row of hits per method; or with --path, per point of the teacher's way.

    Returns:
        The file of the last picture.
    """
    run = Run.open(options)
    task, questions = asked(run, options)
    check_topk(options.search_topk, len(task.gallery_rows))
    fitting = dataclasses.replace(options, condition_on=",".join(task.conditioned))  # --condition may name others
    answerers = task.answerers(run, fitting, methods_there(run, fitting, task))
    for question in questions:
        place = _place(run, options, question)
        _show(Asked(task, options, question), answerers, place)
    return place


def methods_there(run: Run, options: VisualizeOptions, task: Task) -> list[str]:
    """The methods that are drawn: those that are named, or those that have what they need.

    The student needs its training, and best the training split's embeddings.
    """
    if options.path:
        return ["teacher"]
    if options.named_methods:
        return list(dict.fromkeys([*options.named_methods, *(["teacher"] if options.path_rows else [])]))
    has_student = task.wishes.plain and (student_folder(run, options) / "manifest.json").exists()
    has_training = run.paths.embeddings("train").exists()
    return ["unchanged", "teacher", *(["student"] if has_student else []), *(["best"] if has_training else [])]


def _place(run: Run, options: VisualizeOptions, question: Question) -> Path:
    if options.output:
        return rooted(options.output)
    stem = question.stem + ("_path" if options.path else "")
    return picture(options.result_root, run.paths.name, stem, options.format)


def _show(asked: Asked, answerers: dict[str, Answerer], place: Path) -> None:
    ways = None
    rows: Sequence[Found] = []
    if not asked.options.path:
        rows = answered(asked, answerers)
    if asked.options.path or asked.options.path_rows:
        points, ways = walked(asked, answerers["teacher"])
        rows = [*rows, *points]
    map_ = space(asked, ways) if asked.options.path and ways else None
    save(draw(exhibit(asked, rows, map_), asked.options.width), place)
    LOG.info("wrote %s", place)
    if asked.options.save_hits:
        LOG.info("wrote %s", write_csv(hits_beside(place), *table(asked, rows)))
