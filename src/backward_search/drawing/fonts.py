"""The fonts of figures: which are there, which has a character, and what to say of characters that none has."""

import unicodedata
from collections.abc import Iterable
from functools import cache

import matplotlib
from matplotlib.font_manager import FontEntry, FontProperties, findfont, fontManager, get_font

from backward_search.visible import shortened, visible

FONTS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "IPAGothic",
    "STIXGeneral",
)
"""In this order; the first and the last come with matplotlib, the others serve where they are installed."""
PLAIN = (400, "normal", "regular", "book")
"""Weights that are neither bold nor light."""
NO_LETTERS = (
    "Last Resort",
    "Emoji",
    "cmex",
    "cmsy",
    "cmmi",
    "cmb10",
    "cmr10",
    "cmss10",
    "cmti10",
    "cmtt10",
    "STIXSize",
)
"""Fonts that draw boxes, coloured pictures, or other characters than those that are asked for."""
UNKNOWN = "?"
"""Stands for a character that no font has."""
LONGEST = 40
"""Characters of a name that is said."""
TURNING = (3, 11)
"""The first matplotlib that joins Arabic letters, and writes what runs from right to left so."""
INSTEAD = {
    "CJK": ("Chinese", "Noto Sans CJK"),
    "HIRAGANA": ("Japanese", "Noto Sans CJK"),
    "KATAKANA": ("Japanese", "Noto Sans CJK"),
    "HANGUL": ("Korean", "Noto Sans CJK"),
}
"""By the first word of a character's name: what its script is called, and a font that has it."""


@cache
def _usual() -> tuple[str, ...]:
    """Those of `FONTS` that are there."""
    there = {font.name for font in fontManager.ttflist}
    return tuple(name for name in FONTS if name in there)


@cache
def _codes(file: str) -> frozenset[int]:
    """The code points that a font has; none of one that cannot be read or drawn at any size."""
    try:
        font = get_font(file)
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()


@cache
def _of_the_usual() -> frozenset[int]:
    """The code points that one of the usual fonts has."""
    return frozenset().union(*(_codes(findfont(FontProperties(family=name))) for name in _usual()))


@cache
def _further(code: int) -> str | None:
    """The first of the other installed fonts that has a character."""
    if unicodedata.category(chr(code)) == "Co":  # each font means something else by it
        return None
    return next((font.name for font in _others() if code in _codes(font.fname)), None)


@cache
def _others() -> tuple[FontEntry, ...]:
    """The other installed fonts, upright ones: those like the usual first."""
    fonts = [font for font in fontManager.ttflist if font.style == "normal" and font.name not in _usual()]
    fonts = [font for font in fonts if not any(word in font.name for word in NO_LETTERS)]
    return tuple(sorted(fonts, key=lambda font: (font.weight not in PLAIN, "Sans" not in font.name, font.name)))


def has(character: str) -> bool:
    """Whether some installed font has a character."""
    return ord(character) in _of_the_usual() or _further(ord(character)) is not None


def families(text: str = "") -> tuple[str, ...]:
    """The fonts to write a text in: the usual ones, and others that are installed for what those lack."""
    lacking = sorted({ord(character) for character in text} - _of_the_usual())
    return (*_usual(), *dict.fromkeys(name for name in map(_further, lacking) if name))


@cache
def files(names: tuple[str, ...], *, bold: bool = False) -> tuple[str, ...]:
    """The files of some fonts."""
    return tuple(findfont(FontProperties(family=name, weight="bold" if bold else "normal")) for name in names)


def doubts(texts: Iterable[str]) -> list[str]:
    """What to say of letters that cannot be drawn as they are, a line for each reason; nothing where all can.

    Args:
        texts: what a figure shows.
    """
    where: dict[str, str] = {}
    for text in texts:
        where |= {one: text for one in unicodedata.normalize("NFC", text) if one.isalpha() and one not in where}
    said = []
    lacking = [one for one in where if visible(one) == one and not has(one)]
    if lacking:
        known = [_script(one) for one in lacking]
        scripts, fonts = (" and ".join(dict.fromkeys(words)) for words in zip(*known, strict=True))
        some = shortened(where[lacking[0]], LONGEST)
        said.append(
            f'no installed font has the {scripts} letters of some names (such as {some}), drawn as "{UNKNOWN}": '
            f"install {fonts}, or another font that has them"
        )
    turned = any(unicodedata.bidirectional(one) in ("R", "AL") for one in where)
    if turned and matplotlib.__version_info__[:2] < TURNING:
        said.append(
            f"matplotlib {matplotlib.__version__} writes Arabic and Hebrew from left to right: "
            "pip install -U matplotlib"
        )
    return said


def _script(letter: str) -> tuple[str, str]:
    """What the script of a letter is called, and a font that has it."""
    word = unicodedata.name(letter, "unnamed").split()[0].partition("-")[0]
    return INSTEAD.get(word, (word.capitalize(), f"Noto Sans {word.capitalize()}"))
