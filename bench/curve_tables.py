"""Curves of precision over context as Markdown tables, as JSON and as a figure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from curves import Between, Interval, Line, Task
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backward_search.drawing.style import COLOURS, DASHES, DPI, PAGE, save, styled

PRECISION = "precision_at_10"
CONTEXT = {
    "mts_at_10_without_labels": "mTS@10 without labels",
    "twin_recall_at_10": "twin in the top 10",
    "context_at_10": "cosine to the query",
}
PUBLISHED = "teacher"
"""The curve that the others are compared with: the published search over lambda."""
MARKS = ("ks", "kv", "k^", "kx", "k*", "kD", "kP", "k<", "k>")
"""How what has no strength is drawn."""


def tables(task: Task) -> str:
    """The whole curves, their difference from the published search, and what they attain at each of its lambdas."""
    contexts = {name: title for name, title in CONTEXT.items() if name in task.means[0]}
    parts = [_points(task, contexts), _differences(task, contexts)]
    parts += [_at_lambdas(task, context, title) for context, title in contexts.items()]
    return "\n\n".join(parts)


def _points(task: Task, contexts: dict[str, str]) -> str:
    rows = []
    for point, means in zip(task.points, task.means, strict=True):
        cells = [_shown(Interval.of(means[measure])) for measure in (PRECISION, *contexts)]
        rows.append([point.curve, point.strength, *cells])
    seeds, queries = task.points[0].values[PRECISION].shape
    title = f"{task.name}: {seeds} seeds, {queries} queries"
    return _table(title, ["method", "strength", "precision@10", *contexts.values()], rows)


def _differences(task: Task, contexts: dict[str, str]) -> str:
    head = ["method", "context by", "precision, mean", "precision, least", "covered", "context, mean", "covered"]
    rows = []
    for curve, context, precision, kept in compared(task):
        cells = [_shown(precision.mean, "+"), _shown(precision.least, "+"), f"{precision.covered:.2f}"]
        rows.append([curve, contexts[context], *cells, _shown(kept.mean, "+"), f"{kept.covered:.2f}"])
    title = f"{task.name}: less the published search, precision at equal context and context at equal precision"
    return _table(title, head, rows)


def _at_lambdas(task: Task, context: str, title: str) -> str:
    """The precision of every curve at the context of each lambda; in brackets where it keeps less, see `curves`."""
    others, rows = [curve for curve in task.curves if curve != PUBLISHED], []
    for place in task.curves[PUBLISHED]:
        kept, cells = task.means[place][context][:1, None], []
        for curve in others:
            whole = task.line(curve, context, PRECISION)
            line = Line(whole.across[:1], whole.up[:1], whole.rest[:1])
            value = f"{line.attained(kept)[0, 0]:.3f}"
            cells.append(value if line.across.max() >= kept[0, 0] else f"({value})")
        own = [f"{task.means[place][measure][0]:.3f}" for measure in (context, PRECISION)]
        rows.append([task.points[place].strength, *own, *cells])
    return _table(f"{task.name}: precision@10 by {title}", [PUBLISHED, title, "P@10", *others], rows)


def compared(task: Task) -> list[tuple[str, str, Between, Between]]:
    """By curve and measure of context: precision at equal context, and context at equal precision."""
    found = []
    for curve in task.curves:
        for context in CONTEXT:
            if curve != PUBLISHED and context in task.means[0]:
                sides = ((context, PRECISION), (PRECISION, context))
                each = [Between.of(*(task.line(name, *side) for name in (curve, PUBLISHED))) for side in sides]
                found.append((curve, context, each[0], each[1]))
    return found


def recorded(task: Task) -> dict[str, Any]:
    """All of it for JSON: each point with its intervals and the mean of each seed, and the differences."""
    points = []
    for point, means in zip(task.points, task.means, strict=True):
        record: dict[str, Any] = {"curve": point.curve, "strength": point.strength}
        for measure, rows in means.items():
            each = [float(np.nanmean(seed)) for seed in point.values[measure]]
            record[measure] = asdict(Interval.of(rows)) | {"seeds": each}
        points.append(record)
    differences = [
        {"curve": curve, "context": context, "precision": asdict(precision), "kept": asdict(kept)}
        for curve, context, precision, kept in compared(task)
    ]
    seeds, queries = task.points[0].values[PRECISION].shape
    return {
        "task": task.name,
        "seeds": seeds,
        "queries": queries,
        "points": points,
        "less_the_published_search": differences,
    }


@styled()
def draw(tasks: Sequence[dict[str, Any]], place: Path) -> None:
    """A row of curves for each task as `recorded`, a column for each measure of context that one of them has."""
    shown = {name: title for name, title in CONTEXT.items() if any(name in task["points"][0] for task in tasks)}
    width = PAGE * max(1, len(shown) / 2)
    figure = Figure(figsize=(width, width / len(shown) * 0.8 * len(tasks) + 0.8), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(tasks), len(shown), squeeze=False)
    names = list(dict.fromkeys(point["curve"] for task in tasks for point in task["points"]))
    for row, task in zip(grid, tasks, strict=True):
        for axes, (context, title) in zip(row, shown.items(), strict=True):
            if context not in task["points"][0]:
                axes.axis("off")
                continue
            _curves(axes, task["points"], context, names)
            axes.set(title=task["task"], xlabel=title, ylabel="precision@10")
    known = {label: handle for axes in grid.flat for handle, label in _legend(axes)}
    figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=5)
    save(figure, place)


def _legend(axes: Axes) -> Iterator[tuple[Any, str]]:
    return zip(*axes.get_legend_handles_labels(), strict=True)


def _curves(axes: Axes, points: Sequence[dict[str, Any]], context: str, names: Sequence[str]) -> None:
    """The curves of a task in one panel; a name looks alike in each."""
    for order, name in enumerate(names):
        own = [point for point in points if point["curve"] == name]
        if not own:
            continue
        ends = [point[PRECISION] for point in own]
        up = [end["mean"] for end in ends]
        spread = [[end["mean"] - end["low"] for end in ends], [end["high"] - end["mean"] for end in ends]]
        style: dict[str, Any] = {"fmt": MARKS[order % len(MARKS)], "markersize": 5}
        if len(own) > 1:
            dash = DASHES[order // len(COLOURS) % len(DASHES)]
            style = {
                "marker": "." if "rerank" in name else "o",
                "linestyle": dash,
                "color": COLOURS[order % len(COLOURS)],
            }
        across = [point[context]["mean"] for point in own]
        axes.errorbar(across, up, yerr=np.maximum(spread, 0), label=name, **style)
    axes.grid(alpha=0.3)


def _shown(interval: Interval, sign: str = "") -> str:
    return f"{interval.mean:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [title, "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
