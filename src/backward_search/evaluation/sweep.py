"""A method's measures over lambda, as a CSV file and as a figure (the paper's Figure 6)."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backward_search.evaluation.result_tables import Row, depth, titles
from backward_search.storage.atomic import replacing, write_sheet
from backward_search.visible import shortened

LINE, BAND = "black", "0.85"
"""Of the mean and of its interval: each measure has axes of its own, so that no colour has to tell them apart."""
PANELS_ACROSS = 3
LONGEST = 60
"""Characters of the task above the panels."""
WIDE = 10
"""How many times the least lambda the largest is from which on the axis is logarithmic."""


def write_sweep(place: Path, rows: Sequence[Row]) -> Path:
    """Write the CSV file of a sweep, and its figure as `.png` beside it.

    Args:
        place: the CSV file.
        rows: the results under each lambda, as E1 writes them, of one task and with the same measures.

    Returns:
        The figure.
    """
    ordered = sorted(rows, key=lambda row: float(row["lambda"]))
    measures = [name for name in titles(depth(ordered[0])).values() if name in ordered[0]]
    columns = [part for name in measures for part in (name, f"{name}_low", f"{name}_high")]
    write_sheet(place, ("lambda", *columns, "gradient_evaluations"), (_line(row, measures) for row in ordered))
    return _draw(place.with_suffix(".png"), ordered)


def _line(row: Row, measures: Sequence[str]) -> list[float]:
    values = [value for name in measures for value in (row[name], *row[f"{name}_interval"])]
    return [row["lambda"], *values, row["gradient_evaluations"]]


def _draw(place: Path, rows: Sequence[Row]) -> Path:
    """One panel per measure, each with its 95 % interval as a band; precision and tag similarity come first."""
    named = titles(depth(rows[0]))
    shown = {title: name for title, name in named.items() if name in rows[0] and not name.startswith("map_at_")}
    across = min(len(shown), PANELS_ACROSS)
    down = math.ceil(len(shown) / across)
    figure = Figure(figsize=(3.2 * across, 2.6 * down + 0.3), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    for number, (title, name) in enumerate(shown.items(), 1):
        _panel(figure.add_subplot(down, across, number), title, name, rows)
    first = rows[0]
    task = shortened(f"{first['dataset']} {'+'.join(first['task'])}", LONGEST)
    figure.suptitle(f"{task}, {first['protocol']} protocol", fontsize=10, parse_math=False)
    with replacing(place) as temporary:
        figure.savefig(temporary, metadata={"Software": None})
    return place


def _panel(axes: Axes, title: str, name: str, rows: Sequence[Row]) -> None:
    lambdas = [row["lambda"] for row in rows]
    low, high = zip(*(row[f"{name}_interval"] for row in rows), strict=True)
    axes.fill_between(lambdas, low, high, color=BAND, linewidth=0)
    axes.plot(lambdas, [row[name] for row in rows], marker="o", markersize=4, color=LINE, linewidth=1.2)
    if lambdas[0] > 0 and lambdas[-1] >= WIDE * lambdas[0]:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(lambdas, [f"{value:g}" for value in lambdas], fontsize=7)
    axes.set_title(title.replace(" (", "\n("), fontsize=9)
    axes.set_xlabel("lambda", fontsize=8)
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
