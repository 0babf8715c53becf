"""The user's own images in a table with a column of paths."""

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from backward_search.errors import DataError
from backward_search.images.kinds import SUFFIXES
from backward_search.readers.custom import paths as table_paths
from backward_search.readers.custom.cells import cleaned
from backward_search.readers.custom.delimited import read_delimited
from backward_search.readers.custom.listing import Files, Listing, Reading, Roles
from backward_search.readers.custom.names import RESPELT, respelt, unique_keys
from backward_search.readers.custom.roles import inside, named_as_expected
from backward_search.readers.outside import quoted, refuse_outside


def read_csv(source: Path, roles: Roles, reading: Reading) -> Listing:
    """Read a table of text with a column of paths, relative to its own folder or absolute.

    Raises:
        DataError: it cannot be read, has no rows, or no column of paths.
    """
    table = read_delimited(source, reading.encoding, skip_malformed=reading.skip_malformed)
    _refuse_no_header(source, table.frame)
    if table.frame.empty:
        raise DataError(f"{source} has a header and no rows: expected a line for each image")
    listing = listing_of_paths("CSV table", source, table.frame, roles, reading)
    if table.separator != ",":
        listing.facts["separator"] = {"\t": "tab", ";": "semicolon"}.get(table.separator, table.separator)
    if table.malformed:
        listing.left_out["lines with too many fields"] = table.malformed
    if table.short:
        listing.repaired["lines with fewer fields than the header, the last ones are empty"] = table.short
    return listing


def _refuse_no_header(source: Path, frame: pd.DataFrame) -> None:
    """A header that names an image is a row.

    Raises:
        DataError: it does.
    """
    for name in frame.columns:
        if PurePosixPath(name).suffix.lower() in SUFFIXES:
            raise DataError(f"{source} begins with {name}, an image: put a header above it, such as path,label")


def listing_of_paths(
    form: str, source: Path, frame: pd.DataFrame, roles: Roles, reading: Reading, home: Path | None = None
) -> Listing:
    """The listing of a table with a column of paths: rows without a path and images that stand twice are left out.

    Args:
        form: what the source was recognised as.
        source: the table; paths in it begin at its folder.
        frame: its rows.
        roles: which column says what.
        reading: how it is read.
        home: the folder out of which no path may lead; its own, where none is given.

    Raises:
        DataError: there is no column of paths, none of them names a file, or one leads out.
    """
    frame = named_as_expected(frame, roles)
    cells, noted = cleaned(frame, reading.missing_words, kept=(roles.path,))
    written = _paths(source, cells, roles, reading)
    table_paths.refuse_addresses(source, written)
    paths = [table_paths.plain_path(text) for text in written]
    disk = table_paths.Disk(source.parent)
    files = [disk.find(path) if path else None for path in paths]
    if not any(files):
        table_paths.refuse_none_found(source, [path for path in paths if path], cells)
    outside = refuse_outside(
        source,
        home or source.parent,
        [file for file in files if file],
        quoted(path for file, path in zip(files, paths, strict=True) if file),
        allowed=reading.allow_outside,
    )
    empty = np.array([not inside(path) for path in paths])  # also of "../"
    images = pd.Series([str(file or path) for file, path in zip(files, paths, strict=True)], index=cells.index)
    twice = (images.duplicated() & ~empty).to_numpy()
    same = cells.drop(columns=roles.path, errors="ignore").assign(**{"": images}).duplicated().to_numpy()
    left_out = {
        "rows without a path": [f"row {row}" for row in np.flatnonzero(empty).tolist()],
        **_repeated(paths, same, twice),
    }
    kept = np.flatnonzero(~empty & ~twice).tolist()
    names = [paths[row] for row in kept]
    parts = [inside(path) for path in names]
    repaired = {
        "paths that the disk spells otherwise": [
            paths[row] for row in kept if files[row] not in (None, disk.at(paths[row]))
        ],
        "labels written in several ways, taken as one": noted.respelt,
        RESPELT: respelt(parts),
    }
    return Listing(
        form,
        cells.iloc[kept].reset_index(drop=True).drop(columns=_used_up(cells, roles, reading)),
        names,
        unique_keys(parts),
        range(len(names)),
        Files.of([files[row] or disk.at(paths[row]) for row in kept]),
        {source.name: source},
        {reason: names for reason, names in left_out.items() if names},
        {reason: names for reason, names in repaired.items() if names},
        noted.facts() | outside,
    )


def _repeated(paths: list[str], same: np.ndarray, twice: np.ndarray) -> dict[str, list[str]]:
    """The rows that repeat an image, apart by whether they say the same of it."""
    return {
        "images listed twice, the first row counts": [paths[row] for row in np.flatnonzero(twice & same)],
        "images listed twice with other labels, the first row counts": [
            paths[row] for row in np.flatnonzero(twice & ~same)
        ],
    }


def _paths(source: Path, cells: pd.DataFrame, roles: Roles, reading: Reading) -> list[str]:
    if reading.path_template:
        return table_paths.by_template(source, cells, reading.path_template)
    if roles.path not in cells:
        raise DataError(
            f"{source} has the columns {', '.join(cells.columns)}, expected {roles.path}: "
            + (table_paths.proposal(source, cells) or "name the column of the image paths with --path_column")
        )
    return cells[roles.path].tolist()


def _used_up(cells: pd.DataFrame, roles: Roles, reading: Reading) -> list[str]:
    """The columns that say which image a row means, and nothing about it."""
    if not reading.path_template:
        return [roles.path]
    named = table_paths.columns_of(reading.path_template)
    return [name for name in cells.columns if name == roles.path or (name in named and cells[name].is_unique)]
