"""The forms in which the user's own images come: class folders, a CSV table, a Parquet file, an .npz file of arrays."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from backward_search.data.splits import TEST_NAMES, TRAIN_NAMES, VALIDATION_NAMES
from backward_search.errors import DataError, MissingError
from backward_search.images.kinds import kind_of
from backward_search.readers.custom.csv_table import read_csv
from backward_search.readers.custom.listing import Files, Listing, Pixels, Roles
from backward_search.readers.custom.names import column_text, row_keys, text, unique_keys
from backward_search.readers.custom.parquet import read_parquet
from backward_search.readers.folders import walk

_NOISE = ("__MACOSX", "Thumbs.db", "desktop.ini")
_IMAGES, _LABELS = ("images", "image", "x", "X"), ("labels", "label", "y", "Y")


def read_listing(source: Path, roles: Roles) -> Listing:
    """Read what a source lists.

    Raises:
        MissingError: there is no such file or folder.
        DataError: it is in none of the four forms, or not as its form demands.
    """
    if not source.exists():
        raise MissingError(f"--source {source} does not exist")
    if source.is_dir():
        return read_folder(source)
    if source.suffix.lower() == ".csv":
        return read_csv(source, roles)
    if source.suffix.lower() == ".parquet":
        return read_parquet(source, roles)
    if source.suffix.lower() == ".npz":
        return read_npz(source)
    raise DataError(f"--source {source} is none of a folder, a .csv, a .parquet or an .npz file")


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
        found = "".join(f"; there are {len(names)} {reason}" for reason, names in left_out.items())
        raise DataError(
            f"no images in --source {source}: expected {source}/<class>/<image> or .../train/<class>/<image>{found}"
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


def read_npz(source: Path) -> Listing:
    """Read an .npz file: images (N, H, W) or (N, H, W, 3) uint8, and arrays of length N that say something about them.

    The images are the array `images` or `x`, else the only one of such a shape. An array `labels` or `y` becomes the
    attribute `label`; any other array of length N keeps its name.

    Raises:
        DataError: it cannot be read, or there are no such images.
    """
    arrays = _load_arrays(source)
    name = _images_in(source, arrays)
    images = arrays.pop(name)
    images = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
    label = next((key for key in _LABELS if key in arrays), None)
    columns = {
        ("label" if key == label else key): column_text(pd.Series(array.tolist()))
        for key, array in arrays.items()
        if array.ndim == 1 and len(array) == len(images)
    }
    others = [f"{key} {array.shape}" for key, array in arrays.items() if array.shape != (len(images),)]
    count = len(images)
    return Listing(
        f"arrays, images in {name!r}",
        pd.DataFrame(columns, index=range(count)),
        [f"row {row}" for row in range(count)],
        row_keys(count, ".png"),
        range(count),
        Pixels(images),
        inputs={source.name: source},
        left_out={"arrays that are not of one dimension with an entry for each image": others} if others else {},
    )


def _load_arrays(source: Path) -> dict[str, np.ndarray]:
    faults = (OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error)
    try:
        with np.load(source, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (*faults, AttributeError) as error:  # a single array has no names
        raise DataError(f"{source} cannot be read ({error}), expected an .npz file without Python objects") from None


def _images_in(source: Path, arrays: dict[str, np.ndarray]) -> str:
    fitting = [
        name for name, array in arrays.items() if array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3))
    ]
    named = [name for name in _IMAGES if name in fitting][:1] or fitting
    shapes = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in arrays.items()) or "nothing"
    if len(named) != 1:
        raise DataError(
            f"{source} holds {shapes}: expected one array of images (N, H, W) or (N, H, W, 3), called images"
        )
    if arrays[named[0]].dtype != np.uint8:
        raise DataError(f"{source} holds {shapes}: expected images as uint8, values 0 to 255")
    return named[0]
