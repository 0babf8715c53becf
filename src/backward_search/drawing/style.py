"""How all figures look: letters, lines, colours and sizes; and how a figure becomes a file.

A figure is made and written inside `styled()`; outside of it matplotlib's settings are whatever they were.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from backward_search.drawing.fonts import families
from backward_search.storage.atomic import replacing

SIZE, HEADING = 6.5, 8.0
"""Of captions and headings, in points: legible where a figure is printed at its own width."""
PAGE = 7.0
"""Width of a printed page in inches."""
DPI, PRINT = 200, 300
"""Of PNG files, and of the pictures inside PDF and SVG files."""
POINT = 1 / 72
"""Inches."""
LINE, THIN = 1.1, 0.6
"""Widths of lines, and of axes and their ticks, in points."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9")
"""Those of Okabe and Ito, which the colour-blind tell apart; without the yellow, which is faint on white."""
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1)))
"""Lines differ in dashes too, for grey print."""
MEETS = "#007a54"
"""Of what meets a condition: the green among them, darker, so that white stands out on it."""
GREY, PALE, SAID = "#bbbbbb", "#eeeeee", "#333333"
"""Of frames, of what is empty, and of words that go with others."""

_SETTINGS: dict[str, Any] = {
    "font.size": SIZE,
    "axes.titlesize": HEADING,
    "axes.titleweight": "bold",
    "axes.labelsize": SIZE,
    "axes.linewidth": THIN,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "xtick.major.width": THIN,
    "ytick.major.width": THIN,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.width": THIN / 2,
    "xtick.minor.size": 1.5,
    "lines.linewidth": LINE,
    "lines.markersize": 3.5,
    "legend.fontsize": SIZE,
    "legend.frameon": False,
    "figure.titlesize": HEADING,
    "figure.titleweight": "bold",
    "figure.dpi": DPI,
    "savefig.dpi": "figure",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "backward-search",
}
_STAMPS: dict[str, dict[str, None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
}
"""What would make the same figure another file at another time."""
_ALONE = threading.RLock()


@contextmanager
def styled() -> Iterator[None]:
    """Have matplotlib's settings be ours, whatever a user's are; one thread at a time, as they are the process's."""
    with _ALONE, matplotlib.style.context({**_SETTINGS, "font.family": list(families())}, after_reset=True):
        yield


def save(figure: Figure, place: Path) -> Path:
    """Write a figure; the ending of the name is the format, and the same figure gives the same bytes.

    Text stays text in PDF and SVG.
    """
    form = place.suffix.removeprefix(".").lower()
    sharp: dict[str, Any] = {} if form == "png" else {"dpi": PRINT}
    with styled(), replacing(place) as temporary:
        figure.savefig(temporary, metadata=_STAMPS.get(form), **sharp)
    return place


def save_pages(pages: Iterable[Figure], place: Path) -> Path:
    """Write figures as the pages of a PDF, as `save` writes one."""
    with styled(), replacing(place) as temporary, PdfPages(temporary, metadata=_STAMPS["pdf"]) as file:
        for page in pages:
            FigureCanvasAgg(page)
            file.savefig(page, dpi=PRINT)
    return place
