"""Colours on a terminal, where its user wants some."""

import os
from typing import TextIO

BOLD, BAD, DOUBTFUL = "1", "31", "33"


def coloured(text: str, colour: str, stream: TextIO) -> str:
    """The text in a colour, if the stream is a terminal that shows some and NO_COLOR is not set.

    Args:
        text: one line, or several.
        colour: the code of a terminal.
        stream: where it will be written.
    """
    return f"\x1b[{colour}m{text}\x1b[0m" if _shows(stream) else text


def _shows(stream: TextIO) -> bool:
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    if os.name == "nt" and "WT_SESSION" not in os.environ:  # older consoles show the codes themselves
        plain = True
    return stream.isatty() and not plain
