"""The class list and the tables of a bundle."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from backward_search.data.registry import DatasetEntry
from backward_search.errors import DataError
from backward_search.published import plain_pickle
from backward_search.published.bundle.files import REMEDY, plain_text
from backward_search.storage.naming import leads_out


def read_classes(file: Path, entry: DatasetEntry) -> dict[str, list[str]]:
    """Read the class list: for each attribute its labels, in the order of their ids.

    Raises:
        DataError: it is not a class list, its ids are not 0..K-1, or an attribute of the data set is not in it.
    """
    content = plain_pickle.load(file)
    expected = f"{file}: expected {{attribute: {{'label2num': {{label: id}}}}}}"
    try:
        labels = {
            plain_text(name): {int(number): plain_text(label) for label, number in lists["label2num"].items()}
            for name, lists in content.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DataError(f"{expected}: {REMEDY}") from None
    missing = [name for name in entry.attributes if name not in labels]
    if missing or any(sorted(numbers) != list(range(len(numbers))) for numbers in labels.values()):
        what = f"found no {', '.join(missing)}" if missing else "found ids that are not 0, 1, 2, ..."
        raise DataError(f"{expected}, {what}: {REMEDY}")
    return {name: [numbers[number] for number in sorted(numbers)] for name, numbers in labels.items()}


def read_bundle_table(
    file: Path, name: str, classes: Mapping[str, Sequence[str]], attributes: Sequence[str]
) -> pd.DataFrame:
    """Read a table, its paths brought into the form `./data/<name>/...`, without an index column that pandas left.

    Args:
        file: the table.
        name: the data set.
        classes: for each attribute its labels.
        attributes: those that have to be there.

    Raises:
        DataError: a column is missing, or a class id or a path is not possible.
    """
    try:
        frame = pd.read_csv(file, dtype={"path": str}, keep_default_na=False)
    except ValueError as error:  # pandas' own parser errors are ValueErrors
        raise DataError(f"{file} is not a CSV file ({error}): {REMEDY}") from None
    found = [str(column) for column in frame.columns]
    if not {"path", *attributes} <= set(found):
        raise DataError(f"{file} has the columns {', '.join(found)}, expected path, {', '.join(classes)}: {REMEDY}")
    table = pd.DataFrame({"path": _logical(frame["path"], name, file)})
    for column in (column for column in found if column in classes):
        ids = pd.to_numeric(frame[column], errors="coerce")
        possible = ids.isin(range(len(classes[column])))
        if not possible.all():
            wrong, last = frame[column][~possible].iloc[0], len(classes[column]) - 1
            raise DataError(f"{file}: {column} has {wrong!r}, expected a class id from 0 to {last}: {REMEDY}")
        table[column] = ids.astype(np.int64)
    return table


def _logical(paths: "pd.Series[str]", name: str, file: Path) -> "pd.Series[str]":
    """Paths from anywhere as `./data/<name>/...`: what follows `data/<name>/`, or the last `<name>/`, counts."""
    slashed = paths.str.replace("\\", "/", regex=False)
    inside = slashed.str.extract(rf"(?:^|/)data/{re.escape(name)}/(.+)$", expand=False)
    inside = inside.fillna(slashed.str.extract(rf"^(?:.*/)?{re.escape(name)}/(.+)$", expand=False))
    if inside.isna().any():
        raise DataError(f"{file} has the path {paths[inside.isna()].iloc[0]!r}, expected ./data/{name}/...: {REMEDY}")
    away = inside.map(leads_out)
    if away.any():
        raise DataError(f"{file} has the path {paths[away].iloc[0]!r}, which leads out of ./data/{name}/: {REMEDY}")
    return f"./data/{name}/" + inside
