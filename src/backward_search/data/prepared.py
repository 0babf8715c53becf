"""Reading a prepared data set."""

import numpy as np
import pandas as pd

from backward_search.data.registry import DatasetEntry
from backward_search.data.tables import Table, Tags
from backward_search.errors import DataError
from backward_search.storage.atomic import read_json
from backward_search.storage.keys import read_columns
from backward_search.storage.manifest import refuse_changed
from backward_search.storage.paths import DataPaths, require


def load_table(paths: DataPaths, entry: DatasetEntry, split: str) -> Table:
    """Read one split.

    Raises:
        MissingError: the data set has not been prepared.
        DataError: the table lacks an attribute, or a class id lies outside the class list.
    """
    remedy = f"run {entry.prepare}"
    require(paths.manifest("A1"), f"finished preprocessing of {entry.name}", remedy)
    file = require(paths.table(split), f"table of {entry.name} {split}", remedy)
    require(paths.classes, f"class list of {entry.name}", remedy)
    refuse_changed(paths.manifest("A1"), [file, paths.classes], f"{remedy} --overwrite True")
    classes: dict[str, list[str]] = read_json(paths.classes)
    for name in entry.attributes:
        labels = classes.get(name) if isinstance(classes, dict) else None
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise DataError(f"{paths.classes} does not list the labels of {name}: {remedy} --overwrite True")
    try:
        frame = pd.read_csv(file, dtype={"path": str}, keep_default_na=False)
    except ValueError as error:
        raise DataError(f"{file} is not a table ({error}): {remedy} --overwrite True") from None
    for column in ("path", *entry.attributes):
        if column not in frame:
            raise DataError(f"{file} has no column {column}: {remedy} --overwrite True")
    if frame.empty:
        raise DataError(f"{file} has no rows: the {split} split of {entry.name} is empty")
    try:
        ids = {name: frame[name].to_numpy(np.int64) for name in classes if name in frame}
    except ValueError as error:
        raise DataError(f"{file} has a class id that is no number ({error}): {remedy} --overwrite True") from None
    for name, values in ids.items():
        if values.min() < 0 or values.max() >= len(classes[name]):
            raise DataError(
                f"{file}: {name} has the class id {values.max()}, but the class list ends at {len(classes[name]) - 1}: "
                f"{remedy} --overwrite True"
            )
    return Table(entry, split, frame["path"].tolist(), ids, classes)


def load_tags(paths: DataPaths) -> Tags:
    """Read the tag table.

    Raises:
        MissingError: the data set has not been prepared.
        DataError: the table is damaged.
    """
    remedy = f"run the A1 script of {paths.name}"
    require(paths.tags, "tag table", remedy)
    refuse_changed(require(paths.manifest("A1"), "finished preprocessing", remedy), [paths.tags], f"{remedy} again")
    columns = read_columns(paths.tags, f"{remedy} again")

    def column(name: str) -> dict[str, str]:
        return dict(zip(columns["key"], columns[name], strict=True)) if name in columns else {}

    return Tags(column("tags"), column("query_tags"), column("group"), column("caption"))
