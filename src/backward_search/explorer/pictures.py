"""What the page shows as pictures: framed thumbnails, the map with the query's way, probabilities along it."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageOps

from backward_search.datasets.images import load_image
from backward_search.drawing.exhibit import GREEN
from backward_search.drawing.space import Space, Way, draw_space
from backward_search.drawing.text import printable
from backward_search.drawing.walks import flattened, spots
from backward_search.errors import DataError
from backward_search.explorer.engine import Engine, Probabilities
from backward_search.explorer.state import State
from backward_search.files.atomic import replacing

SIDE, FRAME, MARK = 200, 7, 34
CLASSES = 6
"""The classes that are drawn by name: those that are ever the most probable ones."""


class Thumbnails:
    """Small framed copies of a data set's images, made when they are first shown; no other file is served."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`."""
        self._folder = folder

    def of(self, run: str, image: Path, row: int | str, *, meets: bool = False) -> str:
        """The thumbnail of an image; an image that cannot be read is a grey square."""
        place = self._folder / run / f"{row}{'-meets' if meets else ''}.jpg"
        if not place.exists():
            with replacing(place) as temporary:
                _thumbnail(image, meets=meets).save(temporary, quality=88)
        return str(place)

    def whole(self, file: Path) -> str:
        """A copy of a figure, for the page to show."""
        place = self._folder / "figures" / file.name
        with replacing(place) as temporary:
            temporary.write_bytes(file.read_bytes())
        return str(place)


def _thumbnail(file: Path, *, meets: bool) -> Image.Image:
    try:
        image = load_image(file)
    except DataError:
        image = Image.new("RGB", (SIDE, SIDE), "#999999")
    inner = SIDE - 2 * FRAME
    image = ImageOps.contain(image, (inner, inner))
    framed = ImageOps.expand(image, FRAME, GREEN if meets else "#dddddd")
    if meets:
        draw, width = ImageDraw.Draw(framed), framed.width
        draw.rectangle((width - MARK, 0, width, MARK), fill=GREEN)
        tick = [(width - 27, 17), (width - 19, 25), (width - 7, 9)]
        draw.line(tick, fill="white", width=5, joint="curve")
    return framed


class Map:
    """The gallery on its two principal components, computed once, with the way of a query on it."""

    def __init__(self, engine: Engine) -> None:
        """Choose the images that are shown."""
        self._engine = engine
        chosen = spots(np.zeros(len(engine.rows), bool), len(engine.rows), 0)
        self._rows = engine.rows[chosen]

    def draw(self, state: State, way: Probabilities) -> Figure:
        """The map for a state."""
        engine = self._engine
        vectors = engine.embeddings(self._rows)
        points, (line,) = flattened(vectors, [way.walk.points], "pca", 0)
        meets = engine.meets(state, self._rows)
        own = np.zeros(len(self._rows), bool) if state.upload else engine.like(state, self._rows)
        name = "unknown" if state.upload else ", ".join(engine.own(state))
        drawn = Way(way.walk.lambda_, line, [(0, "t_0"), (way.walk.steps, f"t_{way.walk.steps}")])
        figure = Figure(figsize=(4.6, 5.4), dpi=110)
        space = Space("principal components", points, own & ~meets, meets, name, state.condition, [drawn])
        draw_space(figure, space, 0.1, 0.1, 4.4, 5.2)
        return figure


def probabilities(way: Probabilities) -> Figure:
    """The probability of each class along the way, an attribute per panel; unlikely ones go unnamed."""
    figure = Figure(figsize=(4.6, 2.3 * len(way.values)), dpi=110, layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(way.values), 1, sharex=True))
    for axes, (name, values) in zip(panels, way.values.items(), strict=True):
        most = torch.topk(values.max(0).values, min(CLASSES, values.shape[1])).indices.tolist()
        for index in range(values.shape[1]):
            named = index in most
            label = printable(way.labels[name][index])[:28] if named else None
            colour = f"C{most.index(index)}" if named else "#dddddd"
            dash = ("-", "--", ":")[most.index(index) % 3] if named else "-"
            axes.plot(values[:, index].cpu().numpy(), dash, label=label, color=colour)
        axes.set(ylim=(-0.02, 1.02), ylabel="probability")
        axes.set_title(printable(name), parse_math=False)
        axes.legend(fontsize=7)
    panels[-1].set_xlabel("step of the search")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    return figure
