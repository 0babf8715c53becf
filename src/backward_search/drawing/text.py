"""Text in figures: lines that fit a width, of characters that some font has."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Sequence

from matplotlib.figure import Figure
from matplotlib.font_manager import get_font
from matplotlib.text import Text

from backward_search.drawing.fonts import UNKNOWN, families, files, has
from backward_search.drawing.style import POINT, SIZE
from backward_search.visible import visible

LEADING = 1.28
"""Distance of two lines, in text sizes."""
LARGE, ROUNDING = 100, 1.03
"""The size that widths are measured at, and what drawing at small sizes may add."""
MANY = 128
"""Characters that hardly ever fit a line; measuring very many takes a second."""


def printable(text: str) -> str:
    """The text as `visible` shows it, and without characters that would be drawn as boxes: plainer, or "?".

    >>> printable("Cre\u0301pe \U0001f95e")
    'Crépe ?'
    """
    return "".join(_drawn(character) for character in unicodedata.normalize("NFC", visible(text)))


def _drawn(character: str) -> str:
    if character.isspace():
        return " "
    if has(character):
        return character
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cc", "Cf"):
        return ""
    plain = [part for part in unicodedata.normalize("NFKD", character) if has(part)]
    return "".join(plain) or UNKNOWN


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a line in inches, as it is without the rounding of small letters to pixels."""
    names = families()[:1] if text.isascii() else families(text)  # the first has those letters: no need to look further
    font = get_font(files(names, bold=bold))
    font.set_size(LARGE, 72)
    font.set_text(text)
    return float(font.get_width_height()[0]) / 64 * size / LARGE * POINT * ROUNDING


def wrapped(text: str, width: float, size: float = SIZE, most: int = 100, *, bold: bool = False) -> list[str]:
    """Break a text into lines that fit a width.

    Lines break after spaces, underscores, hyphens, slashes and bars, and inside a word that is longer than a line.

    Args:
        text: of any characters; those that cannot be drawn are replaced.
        width: in inches.
        size: in points.
        most: lines; what is left is cut off and "…" says so.
        bold: whether it will be drawn bold.
    """

    def fits(line: str) -> bool:
        return (len(line) <= MANY or fits(line[:MANY])) and width_of(line, size, bold=bold) <= width

    lines = [""]
    for piece in re.findall(r"[^\s_\-/|]*[\s_\-/|]?", printable(text)):
        if not fits((lines[-1] + piece).rstrip()) and lines[-1]:
            lines.append("")
        lines[-1] += piece
        while len(lines) <= most + 1 and not fits(lines[-1].rstrip()) and len(lines[-1]) > 1:
            cut = _fitting(lines[-1], fits)
            lines[-1:] = [lines[-1][:cut], lines[-1][cut:]]
        if len(lines) > most + 1:  # nothing behind will be shown
            break
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) <= most:
        return lines
    last = lines[most - 1] + "…"
    while not fits(last) and len(last) > 1:
        last = last[:-2].rstrip() + "…"
    return [*lines[: most - 1], last]


def _fitting(line: str, fits: Callable[[str], bool]) -> int:
    """How many characters of a line that is too long fit, at least one; a look at each would take minutes."""
    most = 1
    while most < len(line) and fits(line[:most]):
        most *= 2
    return max(1, bisect_left(range(most), True, key=lambda count: not fits(line[:count])) - 1)


def height_of(lines: int, size: float = SIZE) -> float:
    """The height of some lines, in inches."""
    return lines * size * LEADING * POINT


def write(figure: Figure, x: float, y: float, lines: Sequence[str], size: float = SIZE, **style: object) -> float:
    """Write lines, left-aligned, from the top left corner (x, y) in inches from that of the figure.

    Returns:
        The y below them.
    """
    width, height = figure.get_size_inches()
    for line in lines:
        base = y + size * POINT  # roughly the base line
        text = Text(x / width, 1 - base / height, line, fontsize=size, va="baseline", parse_math=False)
        text.set(fontfamily=list(families(line)), transform=figure.transFigure, **style)
        figure.add_artist(text)
        y += height_of(1, size)
    return y
