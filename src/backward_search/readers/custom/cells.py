"""What stands in the cells of the user's tables: one spelling for one label, and what counts as missing."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

_WHOLE = re.compile(r"-?\d+(\.0+)?")


@dataclass
class Noted:
    """What was noticed in the cells.

    Attributes:
        missing: how often each word stood for nothing.
        respelt: labels that were written in several ways, and count as one.
    """

    missing: Counter[str] = field(default_factory=Counter)
    respelt: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, str]:
        """The same as lines of a report."""
        if not self.missing:
            return {}
        words = ", ".join(f"{word} {count}" for word, count in self.missing.most_common())
        return {"taken as missing (--missing_words)": words}


def cleaned(
    frame: pd.DataFrame, missing: Sequence[str], kept: Sequence[str] = (), *, numbers: bool = True
) -> tuple[pd.DataFrame, Noted]:
    """The cells without spaces around them, in Unicode's composed form (NFC), whole numbers without a point.

    Args:
        frame: cells of text.
        missing: words that stand for nothing.
        kept: columns that are taken as they are but for spaces, such as paths.
        numbers: whether there may be numbers; names of folders are none.
    """
    noted, columns = Noted(), {}
    for name in frame.columns:
        values = [str(value) for value in frame[name]]
        cells = [value.strip() for value in values] if name in kept else _column(values, missing, noted)
        columns[name] = _whole(cells) if numbers and name not in kept else cells
    return pd.DataFrame(columns, index=frame.index, columns=list(frame.columns), dtype=object), noted


def _column(values: Sequence[str], missing: Sequence[str], noted: Noted) -> list[str]:
    known: dict[str, str] = {}
    written: dict[str, set[str]] = {}
    for value in dict.fromkeys(values):
        plain = value.strip()
        clean = "" if plain in missing else unicodedata.normalize("NFC", plain)
        written.setdefault(clean, set()).add(plain)
        known[value] = clean
    noted.respelt.extend(sorted(clean for clean, forms in written.items() if clean and len(forms) > 1))
    noted.missing.update(value.strip() for value in values if value.strip() and not known[value])
    return [known[value] for value in values]


def _whole(cells: list[str]) -> list[str]:
    """Numbers such as 3.0 as 3, where the whole column is of whole numbers and one is written so."""
    found = {cell for cell in cells if cell}
    if not any("." in cell for cell in found) or not all(_WHOLE.fullmatch(cell) for cell in found):
        return cells
    return [cell.partition(".")[0] for cell in cells]


def differing_by_case(values: Sequence[str]) -> list[str]:
    """Labels that differ from another by case alone, as `Red / red`.

    >>> differing_by_case(["Red", "red", "blue", "red"])
    ['Red / red']
    """
    forms: dict[str, list[str]] = {}
    for value in dict.fromkeys(values):
        forms.setdefault(value.casefold(), []).append(value)
    return [" / ".join(sorted(each)) for each in forms.values() if len(each) > 1]
