"""Text of others where people look at it: no control, line end or direction character in it does anything.

A label, tag, key or file name may hold any character. Data, conditions and the files that the project reads keep them
all; what is printed, logged or drawn, and the explorer's page, shows such characters as the escapes that Python writes.
"""

import re
import shlex

LINES = {"lines": True}
"""Passed as `extra` with a message of several lines of our own, whose cells are `visible`; all others are one line."""
_HIDDEN = (
    "\x00-\x1f\x7f-\x9f"  # control characters, those of terminals and line ends among them
    "\u2028\u2029"  # line ends of Unicode
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # directions: what follows would stand elsewhere
    "\ud800-\udfff"  # bytes of a file name that are no text, which no stream takes
)
_ANY, _NO_LINE_END = re.compile(f"[{_HIDDEN}]"), re.compile(f"(?!\n)[{_HIDDEN}]")


def visible(text: str, *, lines: bool = False) -> str:
    r"""The text with each control, line end and direction character as an escape.

    Args:
        text: of any characters.
        lines: keep its line ends, of a text whose parts have been made visible before.

    >>> print(visible("red\n\x1b[2J \u202egnp.exe"))
    red\n\x1b[2J \u202egnp.exe
    """
    return (_NO_LINE_END if lines else _ANY).sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def cell(text: str) -> str:
    r"""The text as a cell of a Markdown table.

    >>> print(cell("a|b\n"))
    a\|b\n
    """
    return visible(text).replace("|", "\\|")


def shortened(text: str, most: int) -> str:
    """The text as `visible` shows it, of at most so many characters; "…" says that there are more.

    >>> shortened("Impressionism", 5)
    'Impr…'
    """
    shown = visible(text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def quoted(word: str) -> str:
    r"""A word of a command, for a shell to read as it is; one with hidden characters as bash, zsh and ksh write them.

    >>> print(quoted("plain"), quoted("two words"), quoted("it's\x1b[2J"))
    plain 'two words' $'it\'s\x1b[2J'
    """
    if not _ANY.search(word):
        return shlex.quote(word)
    kept = re.sub(r"([\\'])", r"\\\1", word)
    return f"$'{_ANY.sub(_of_shell, kept)}'"


def _of_shell(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is no text
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
