"""The map of the embeddings, with the ways that the search takes through it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from backward_search.drawing.fonts import families
from backward_search.drawing.style import COLOURS, DASHES, HEADING, LINE, POINT, SIZE
from backward_search.drawing.text import height_of, width_of, wrapped, write

OTHER, OWN, WANTED = "#cfcfcf", "#003f6b", COLOURS[1]
"""A dark blue and a light vermilion differ for the colour-blind and in grey; the marks differ in shape too."""
BETWEEN, INDENT, AFTER = 0.05, 0.15, height_of(1) * 0.15
"""Around the square, before the words of the legend, and after each of its entries, in inches."""
ROOM = 0.06
"""Beside the points on each side of the map, as a share of them all."""
DIRECTIONS = ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
DISTANCES = (0.08, 0.14, 0.21, 0.28, 0.42, 0.56, 0.7)
"""Where a name may stand, seen from its point, in inches; the first free place is taken."""
DOT, EDGE = 0.08, 0.03
"""What a point covers on each side, and what stays free at the frame, in inches."""


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


def space_height(space: Space, side: float) -> float:
    """The height of a map with its title and legend, in inches, where its square has this side."""
    lines = sum(height_of(len(text)) + AFTER for *_, text in _legend(space, side))
    return height_of(len(_title(space, side)), HEADING) + 2 * BETWEEN + side + lines


def draw_space(figure: Figure, space: Space, x: float, y: float, side: float) -> None:
    """Draw a map into a square of a figure, its title above and its legend below.

    Args:
        figure: where.
        space: what.
        x: of its left side, in inches from that of the figure.
        y: of the upper side of the title, in inches from that of the figure.
        side: of the square, in inches.
    """
    width, height = figure.get_size_inches()
    y = write(figure, x, y, _title(space, side), HEADING, weight="bold") + BETWEEN
    axes = figure.add_axes((x / width, 1 - (y + side) / height, side / width, side / height))
    axes.set(xticks=[], yticks=[])
    axes.margins(ROOM)
    axes.spines[:].set_visible(True)
    _scatter(axes, space)
    for number, way in enumerate(space.ways):
        _way(axes, way, DASHES[number % len(DASHES)])
    start = space.ways[0].points[0]
    axes.plot(*start, marker="*", markersize=11, color="black", markeredgecolor="white", zorder=6)
    _write_names(axes, space.ways, side)
    y += side + BETWEEN
    for mark, colour, lines in _legend(space, side):
        write(figure, x, y, [mark], color=colour)
        y = write(figure, x + INDENT, y, lines) + AFTER


def _title(space: Space, side: float) -> list[str]:
    return wrapped(f"The embeddings ({space.made})", side, HEADING, 2, bold=True)


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


def _way(axes: Axes, way: Way, dash: Any) -> None:
    axes.plot(*way.points.T, linestyle=dash, color="white", linewidth=2.4, zorder=4)
    axes.plot(*way.points.T, linestyle=dash, color="black", linewidth=LINE, zorder=5)
    axes.plot(*way.points[-1], marker="s", markersize=3.5, color="black", markeredgecolor="white", zorder=6)


def _write_names(axes: Axes, ways: Sequence[Way], side: float) -> None:
    """Write beside the points that have a row of hits what they are, and beside the ends their lambdas.

    They often lie near one another: each name has the nearest place where it covers no other and none of the points.
    """
    named = [(name, way.points[step], "bold") for way in ways for step, name in way.named]
    named += [(f"λ {way.lambda_:g}", way.points[-1], "normal") for way in ways if way.lambda_ is not None]
    axes.autoscale_view()  # matplotlib would do it when it draws
    spots = np.array([spot for _, spot, _ in named]).reshape(-1, 2)
    places = axes.transLimits.transform(spots) * side  # in inches from the lower left corner, once all is drawn
    taken = [Bbox.from_extents(*(place - DOT), *(place + DOT)) for place in places]
    for (text, _, weight), place in zip(named, places, strict=True):
        box = _free(place, np.array([width_of(text, SIZE, bold=True), 1.2 * SIZE * POINT]), taken, side)
        taken.append(box)
        style: dict[str, Any] = {"fontsize": SIZE, "fontfamily": list(families(text)), "weight": weight, "zorder": 7}
        style["bbox"] = {"boxstyle": "round,pad=0.05", "facecolor": "white", "alpha": 0.75, "edgecolor": "none"}
        x, y = ((box.x0 + box.x1) / 2 / side, (box.y0 + box.y1) / 2 / side)
        axes.text(x, y, text, transform=axes.transAxes, ha="center", va="center", parse_math=False, **style)


def _free(place: np.ndarray, size: np.ndarray, taken: Sequence[Bbox], side: float) -> Bbox:
    """A box of a size near a place that meets none of those taken; the first that was tried, where there is no room."""
    tried = []
    for distance in DISTANCES:
        for direction in DIRECTIONS:
            middle = place + np.array(direction) * (size / 2 + distance)
            middle = np.clip(middle, size / 2 + EDGE, side - size / 2 - EDGE)
            tried.append(Bbox.from_extents(*(middle - size / 2), *(middle + size / 2)))
    return next((box for box in tried if not any(box.overlaps(other) for other in taken)), tried[0])


def _legend(space: Space, side: float) -> list[tuple[str, str, list[str]]]:
    """The marks, their colours, and the lines of what they mean."""
    under = "" if space.ways[0].lambda_ is None else " under a lambda"
    among = "; each point of a way lies among the images nearest to it" if space.among else ""
    entries = (
        ("★", "black", f"the query, t_0; squares: where the search ends{under}{among}"),
        ("●", OWN, f"the query's own class: {space.own_name}"),
        ("▲", WANTED, f"meets the condition: {space.wanted_name}"),
        ("●", OTHER, "other images of the gallery"),
    )
    return [(mark, colour, wrapped(text, side - INDENT, most=3)) for mark, colour, text in entries]
