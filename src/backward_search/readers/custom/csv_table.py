"""The user's own images in a table with a column of paths."""

import io
import os
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from backward_search.errors import DataError
from backward_search.readers.custom.listing import Files, Listing, Roles
from backward_search.readers.custom.names import unique_keys


def read_csv(source: Path, roles: Roles) -> Listing:
    """Read a CSV table with a column of paths, relative to its own folder or absolute.

    Raises:
        DataError: it cannot be read, has no rows, or no column of paths.
    """
    try:
        content = io.StringIO(source.read_text(encoding="utf-8-sig"))
        frame = pd.read_csv(content, dtype=str, keep_default_na=False, na_filter=False)
    except ValueError as error:  # pandas' own parser errors and those of the encoding are ValueErrors
        raise DataError(f"{source} cannot be read ({error}), expected a CSV file in UTF-8 with a header") from None
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    cells = frame.apply(lambda column: column.str.strip()).replace(["nan", "NaN"], "")
    return listing_of_paths("CSV table", source, cells, roles)


def listing_of_paths(form: str, source: Path, frame: pd.DataFrame, roles: Roles) -> Listing:
    """The listing of a table with a column of paths: rows without a path and paths that stand twice are left out."""
    if roles.path not in frame:
        raise DataError(
            f"{source} has the columns {', '.join(frame.columns)}, expected {roles.path}: name the column of the "
            "image paths with --path_column"
        )
    paths = frame[roles.path].str.replace("\\", "/", regex=False)
    empty, twice = paths == "", paths.duplicated()
    left_out = {
        "rows without a path": [f"row {row}" for row in np.flatnonzero(empty).tolist()],
        "images listed twice, the first row counts": paths[twice & ~empty].tolist(),
    }
    kept = ~empty & ~twice
    frame, names = frame[kept].reset_index(drop=True), paths[kept].tolist()
    return Listing(
        form,
        frame.drop(columns=roles.path),
        names,
        unique_keys([_inside(path) for path in names]),
        range(len(names)),
        Files.of([source.parent / path for path in names]),
        {source.name: source},
        {reason: names for reason, names in left_out.items() if names},
    )


def _inside(path: str) -> tuple[str, ...]:
    return tuple(part for part in PurePosixPath(os.path.normpath(path)).parts if part not in ("/", "..", "."))
