"""What the page shows as pictures: thumbnails, the map with the query's way, probabilities along it."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image, ImageOps

from backward_search.data.opening import MAX_PIXELS, Opening
from backward_search.drawing.fonts import families
from backward_search.drawing.space import OTHER, Space, Way, draw_space, space_height
from backward_search.drawing.style import COLOURS, DASHES, SIZE, styled
from backward_search.drawing.text import printable
from backward_search.drawing.walks import flattened, spots
from backward_search.errors import DataError
from backward_search.explorer.explored import ExploredRun, Probabilities
from backward_search.explorer.state import Choice, State
from backward_search.images.opening import open_picture
from backward_search.storage.atomic import replacing
from backward_search.visible import shortened

SIDE = 240
"""The longer side of a thumbnail, in pixels."""
WIDTH, EDGE, DPI = 3.6, 0.05, 220
"""Of the plots, in inches: their letters are then as large as the page's."""
LINES = tuple(zip(COLOURS, DASHES, strict=False))
LONGEST = 28
"""Characters of a name."""
AT_ONCE = 16
"""Thumbnails that are written at the same time at most."""
CLASSES = len(LINES)
"""The classes that are drawn by name: those that are ever the most probable ones."""


class Thumbnails:
    """Small copies of images, made when they are first shown; no other file is served."""

    def __init__(self, folder: Path, max_pixels: int = MAX_PIXELS) -> None:
        """Keep them in `folder`; take pictures of at most so many pixels."""
        self._folder, self._opening = folder, Opening(max_pixels=max_pixels)
        self._locks = [threading.Lock() for _ in range(AT_ONCE)]

    def of(self, run: str, image: Path, name: str) -> Path:
        """The thumbnail of an image; an image that cannot be read is a grey square."""
        place = self._folder / run / f"{name}.jpg"
        if not place.exists():
            with self._alone(place):
                if not place.exists():
                    with replacing(place) as temporary:
                        _thumbnail(image, self._opening).save(temporary, quality=88)
        return place

    def _alone(self, place: Path) -> threading.Lock:
        """What one thread holds that writes there: several would take one another's file away half-written."""
        return self._locks[hash(place) % AT_ONCE]

    def forget_upload(self, name: str) -> None:
        """Drop the thumbnail of an image from outside that is no longer kept."""
        (self._folder / "upload" / f"{name}.jpg").unlink(missing_ok=True)

    def whole(self, file: Path) -> str:
        """A copy of a figure, for the page to show."""
        place = self._folder / "figures" / file.name
        with self._alone(place), replacing(place) as temporary:
            temporary.write_bytes(file.read_bytes())
        return str(place)


def _thumbnail(file: Path, opening: Opening) -> Image.Image:
    try:
        return ImageOps.contain(open_picture(file, opening=opening), (SIDE, SIDE))
    except DataError:
        return Image.new("RGB", (SIDE, SIDE), "#999999")


class Map:
    """The gallery on its two principal components, computed once, with the way of a query on it."""

    def __init__(self, explored: ExploredRun) -> None:
        """Choose the images that are shown."""
        self._explored = explored
        chosen = spots(np.zeros(len(explored.rows), bool), len(explored.rows), 0)
        self._rows = explored.rows[chosen]

    @styled()
    def draw(self, state: State, way: Probabilities) -> Figure:
        """The map for a state."""
        explored = self._explored
        vectors = explored.embeddings(self._rows)
        points, (line,) = flattened(vectors, [way.walk.points], "pca", 0)
        meets = explored.meets(state, self._rows)
        own = np.zeros(len(self._rows), bool) if state.upload else explored.like(state, self._rows)
        name = "unknown" if state.upload else ", ".join(explored.own(state))
        drawn = Way(way.walk.strength, line, [(0, "t_0"), (way.walk.steps, f"t_{way.walk.steps}")])
        space = Space("principal components", points, own & ~meets, meets, name, state.condition, [drawn])
        side = WIDTH - 2 * EDGE
        figure = Figure(figsize=(WIDTH, space_height(space, side) + 2 * EDGE), dpi=DPI)
        draw_space(figure, space, EDGE, EDGE, side)
        return figure


@styled()
def probabilities(way: Probabilities, state: State) -> Figure:
    """The probability of each class along the way, an attribute per panel; unlikely ones go unnamed."""
    count = len(way.values)
    figure = Figure(figsize=(WIDTH, 1.9 * count), dpi=DPI, layout="constrained")
    panels = np.atleast_1d(figure.subplots(count, 1, sharex=True))
    for axes, name in zip(panels, way.values, strict=True):
        _panel(axes, name, way.labels[name], way.values[name].cpu().numpy(), state.choices[name])
    panels[-1].set_xlabel("step of the search")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    return figure


def _panel(axes: Axes, name: str, labels: Sequence[str], values: np.ndarray, choice: Choice) -> None:
    """The classes of one attribute: values (n + 1, K); wanted ones are thick."""
    most = np.argsort(-values.max(0), kind="stable")[:CLASSES]
    axes.plot(np.delete(values, most, axis=1), color=OTHER, linewidth=0.6)
    names: list[str] = []
    lines: list[Line2D] = []
    for number, index in enumerate(most):
        wanted = (labels[index] in choice.labels) != choice.negated
        names.append(f"{printable(shortened(labels[index], LONGEST))}{' (wanted)' if wanted else ''}")
        width, style = 2.2 if wanted else 1.1, LINES[number]
        lines += axes.plot(values[:, index], style[1], color=style[0], linewidth=width)
    axes.set(ylim=(-0.02, 1.02))
    axes.set_title(f"probability of each {printable(shortened(name, LONGEST))}", parse_math=False)
    font = {"family": list(families("".join(names))), "size": SIZE}
    legend = axes.legend(lines, [" "] * len(lines), prop=font, framealpha=0.8, handlelength=3)
    for text, label in zip(legend.get_texts(), names, strict=True):  # a legend drops what begins with an underscore
        text.set(text=label, parse_math=False)
