"""The map of the embeddings, with the ways that the search takes through it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backward_search.drawing.fonts import families
from backward_search.drawing.style import COLOURS, DASHES, HEADING, SIZE
from backward_search.drawing.text import height_of, printable, wrapped, write

OTHER, OWN, WANTED = "#cfcfcf", "#003f6b", COLOURS[1]
"""A dark blue and a light vermilion differ for the colour-blind and in grey; the marks differ in shape too."""
OFFSETS = ((7, -12), (7, -3), (7, 6), (-24, -12), (-24, -3))
"""Of the lambdas' names from the ends of the ways, in points: they often end near one another."""


@dataclass(frozen=True)
class Way:
    """How one lambda leads a query: points (n + 1, 2) from t_0 on, and which of them have a row of hits."""

    lambda_: float | None
    points: np.ndarray
    named: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True)
class Space:
    """A map.

    Attributes:
        made: by what, such as "t-SNE".
        points: of gallery images (M, 2).
        own: which of them are of the query's own class, (M,) bool.
        wanted: which meet the condition, (M,) bool.
        own_name: the own class.
        wanted_name: the condition.
        ways: of the query.
        among: whether the ways are drawn among the images nearest to their points, as `walks.flattened` has to where
            a map knows its images alone; the legend says so.
    """

    made: str
    points: np.ndarray
    own: np.ndarray
    wanted: np.ndarray
    own_name: str
    wanted_name: str
    ways: Sequence[Way]
    among: bool = False


def draw_space(figure: Figure, space: Space, x: float, y: float, side: float, room: float) -> None:
    """Draw a map into a square of a figure, its legend below.

    Args:
        figure: where.
        space: what.
        x: of its left side, in inches from that of the figure.
        y: of its upper side, in inches from that of the figure.
        side: of the square, in inches.
        room: height that is there for square and legend, in inches.
    """
    width, height = figure.get_size_inches()
    y = write(
        figure,
        x,
        y,
        wrapped(f"The embeddings ({space.made})", side, HEADING, 2, bold=True),
        HEADING,
        weight="bold",
    )
    axes = figure.add_axes((x / width, 1 - (y + side) / height, side / width, side / height))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    _scatter(axes, space)
    for number, way in enumerate(space.ways):
        _way(axes, way, DASHES[number % len(DASHES)], OFFSETS[number % len(OFFSETS)])
    start = space.ways[0].points[0]
    axes.plot(*start, marker="*", markersize=11, color="black", markeredgecolor="white", zorder=6)
    _legend(figure, space, x, y + side + 0.05, side)


def _scatter(axes: Axes, space: Space) -> None:
    kinds = (
        (~space.own & ~space.wanted, OTHER, ".", 5),
        (space.own, OWN, "o", 9),
        (space.wanted, WANTED, "^", 11),
    )
    for order, (chosen, colour, mark, size) in enumerate(kinds, 1):
        spots = space.points[chosen]
        edge = "none" if mark == "." else "white"
        axes.scatter(
            spots[:, 0], spots[:, 1], s=size, c=colour, marker=mark, linewidths=0.2, edgecolors=edge, zorder=order
        )


def _way(axes: Axes, way: Way, dash: str, offset: tuple[int, int]) -> None:
    axes.plot(*way.points.T, dash, color="white", linewidth=2.4, zorder=4)
    axes.plot(*way.points.T, dash, color="black", linewidth=1, zorder=5)
    axes.plot(*way.points[-1], marker="s", markersize=3.5, color="black", markeredgecolor="white", zorder=6)
    if way.lambda_ is not None:
        _name(axes, f"λ {way.lambda_:g}", way.points[-1], offset)
    for step, name in way.named:
        _name(axes, name, way.points[step], (-4, 7), weight="bold")


def _name(axes: Axes, text: str, spot: np.ndarray, offset: tuple[int, int], weight: str = "normal") -> None:
    style: dict[str, Any] = {"fontsize": SIZE, "fontfamily": list(families(text)), "weight": weight, "zorder": 7}
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.75, "edgecolor": "none"}
    axes.annotate(
        text, (float(spot[0]), float(spot[1])), offset, textcoords="offset points", bbox=box, parse_math=False, **style
    )


def _legend(figure: Figure, space: Space, x: float, y: float, side: float) -> None:
    under = "" if space.ways[0].lambda_ is None else " under a lambda"
    among = "; each point of a way lies among the images nearest to it" if space.among else ""
    entries = (
        ("*", "black", f"the query, t_0; squares: where the search ends{under}{among}"),
        ("●", OWN, f"the query's own class: {space.own_name}"),
        ("▲", WANTED, f"meets the condition: {space.wanted_name}"),
        ("●", OTHER, "other images of the gallery"),
    )
    for mark, colour, text in entries:
        lines = wrapped(printable(text), side - 0.15, most=3)
        write(figure, x, y, ["★" if mark == "*" else mark], color=colour)
        y = write(figure, x + 0.15, y, lines) + height_of(1) * 0.15
