"""A picture in a square of a figure, whole whatever its shape, framed and marked where it meets a condition."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from backward_search.data.opening import Opening
from backward_search.drawing.style import GREY, MEETS, PALE, POINT, PRINT
from backward_search.images.opening import open_picture

LEGEND = "✓ and a thick green frame: the hit meets the condition"
FRAME, THICK = 0.5, 2.0
"""Widths of the frames, in points."""
GROUND = "#f6f6f6"
"""Beside a picture that is no square: white ones stand out on it."""
BADGE, LARGEST_BADGE = 0.13, 0.28
"""The side of the square with the check mark, in inches, and its largest share of the picture's."""
CHECK = ((0.2, 0.42, 0.8), (0.48, 0.24, 0.78))
"""The corners of a check mark in a square of side 1: drawn, because not every font of every viewer has the sign."""


def draw_cell(
    figure: Figure, image: Path | None, x: float, y: float, side: float, opening: Opening, *, meets: bool = False
) -> None:
    """Draw a picture into a square; without one the square is grey.

    Args:
        figure: where.
        image: its file.
        x: of the left side of the square, in inches from that of the figure.
        y: of its upper side, in inches from that of the figure.
        side: of the square, in inches.
        opening: how the picture is opened.
        meets: whether it meets the condition.
    """
    width, height = figure.get_size_inches()
    axes = figure.add_axes((x / width, 1 - (y + side) / height, side / width, side / height))
    axes.set(facecolor=PALE if image is None else GROUND)
    if image is not None:
        _show(axes, image, side, opening)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, edgecolor=MEETS if meets else GREY, linewidth=THICK if meets else FRAME)
    if meets:
        _mark(axes, side)


def _show(axes: Axes, image: Path, side: float, opening: Opening) -> None:
    """The picture as large as the square allows, in its middle."""
    pixels = open_picture(image, opening=opening)
    wide, high = (length / max(pixels.size) / 2 for length in pixels.size)
    pixels.thumbnail((round(side * PRINT), round(side * PRINT)))
    axes.imshow(pixels, extent=(0.5 - wide, 0.5 + wide, 0.5 - high, 0.5 + high))


def _mark(axes: Axes, side: float) -> None:
    """A check mark in the upper right corner."""
    size = min(BADGE / side, LARGEST_BADGE)
    axes.add_patch(Rectangle((1 - size, 1 - size), size, size, color=MEETS, linewidth=0, zorder=4))
    across, up = ([1 - size + size * place for place in places] for places in CHECK)
    axes.plot(across, up, color="white", linewidth=size * side / POINT * 0.13, solid_capstyle="round", zorder=5)
