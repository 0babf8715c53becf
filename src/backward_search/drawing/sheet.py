"""A contact sheet: a row for each of many queries, with what is wanted of it and what is found, on as many pages."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backward_search.drawing.cells import LEGEND, draw_cell
from backward_search.drawing.exhibit import Exhibit, Row
from backward_search.drawing.style import DPI, GREY, HEADING, SAID, THIN, styled
from backward_search.drawing.text import height_of, wrapped, write

MARGIN, GAP = 0.06, 0.05
"""In inches, as all lengths here."""
WORDS, FEW = 0.19, 0.75
"""The share of the width that the words of a query have, and the least length of it."""
LEAST, LARGEST = 0.42, 0.9
"""Sides of a picture at least and at most."""
CONDITION_LINES = 3
TALL = math.sqrt(2)
"""How many times a page is as high as wide, at most: that of A4 paper."""


@dataclass(frozen=True)
class _Plan:
    """Where things go on a sheet of a width.

    Attributes:
        words: the width of the words.
        columns: hits beside one another.
        lines: of hits for each row.
        cell: the side of a picture.
    """

    words: float
    columns: int
    lines: int
    cell: float

    @classmethod
    def of(cls, hits: int, width: float) -> "_Plan":
        """Of so many hits in a row on a sheet of so many inches."""
        words = max(FEW, WORDS * width)
        room = width - 2 * MARGIN - words - 3 * GAP
        most = max(1, min(hits, int((room + GAP) / (LEAST + GAP)) - 1))
        lines = max(1, math.ceil(hits / most))
        columns = max(1, math.ceil(hits / lines))
        return cls(words, columns, lines, min(LARGEST, (room - GAP * columns) / (columns + 1)))

    @property
    def left(self) -> float:
        """Where the hits begin: behind the query and the words."""
        return MARGIN + self.cell + self.words + 3 * GAP

    def height(self, exhibit: Exhibit) -> float:
        """Of a query with its rows."""
        first = height_of(_lines(exhibit, self.words))
        rows = [max(self.lines * (self.cell + GAP), first if row is exhibit.rows[0] else 0) for row in exhibit.rows]
        return sum(rows) + 2 * GAP


def pages(exhibits: Sequence[Exhibit], title: str, width: float, *, whole: bool = False) -> Iterator[Figure]:
    """Lay a contact sheet out, a page at a time.

    Args:
        exhibits: the queries with their rows of hits, as their own figures would show them.
        title: above each page.
        width: in inches.
        whole: have all of them on one page, whatever its height.
    """
    plan = _Plan.of(max(len(row.hits) for each in exhibits for row in each.rows), width)
    parts = [list(exhibits)] if whole else _parts(exhibits, plan, title, width)
    for number, part in enumerate(parts, 1):
        yield _page(part, plan, title, width, "" if len(parts) == 1 else f"page {number} of {len(parts)}")


def _head(title: str, width: float) -> list[str]:
    return wrapped(title, width - 2 * MARGIN, HEADING, 2, bold=True)


def _foot(width: float, number: str = "page 99 of 99") -> list[str]:
    return wrapped("; ".join(filter(None, (LEGEND, number))), width - 2 * MARGIN)


def _around(title: str, width: float) -> float:
    """The height of title, legend and margins."""
    return 2 * MARGIN + height_of(len(_head(title, width)), HEADING) + 2 * GAP + height_of(len(_foot(width)))


def _parts(exhibits: Sequence[Exhibit], plan: _Plan, title: str, width: float) -> list[list[Exhibit]]:
    """The queries of each page: as many as find room, one at least."""
    room = TALL * width - _around(title, width)
    parts: list[list[Exhibit]] = [[]]
    used = 0.0
    for exhibit in exhibits:
        height = plan.height(exhibit)
        if parts[-1] and used + height > room:
            parts.append([])
            used = 0.0
        parts[-1].append(exhibit)
        used += height
    return parts


@styled()
def _page(part: Sequence[Exhibit], plan: _Plan, title: str, width: float, number: str) -> Figure:
    height = _around(title, width) + sum(map(plan.height, part))
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    y = write(figure, MARGIN, MARGIN, _head(title, width), HEADING, weight="bold") + 2 * GAP
    for exhibit in part:
        _line(figure, y - GAP)
        _draw(figure, exhibit, plan, y)
        y += plan.height(exhibit)
    write(figure, MARGIN, y, _foot(width, number), color=SAID)
    return figure


def _line(figure: Figure, y: float) -> None:
    width, height = figure.get_size_inches()
    axes = figure.add_axes((MARGIN / width, 1 - y / height, 1 - 2 * MARGIN / width, 0))
    axes.axis("off")
    axes.axhline(0, color=GREY, linewidth=THIN, clip_on=False)


def _draw(figure: Figure, exhibit: Exhibit, plan: _Plan, y: float) -> None:
    """A query: its picture, its words, and its rows of hits."""
    draw_cell(figure, exhibit.card.image, MARGIN, y, plan.cell, exhibit.opening)
    x = MARGIN + plan.cell + 1.5 * GAP
    head, condition = _words(exhibit, plan.words)
    first = write(figure, x, write(figure, x, y, head, weight="bold"), condition)
    for number, row in enumerate(exhibit.rows):
        said = y if number else first
        write(figure, x, said, wrapped(_count(row, exhibit), plan.words, most=1), color=SAID)
        for place, hit in enumerate(row.hits):
            across, down = place % plan.columns, place // plan.columns
            left, top = plan.left + across * (plan.cell + GAP), y + down * (plan.cell + GAP)
            draw_cell(figure, hit.image, left, top, plan.cell, exhibit.opening, meets=hit.meets)
            if hit.image is None:
                write(figure, left + GAP / 2, top + GAP / 2, wrapped(hit.name, plan.cell - GAP, most=3))
        height = plan.lines * (plan.cell + GAP)
        y += height if number else max(height, height_of(_lines(exhibit, plan.words)))


def _words(exhibit: Exhibit, width: float) -> tuple[list[str], list[str]]:
    """What the query is called, and what is wanted of it."""
    condition = exhibit.card.paragraphs[0][1] if exhibit.card.paragraphs else ""
    return wrapped(exhibit.card.title, width, most=1, bold=True), wrapped(condition, width, most=CONDITION_LINES)


def _lines(exhibit: Exhibit, width: float) -> int:
    return sum(map(len, _words(exhibit, width))) + 1


def _count(row: Row, exhibit: Exhibit) -> str:
    """How many hits of a row meet the condition; of which method, where there are several."""
    name = f"{row.name}: " if len(exhibit.rows) > 1 else ""
    return f"{name}{sum(hit.meets for hit in row.hits)} of {len(row.hits)}"
