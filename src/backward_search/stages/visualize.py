"""E2: draw what the methods find for one query."""

import logging
import textwrap
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backward_search.answers import Answerer
from backward_search.conditions import Conditions
from backward_search.datasets.images import load_image
from backward_search.errors import OptionError
from backward_search.files.atomic import replacing
from backward_search.files.paths import rooted
from backward_search.gallery import Hits
from backward_search.metrics import tag_similarity
from backward_search.options import VisualizeOptions
from backward_search.run import Run
from backward_search.task import Task, check_topk, student_folder

LOG = logging.getLogger(__name__)
GREEN, GREY = "#1a9641", "#bbbbbb"


def visualize(options: VisualizeOptions) -> Path:
    """Draw the query, its condition, and a row of hits per method.

    Returns:
        The picture's file.
    """
    run = Run.open(options)
    task = Task.load(run, options, options.split)
    if options.query_key >= len(task.queries):
        raise OptionError(f"--query_key {options.query_key} does not exist: the last query is {len(task.queries) - 1}")
    check_topk(options.search_topk, len(task.gallery_rows))
    has_student = task.wishes.plain and task.conditioned == options.conditioned
    has_student = has_student and (student_folder(run, options) / "manifest.json").exists()
    methods = ["unchanged", "teacher", *(["student"] if has_student else [])]
    methods += ["best"] if run.paths.embeddings("train").exists() else []  # it knows the training split
    answerers = task.answerers(run, options, methods)
    place_of_query = slice(options.query_key, options.query_key + 1)
    queries, whole = task.query_embeddings()[place_of_query], task.targets("teacher")
    targets = whole[place_of_query] if isinstance(whole, torch.Tensor) else whole.at(torch.tensor([options.query_key]))
    lambdas = None if task.lambdas is None else task.lambdas[place_of_query]
    k = options.search_topk
    rows = {name: each.answer(name, queries, targets, k, lambdas).hits for name, each in answerers.items()}
    if options.path_rows:
        rows |= _path_rows(answerers["teacher"], queries, targets, lambdas, options)
    place = rooted(options.result_root) / run.paths.name / f"query_{options.query_key}.png"
    _draw(task, options, rows, place)
    LOG.info("wrote %s", place)
    return place


def _path_rows(
    answerer: Answerer,
    queries: torch.Tensor,
    targets: torch.Tensor | Conditions,
    lambdas: torch.Tensor | None,
    options: VisualizeOptions,
) -> dict[str, Hits]:
    """The hits of points between the query t_0 and t_n, where the search ends, named by their step."""
    walk = answerer.teacher.search(queries, targets, lambdas=lambdas, trace=True)
    assert walk.path is not None
    last = int(walk.steps[0])
    steps = sorted({round(last * (i + 1) / options.path_rows) for i in range(options.path_rows)} - {0})
    return {f"t_{step}": answerer.gallery.search(walk.path[:, step], options.search_topk) for step in steps}


def _draw(task: Task, options: VisualizeOptions, rows: dict[str, Hits], place: Path) -> None:
    k = options.search_topk
    figure = Figure(figsize=(1.25 * (k + 2), 1.75 * len(rows)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(rows), k + 2, width_ratios=[2, *([1] * (k + 1))])
    _draw_query(figure.add_subplot(grid[:, 0]), task, options)
    meets, tags = task.meets()[options.query_key], task.gallery_tags()
    wanted = task.query_tags(task.queries[options.query_key])
    for line, (method, hits) in enumerate(rows.items()):
        title = figure.add_subplot(grid[line, 1])
        title.axis("off")
        strength = "" if method == "unchanged" else f"\n{options.strength_in_words}"
        title.text(0.5, 0.5, f"{method}{strength}", ha="center", va="center", fontsize=10, weight="bold")
        for rank in range(k):
            row, similarity = int(hits.rows[0, rank]), float(hits.similarity[0, rank])
            axes = figure.add_subplot(grid[line, rank + 2])
            axes.imshow(load_image(_image(task, options, row)))
            _frame(axes, good=bool(meets[row]))
            overlap = f", tags {tag_similarity(wanted, [tags[row]]):.2f}" if task.tags.tags else ""
            label = "\n".join(textwrap.shorten(text, 18) for text in _labels(task, int(task.gallery_rows[row])))
            axes.set_xlabel(f"{label}\ncos {similarity:.2f}{overlap}", fontsize=6)
    with replacing(place) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def _draw_query(axes: Axes, task: Task, options: VisualizeOptions) -> None:
    query, row = task.queries[options.query_key], int(task.rows[options.query_key])
    axes.imshow(load_image(options.data.image(task.table.paths[row])))
    axes.set_title(f"query {options.query_key}", fontsize=10, weight="bold")
    _frame(axes, good=False)
    condition = "\n".join(f"{name}: {label}" for name, label in query.condition.items())
    condition = textwrap.fill(options.condition, 30) or condition
    tags = textwrap.fill(query.candidate_tags.replace(",", ", "), 30)
    axes.set_xlabel(f"{', '.join(_labels(task, row))}\n{tags}\n\ncondition\n{condition}", fontsize=8)


def _labels(task: Task, row: int) -> list[str]:
    return [task.table.classes[name][int(task.table.ids[name][row])] for name in task.conditioned]


def _image(task: Task, options: VisualizeOptions, gallery_row: int) -> Path:
    return options.data.image(task.table.paths[int(task.gallery_rows[gallery_row])])


def _frame(axes: Axes, *, good: bool) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(edgecolor=GREEN if good else GREY, linewidth=3 if good else 0.8)
