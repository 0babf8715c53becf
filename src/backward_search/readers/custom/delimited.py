"""Text with separators, as Excel and others write it, taken apart into rows; what is malformed is named by its line."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from backward_search.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
LOOKED_AT = 50
"""Records by which the separator is found."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""How a text that begins with a byte order mark is encoded; UTF-32's begins with UTF-16's."""
LONGEST_CELL = 2**24

Record = tuple[int, list[str]]
"""A record's first line, counted from 1, and its fields."""


@dataclass(frozen=True)
class Delimited:
    """A table of text.

    Attributes:
        frame: its cells as they stand there.
        separator: between two fields.
        malformed: the lines that were left out.
        short: the lines with too few fields, whose last ones are empty.
    """

    frame: pd.DataFrame
    separator: str
    malformed: list[str] = field(default_factory=list)
    short: list[str] = field(default_factory=list)


def read_delimited(
    source: Path, encoding: str = "", *, skip_malformed: bool = False, keep_empty: bool = False
) -> Delimited:
    """Read a file whose first record names the columns.

    The separator is the one that a line `sep=;` names, else the one of `SEPARATORS` under which most of the first
    records have as many fields as the header, and of those the one that makes the most.

    Args:
        source: the file.
        encoding: of the text; left out, what its byte order mark says, else UTF-8.
        skip_malformed: leave out lines with too many fields.
        keep_empty: a line without any field is a row, too.

    Raises:
        DataError: it is no text in this encoding, has no header, or has a line with too many fields.
    """
    text = decoded(source, encoding)
    named, body = _named_separator(text)
    separator = named or _likely_separator(body)
    records = _records(source, body, separator, 1 if named is None else 2)
    _, header = next(records, (1, []))
    if not any(name.strip() for name in header):
        raise DataError(f"{source} is empty: expected a header that names the columns, then a line for each image")
    names = _names(source, header)
    rows, malformed, short = [], [], []
    for line, cells in records:
        if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
            if not skip_malformed:
                raise DataError(
                    f"{source}: line {line} has {len(cells)} fields, the header has {len(names)}: put a field that "
                    f"holds {_word(separator)} in double quotes, or leave such lines out by --skip_malformed True"
                )
            malformed.append(f"line {line}")
        elif keep_empty or any(cell.strip() for cell in cells):
            if len(cells) < len(names):
                short.append(f"line {line}")
            rows.append((cells + [""] * len(names))[: len(names)])
    frame = pd.DataFrame(rows, columns=names, dtype=object)
    return Delimited(frame, separator, malformed, short)


def decoded(source: Path, encoding: str = "") -> str:
    """The text of a file.

    Args:
        source: the file.
        encoding: of the text; left out, what its byte order mark says, else UTF-8.

    Raises:
        DataError: it is no text in this encoding.
    """
    content = source.read_bytes()
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if not encoding and not marked and b"\0" in content:
        raise DataError(
            f"{source} is no table of text, or one in UTF-16 without a mark: for that pass --encoding utf-16-le"
        )
    try:
        return content.decode(encoding or marked or "utf-8").removeprefix("\ufeff")
    except LookupError:
        raise DataError(f"--encoding {encoding} is unknown: expected a name such as utf-8, cp1252 or utf-16") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{source}: line {line} is not in {encoding or marked or 'UTF-8'}: save it as CSV UTF-8, or name its "
            "encoding, as in --encoding cp1252 (western Windows)"
        ) from None


def _named_separator(text: str) -> tuple[str | None, str]:
    """The separator that Excel's first line names, and the text behind that line."""
    found = re.match(r'"?sep=(.)"?\r?\n', text, re.IGNORECASE)
    return (found[1], text[found.end() :]) if found else (None, text)


def _likely_separator(text: str) -> str:
    def agreement(separator: str) -> tuple[float, int]:
        """The share of records as wide as the header, and its width; a header of one field says nothing."""
        reader, records = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True), []
        try:
            for record in reader:
                records.append(record)
                if len(records) > LOOKED_AT:
                    break
        except csv.Error:
            return 0.0, 0
        widths = [len(record) for record in records if any(cell.strip() for cell in record)]
        if not widths or widths[0] < 2:
            return 0.0, 0
        return sum(width == widths[0] for width in widths) / len(widths), widths[0]

    return max(SEPARATORS, key=agreement)  # of equals the first, which is the comma


def _records(source: Path, text: str, separator: str, first_line: int) -> Iterator[Record]:
    """The records of a text, with the line on which each begins."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    start, lines = 0, re.split(r"\r\n|\r|\n", text.rstrip("\r\n"))  # no others are ends of lines to csv
    try:
        for record in reader:
            last = reader.line_num >= len(lines)
            if last and reader.line_num > start + 1 and "\n".join(lines[start:]).count('"') % 2:
                where = f"{source}: a quote on line {start + first_line}"
                raise DataError(f'{where} never closes: write "" for a quote inside of a field')
            yield start + first_line, record
            start = reader.line_num
    except csv.Error as error:
        raise DataError(f"{source}: line {reader.line_num + first_line - 1} cannot be read ({error})") from None


def _names(source: Path, header: list[str]) -> list[str]:
    names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(header)]
    while names and names[-1].startswith("Unnamed: ") and len(names) > 1:
        names.pop()  # Excel writes separators behind the last column
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise DataError(f"{source} has two columns called {twice}: give each its own name")
    return names


def _word(separator: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a |"}.get(separator, repr(separator))
