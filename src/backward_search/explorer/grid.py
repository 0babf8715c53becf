"""The page's images as HTML: each is a button that carries its table row; hits that meet the condition are framed."""

import html
import urllib.parse
from collections.abc import Sequence

from backward_search.explorer.explored import ExploredRun, FoundImage, View
from backward_search.explorer.state import State
from backward_search.runs.evidence import briefly
from backward_search.visible import visible

SHARED = 4
"""Tags that are named below a hit; the others are counted, and named where the pointer rests."""
MET = {True: "✓ condition met", False: "✗ condition not met", None: ""}
"""What is said of a hit under a condition, and without one."""


def hits(explored: ExploredRun, state: State, view: View, title: str = "") -> str:
    """The hits of a method with their scores, labels and what they share with the query.

    Args:
        explored: the run.
        state: whose run it is.
        view: the hits, and the strength they were found with, which the grid carries along.
        title: stands above them; none by default.
    """
    cells = [_hit(explored, state, hit, first=place == 0) for place, hit in enumerate(view.found)]
    return _grid(cells, title, view.strength)


def heading(view: View) -> str:
    """What stands above the hits of one of several methods."""
    met = [hit.meets for hit in view.found]
    return view.method if None in met else f"{view.method}: {sum(map(bool, met))} of {len(met)} meet it"


def images(explored: ExploredRun, state: State, rows: Sequence[int], title: str = "") -> str:
    """Some images of the gallery, with their indices and labels, below a title."""

    def cell(place: int, row: int) -> str:
        """One image."""
        lines = [f"<b>{row}</b>", *_name(explored, row), plain(", ".join(explored.labels(row)))]
        return _cell(row, _address(state.run, row), [explored.keys[row]], lines, first=place == 0)

    return _grid([cell(place, row) for place, row in enumerate(rows)], title)


def query(explored: ExploredRun, state: State) -> str:
    """The query: its image and what is known about it."""
    key, labels = explored.query_text(state)
    address = f"thumbnail/upload/{state.upload}.jpg" if state.upload else _address(state.run, state.query)
    words = f"<i>the query</i><b>{plain(key)}</b>{plain(', '.join(labels))}"
    return f'<figure class="query"><img src="{address}" alt="the query"><figcaption>{words}</figcaption></figure>'


def _hit(explored: ExploredRun, state: State, hit: FoundImage, *, first: bool) -> str:
    address, key = _address(state.run, hit.row), explored.keys[hit.row]
    met = MET[hit.meets]
    short, whole = (f"shares {words}" for words in (briefly(hit.shared, SHARED), ", ".join(hit.shared)))
    lines = [
        f"<b>{hit.score:.2f}</b> {met}".rstrip(),
        *_name(explored, hit.row),
        plain(", ".join(hit.labels)),
        *([f"<i>{plain(short)}</i>"] if hit.shared else []),
    ]
    about = [key, *([met] if met else []), *([whole] if hit.shared else [])]
    return _cell(hit.row, address, about, lines, first=first, meets=bool(hit.meets))


def _name(explored: ExploredRun, row: int) -> list[str]:
    """A line that names an image of which there is no picture."""
    name = explored.name(row)
    return [plain(name)] if name else []


def _cell(
    row: int, address: str, about: Sequence[str], lines: Sequence[str], *, first: bool, meets: bool = False
) -> str:
    """A button; Tab stops at the first one of a grid, and arrow keys go on from there."""
    kind = "hit meets" if meets else "hit"
    image = f'<img src="{address}" alt="{plain(about[0])}">'
    words = "".join(f"<span>{line}</span>" for line in lines)
    says = f'title="{plain(*about)}" tabindex="{0 if first else -1}"'
    return f'<button type="button" class="{kind}" data-row="{row}" {says}>{image}{words}</button>'


def _grid(cells: Sequence[str], title: str = "", strength: float | None = None) -> str:
    head = f"<h3>{plain(title)}</h3>" if title else ""
    with_ = "" if strength is None else f' data-strength="{strength:g}"'
    return f'<section class="hits"{with_}>{head}<div class="grid">{"".join(cells)}</div></section>'


def _address(run: str, row: int) -> str:
    return f"thumbnail/{urllib.parse.quote(run, safe='')}/{row}.jpg"


def plain(*words: str) -> str:
    """The words, a line each, as HTML that means nothing but them."""
    return html.escape("\n".join(map(visible, words)))
