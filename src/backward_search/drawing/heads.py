"""The figure of a run's heads: how well each class is recognised, and what is taken for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backward_search.drawing.fonts import families
from backward_search.drawing.space import OWN, WANTED
from backward_search.drawing.style import DPI, HEADING, SIZE, THIN, save, styled
from backward_search.drawing.text import height_of, wrapped, write
from backward_search.training.recognition import POOR, Pair, Recognition, worst_first

ACROSS = 3
"""Panels beside one another."""
MOST = 30
"""Classes of a panel; of more the worst are drawn."""
MARGIN, LABEL, BARS, NUMBERS = 0.1, 1.3, 1.4, 0.75
"""In inches: the margin, and the columns of a panel."""
BAR = 0.15
"""The height that a class takes, in inches."""
AXIS = 0.2
"""The height of the numbers below the bars, in inches."""
WIDTH = LABEL + BARS + NUMBERS


@dataclass(frozen=True)
class HeadPanel:
    """One head.

    Attributes:
        attribute: whose head it is.
        classes: each of its classes.
        pairs: the most confused ones.
    """

    attribute: str
    classes: Sequence[Recognition]
    pairs: Sequence[Pair]

    @property
    def drawn(self) -> list[Recognition]:
        """The classes that have a bar, the worst first."""
        return worst_first(self.classes)[:MOST]

    @property
    def title(self) -> list[str]:
        """The attribute, and which of its classes are drawn, in lines."""
        judged = sum(one.images > 0 for one in self.classes)
        which = f"the worst {MOST} of " if judged > MOST else ""
        which += f"{judged} {'class' if judged == 1 else 'classes'}"
        without = len(self.classes) - judged
        more = f", {without} without test images" if without else ""
        return wrapped(f"{self.attribute}: {which}{more}", WIDTH, HEADING, 2, bold=True)

    @property
    def confusions(self) -> list[str]:
        """The most confused pairs, in lines."""
        said = [f"{one.label} taken for {one.taken_for}: {one.taken} of {one.images}" for one in self.pairs]
        return [line for text in said for line in wrapped(text, WIDTH - 0.1, most=2)]

    @property
    def height(self) -> float:
        """In inches."""
        lines = height_of(len(self.title), HEADING) + height_of(len(self.confusions))
        return lines + BAR * len(self.drawn) + AXIS + 2 * MARGIN


@styled()
def draw_heads(path: Path, panels: Sequence[HeadPanel]) -> Path:
    """Draw the heads, a panel each: a bar for each class, the share of its test images that are recognised."""
    rows = [panels[start : start + ACROSS] for start in range(0, len(panels), ACROSS)]
    width = len(rows[0]) * (WIDTH + MARGIN) + MARGIN
    heights = [max(panel.height for panel in row) for row in rows]
    foot = wrapped("bars: the share of a class's test images that its head gives the class", width - 2 * MARGIN)
    figure = Figure(figsize=(width, sum(heights) + height_of(len(foot)) + 2 * MARGIN), dpi=DPI)
    y = MARGIN
    for row, height in zip(rows, heights, strict=True):
        for number, panel in enumerate(row):
            _draw(figure, panel, MARGIN + number * (WIDTH + MARGIN), y)
        y += height
    write(figure, MARGIN, y, foot)
    return save(figure, path)


def _draw(figure: Figure, panel: HeadPanel, x: float, y: float) -> None:
    """Draw one head below (x, y), in inches from the top left corner."""
    width, height = figure.get_size_inches()
    y = write(figure, x, y, panel.title, HEADING, weight="bold")
    high = BAR * len(panel.drawn)
    if high:
        _bars(figure.add_axes(((x + LABEL) / width, 1 - (y + high) / height, BARS / width, high / height)), panel.drawn)
    write(figure, x, y + high + AXIS + MARGIN / 2, panel.confusions)


def _bars(axes: Axes, drawn: Sequence[Recognition]) -> None:
    places, shares = range(len(drawn)), [one.recognised for one in drawn]
    axes.barh(places, shares, height=0.7, color=[WANTED if one.poor else OWN for one in drawn])
    axes.axvline(POOR, color="0.55", linewidth=THIN, linestyle="--")
    for place, one in zip(places, drawn, strict=True):
        axes.text(1.03, place, f"{100 * one.recognised:.0f} % of {one.images}", fontsize=SIZE, va="center")
    axes.set(xlim=(0, 1), ylim=(len(drawn) - 0.5, -0.5))
    axes.set_xticks((0, POOR, 1), ("0", f"{POOR:g}", "1"), fontsize=SIZE)
    names = [next(iter(wrapped(one.label, LABEL - 0.1, most=1)), "") for one in drawn]
    axes.set_yticks(places, names, fontsize=SIZE, fontfamily=list(families("".join(names))), parse_math=False)
    axes.tick_params(length=2, pad=2)
    axes.tick_params(axis="y", length=0)
