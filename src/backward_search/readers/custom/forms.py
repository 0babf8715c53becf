"""The forms in which the user's own images come: class folders, a CSV table, a Parquet file, an .npz file of arrays."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pandas as pd

from backward_search.data.splits import TEST_NAMES, TRAIN_NAMES, VALIDATION_NAMES
from backward_search.errors import DataError, MissingError
from backward_search.images.kinds import kind_of
from backward_search.readers.custom.arrays import read_npz
from backward_search.readers.custom.csv_table import read_csv
from backward_search.readers.custom.listing import Files, Listing, Reading, Roles
from backward_search.readers.custom.names import text, unique_keys
from backward_search.readers.custom.parquet import read_parquet
from backward_search.readers.custom.shards import shards_in
from backward_search.readers.folders import walk

_NOISE = ("__MACOSX", "Thumbs.db", "desktop.ini")
_SHEET, _PACKED = "export it as CSV UTF-8", "unpack it, and give the folder"
_REMEDIES = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), _SHEET),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"), _PACKED),
    ".npy": "a single array has no labels: save images and labels together by numpy.savez",
    ".json": "write its rows as a CSV table",
    ".jsonl": "write its rows as a CSV table",
}
"""What to do with files of other kinds."""


TEXT = (".csv", ".tsv", ".tab", ".txt")
"""How the names of tables of text end."""


def read_listing(source: Path, roles: Roles, reading: Reading) -> Listing:
    """Read what a source lists.

    Raises:
        MissingError: there is no such file or folder.
        DataError: it is in none of the four forms, or not as its form demands.
    """
    if not source.exists():
        raise MissingError(f"--source {source} does not exist")
    if source.is_dir():
        shards = shards_in(source)
        return read_parquet(shards, roles, reading) if shards else read_folder(source)
    suffix = source.suffix.lower()
    if suffix in TEXT:
        return read_csv(source, roles, reading)
    if suffix == ".parquet":
        return read_parquet([source], roles, reading)
    if suffix == ".npz":
        return read_npz(source, reading)
    remedy = _REMEDIES.get(suffix, "expected one of these")
    raise DataError(f"--source {source} is none of a folder, a .csv, a .parquet or an .npz file: {remedy}")


def read_folder(source: Path) -> Listing:
    """Read a folder of one folder per class, or of train and test folders of such; the attribute is called `label`.

    Raises:
        DataError: there is no image in a class folder, or split folders stand beside class folders.
    """
    depth = 1 if _is_split_in_folders(source) else 0
    files: list[PurePosixPath] = []
    left_out: dict[str, list[str]] = {}
    for path in _files_below(source):
        kind = kind_of(source / path)
        if kind is not None:
            left_out.setdefault(str(kind), []).append(text(path))
        elif len(path.parts) < depth + 2:
            left_out.setdefault("images outside of a class folder", []).append(text(path))
        else:
            files.append(path)
    if not files:
        raise DataError(
            f"no images in --source {source}: expected {source}/<class>/<image> or .../train/<class>/<image>"
        )
    labels = [text(path.parts[depth]) for path in files]
    columns = pd.DataFrame({"label": labels})
    if depth:
        columns["split"] = [path.parts[0] for path in files]
    ordered = [(*path.parts[:depth], *path.parts[depth + 1 : -1], path.parts[depth], path.name) for path in files]
    return Listing(
        "train and test folders of class folders" if depth else "class folders",
        columns,
        [text(path) for path in files],
        unique_keys(ordered),
        range(len(files)),
        Files.of([source / path for path in files]),
        left_out=left_out,
    )


def _is_split_in_folders(source: Path) -> bool:
    names = {path.name for path in source.iterdir() if path.is_dir() and not _is_noise(path.name)}
    train = {name for name in names if name.lower() in TRAIN_NAMES}
    test = {name for name in names if name.lower() in (*TEST_NAMES, *VALIDATION_NAMES)}
    others = names - train - test
    if train and test and others:
        raise DataError(
            f"--source {source} has {sorted(others)[0]} beside {', '.join(sorted(train | test))}: "
            "expected either class folders or train and test (val) folders of class folders"
        )
    nested = any(path.is_dir() for name in train for path in (source / name).glob("*"))
    return bool(train) and nested and not others


def _is_noise(name: str) -> bool:
    return name.startswith(".") or name in _NOISE


def _files_below(source: Path) -> Iterable[PurePosixPath]:
    """The files below a folder in sorted order, without hidden ones."""
    for folder, files in walk(source, lambda inside: not _is_noise(inside.name)):
        inside = PurePosixPath(folder.relative_to(source).as_posix())
        yield from (inside / name for name in files if not _is_noise(name))
