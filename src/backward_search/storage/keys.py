"""Tables as stages write them, read whole: each column as texts, such as the keys of an array's rows."""

import csv
from pathlib import Path

from backward_search.errors import DataError, MissingError

LONGEST_CELL = 2**24
"""Characters of the longest cell, such as a caption."""


def read_columns(file: Path, remedy: str, needed: str = "key") -> dict[str, list[str]]:
    """The columns of a table by their names.

    Args:
        file: a CSV file with a header.
        remedy: what to do where it cannot be read.
        needed: a column that has to be there.

    Raises:
        MissingError: there is no such file.
        DataError: it is no such table.
    """
    csv.field_size_limit(LONGEST_CELL)
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            rows = csv.reader(opened, strict=True)
            header = next(rows)
            columns = list(zip(*rows, strict=True)) or [()] * len(header)
    except FileNotFoundError:
        raise MissingError(f"{file} does not exist: {remedy}") from None
    except (StopIteration, ValueError, csv.Error):
        raise DataError(f"{file} is no table: {remedy}") from None
    if needed not in header or len(columns) != len(header) or len(set(header)) < len(header):
        raise DataError(f"{file} is no table with a column {needed}: {remedy}")
    return {name: list(values) for name, values in zip(header, columns, strict=True)}


def read_keys(file: Path, remedy: str) -> list[str]:
    """The column `key` of a table; see `read_columns`."""
    return read_columns(file, remedy)["key"]
