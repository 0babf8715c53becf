"""Text files of the data sets' owners, line by line."""

from pathlib import Path

from backward_search.errors import DataError


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
