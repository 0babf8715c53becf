"""Text files of the data sets' owners, line by line."""

from pathlib import Path

from backward_search.errors import DataError

DIGITS = 18
"""Most digits of a number: so large a one is in 64 bits."""


def is_number(text: str) -> bool:
    """Whether a text is a whole number from 0 on that an array can hold.

    >>> is_number("12"), is_number("-1"), is_number("9" * 5000)
    (True, False, False)
    """
    return text.isdecimal() and len(text) <= DIGITS


def filled_lines(file: Path, remedy: str) -> list[str]:
    """The lines of a text file that are not blank.

    Args:
        file: in UTF-8.
        remedy: what to do where it is not as it should be.

    Raises:
        DataError: it is no text, or there is no such line.
    """
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not a text file ({error}): {remedy}") from None
    if not lines:
        raise DataError(f"{file} is empty: {remedy}")
    return lines
