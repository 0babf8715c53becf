"""The figure of a query: the query and what is wanted on top, then a row of hits per method, perhaps beside a map.

Everything is placed in inches, so that text keeps its size whatever the figure's width; hits that do not fit beside one
another go on in the next line. Hits that meet the condition have a thick green frame and a check mark, which grey print
and colour-blind readers keep.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backward_search.data.opening import USUAL, Opening
from backward_search.drawing import style
from backward_search.drawing.cells import LEGEND, draw_cell
from backward_search.drawing.space import Space, draw_space, space_height
from backward_search.drawing.style import DPI, HEADING, SAID, styled
from backward_search.drawing.text import height_of, wrapped, write
from backward_search.runs.evidence import briefly
from backward_search.storage.atomic import remove_leftovers

MARGIN, GAP = 0.06, 0.06
QUERY, LEAST, LARGEST = 1.15, 0.6, 1.1
"""Sides of the query and, at least and at most, of a hit."""
MAP_SHARE = 0.42
"""Of the width, where there is a map beside the rows; below 5 inches it comes under them."""
NARROW = 5.0
CAPTION_LINES = 3
SHARED = 3
"""Tags that are named beneath a hit at most, fewer where they are long; the others are counted."""


@dataclass(frozen=True)
class Hit:
    """One image that was found.

    Attributes:
        image: its file; None where there is none.
        labels: of the conditioned attributes.
        numbers: similarity and overlap, a line each.
        meets: whether it meets the condition.
        name: what it is called, which stands in place of a missing image.
        shared: the tags that it shares with the query.
    """

    image: Path | None
    labels: Sequence[str]
    numbers: Sequence[str]
    meets: bool
    name: str = ""
    shared: Sequence[str] = ()


@dataclass(frozen=True)
class Row:
    """The hits of one method, or of a point on the way; `name` says which in one word."""

    title: str
    hits: Sequence[Hit]
    name: str = ""


@dataclass(frozen=True)
class Card:
    """The query: its image, where there is one, and paragraphs under headings."""

    image: Path | None
    title: str
    paragraphs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Exhibit:
    """All that a figure shows; `opening` is how its pictures are opened."""

    card: Card
    rows: Sequence[Row]
    space: Space | None = None
    opening: Opening = USUAL

    @property
    def texts(self) -> Iterator[str]:
        """All that others have written in it."""
        yield from (self.card.title, *(text for _, text in self.card.paragraphs))
        for row in self.rows:
            for hit in row.hits:
                yield from (*hit.labels, *hit.shared, "" if hit.image else hit.name)


@dataclass(frozen=True)
class _Grid:
    """Where hits go: columns, lines, and the side of a cell in inches."""

    columns: int
    lines: int
    cell: float

    @classmethod
    def of(cls, hits: int, width: float) -> "_Grid":
        most = max(1, min(hits, int((width + GAP) / (LEAST + GAP))))
        lines = max(1, math.ceil(hits / most))
        columns = max(1, math.ceil(hits / lines))
        return cls(columns, lines, min(LARGEST, (width - GAP * (columns - 1)) / columns))


@styled()
def draw(exhibit: Exhibit, width: float) -> Figure:
    """Lay an exhibit out.

    Args:
        exhibit: what to show.
        width: in inches; the height follows.
    """
    beside = exhibit.space is not None and width >= NARROW
    inner = width - 2 * MARGIN
    room = inner * (1 - MAP_SHARE) if beside else inner
    grid = _Grid.of(max(len(row.hits) for row in exhibit.rows), room)
    captions = [[_caption(hit, grid.cell) for hit in row.hits] for row in exhibit.rows]
    top = MARGIN + _card_height(exhibit.card, room)
    heights = [_row_height(row, each, grid, room) for row, each in zip(exhibit.rows, captions, strict=True)]
    legend = wrapped(LEGEND, room)
    body = top + sum(heights) + height_of(len(legend))
    side = inner * MAP_SHARE - 2 * GAP if beside else inner
    map_height = 0 if exhibit.space is None else space_height(exhibit.space, side)
    total = max(body, MARGIN + map_height) if beside else body + (GAP + map_height if map_height else 0)
    figure = Figure(figsize=(width, total + MARGIN), dpi=DPI)
    FigureCanvasAgg(figure)
    _draw_card(figure, exhibit, room)
    for row, each, height in zip(exhibit.rows, captions, heights, strict=True):
        _draw_row(figure, row, each, grid, top, room, exhibit.opening)
        top += height
    write(figure, MARGIN, top, legend, color=SAID)
    if exhibit.space is not None:
        corner = (width - MARGIN - side, MARGIN) if beside else (MARGIN, body + GAP)
        draw_space(figure, exhibit.space, *corner, side)
    return figure


def save(figure: Figure, place: Path) -> None:
    """Write a figure as `style.save` does; what was half written beside it by a process that was killed goes."""
    remove_leftovers(place.parent)
    style.save(figure, place)


def save_sheet(pages: Iterable[Figure], place: Path) -> None:
    """Write a contact sheet: its pages as a PDF, its only page in any format; see `save`."""
    remove_leftovers(place.parent)
    if place.suffix.lower() == ".pdf":
        style.save_pages(pages, place)
    else:
        (page,) = pages
        style.save(page, place)


def _paragraphs(card: Card, width: float) -> list[tuple[list[str], list[str]]]:
    return [(wrapped(head, width, bold=True), wrapped(text, width, most=4)) for head, text in card.paragraphs if text]


def _card_height(card: Card, room: float) -> float:
    width = room - QUERY - 2 * GAP
    lines = sum(len(head) + len(text) for head, text in _paragraphs(card, width))
    title = height_of(len(wrapped(card.title, width, HEADING, 2, bold=True)), HEADING)
    return max(QUERY, title + height_of(lines)) + 2 * GAP


def _draw_card(figure: Figure, exhibit: Exhibit, room: float) -> None:
    card = exhibit.card
    draw_cell(figure, card.image, MARGIN, MARGIN, QUERY, exhibit.opening)
    x, width = MARGIN + QUERY + 2 * GAP, room - QUERY - 2 * GAP
    y = write(figure, x, MARGIN, wrapped(card.title, width, HEADING, 2, bold=True), HEADING, weight="bold")
    for head, text in _paragraphs(card, width):
        y = write(figure, x, y, head, weight="bold")
        y = write(figure, x, y, text)


def _caption(hit: Hit, cell: float) -> list[str]:
    labels = [line for label in hit.labels for line in wrapped(label, cell, most=CAPTION_LINES)]
    numbers = (line for number in hit.numbers for line in wrapped(number, cell, most=1))
    return [*labels, *numbers, *_shared(hit.shared, cell)]


def _shared(tags: Sequence[str], cell: float) -> list[str]:
    """As many shared tags as find room, and how many more there are."""
    if not tags:
        return []
    texts = [f"shares {briefly(tags, most)}" for most in range(SHARED, 0, -1)]
    fitting = (text for text in texts if len(wrapped(text, cell, most=CAPTION_LINES + 1)) <= CAPTION_LINES)
    return wrapped(next(fitting, texts[-1]), cell, most=CAPTION_LINES)


def _line_height(captions: Sequence[Sequence[str]], cell: float) -> float:
    return cell + height_of(max(len(caption) for caption in captions)) + GAP


def _row_height(row: Row, captions: Sequence[list[str]], grid: _Grid, room: float) -> float:
    lines = _batches(captions, grid.columns)
    title = height_of(len(wrapped(row.title, room, HEADING, 2, bold=True)), HEADING)
    return title + GAP / 2 + sum(_line_height(line, grid.cell) for line in lines) + GAP


def _batches(items: Sequence[list[str]], size: int) -> list[Sequence[list[str]]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _draw_row(
    figure: Figure, row: Row, captions: Sequence[list[str]], grid: _Grid, y: float, room: float, opening: Opening
) -> None:
    y = write(figure, MARGIN, y, wrapped(row.title, room, HEADING, 2, bold=True), HEADING, weight="bold") + GAP / 2
    for number, line in enumerate(_batches(captions, grid.columns)):
        for column, caption in enumerate(line):
            hit = row.hits[number * grid.columns + column]
            x = MARGIN + column * (grid.cell + GAP)
            draw_cell(figure, hit.image, x, y, grid.cell, opening, meets=hit.meets)
            if hit.image is None:
                write(figure, x + GAP, y + GAP, wrapped(hit.name, grid.cell - 2 * GAP, most=4))
            write(figure, x, y + grid.cell + 0.02, caption)
        y += _line_height(line, grid.cell)
