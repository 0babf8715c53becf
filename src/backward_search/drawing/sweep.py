"""The figure of a sweep: a method's measures over lambda (the paper's Figure 6)."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backward_search.drawing.fonts import families
from backward_search.drawing.style import DPI, PAGE, SIZE, THIN, save, styled
from backward_search.drawing.text import printable
from backward_search.evaluation.result_tables import Row, depth, titles
from backward_search.visible import shortened

COLOUR, BAND = "black", "0.85"
"""Of the mean and of its interval: each measure has axes of its own, so that no colour has to tell them apart."""
PANELS_ACROSS = 3
PANEL = (PAGE / PANELS_ACROSS, 1.75)
"""Width and height of a panel, in inches."""
ABOVE = 0.2
"""Height of the title, in inches."""
LONGEST = 60
"""Characters of the task above the panels."""
WIDE = 10
"""How many times the least lambda the largest is from which on the axis is logarithmic."""


@styled()
def draw_sweep(place: Path, rows: Sequence[Row]) -> Path:
    """Draw a sweep: one panel per measure, each with its 95 % interval as a band, precision and tag similarity first.

    Args:
        place: the file.
        rows: the results under each lambda, as E1 writes them, of one task and with the same measures.
    """
    rows = sorted(rows, key=lambda row: float(row["lambda"]))
    named = titles(depth(rows[0]))
    shown = {title: name for title, name in named.items() if name in rows[0] and not name.startswith("map_at_")}
    across = min(len(shown), PANELS_ACROSS)
    down = math.ceil(len(shown) / across)
    figure = Figure(figsize=(PANEL[0] * across, PANEL[1] * down + ABOVE), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    for number, (title, name) in enumerate(shown.items(), 1):
        _panel(figure.add_subplot(down, across, number), title, name, rows)
    first = rows[0]
    task = printable(shortened(f"{first['dataset']} {'+'.join(first['task'])}", LONGEST))
    title = f"{task}, {first['protocol']} protocol"
    figure.suptitle(title, parse_math=False, fontfamily=list(families(title)))
    return save(figure, place)


def _panel(axes: Axes, title: str, name: str, rows: Sequence[Row]) -> None:
    lambdas = [row["lambda"] for row in rows]
    low, high = zip(*(row[f"{name}_interval"] for row in rows), strict=True)
    axes.fill_between(lambdas, low, high, color=BAND, linewidth=0)
    axes.plot(lambdas, [row[name] for row in rows], marker="o", color=COLOUR)
    if lambdas[0] > 0 and lambdas[-1] >= WIDE * lambdas[0]:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(lambdas, [f"{value:g}" for value in lambdas])
    axes.set_title(title.replace(" (", "\n("), fontsize=SIZE)
    axes.set_xlabel("lambda")
    axes.grid(axis="y", color="0.9", linewidth=THIN)
