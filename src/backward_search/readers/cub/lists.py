"""The lists of CUB, in the archive or flat: images and attributes by number, and which image has which attribute."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from backward_search.data.report import Findings
from backward_search.errors import DataError, MissingError
from backward_search.readers.cub.images import ARCHIVE, REMEDY
from backward_search.readers.text_files import filled_lines, is_number
from backward_search.storage.paths import DataPaths

IMAGES, CLASSES, ATTRIBUTES = 11_788, 200, 312
_LAYOUTS = {"attributes": "flat files, as published", ARCHIVE: "unpacked archive", ".": "content of the archive"}
_LABELS = ("image_attribute_labels.txt", "image_attribute_labels_clean.txt")
_HEADER = b"image attribute present certainty seconds extra\n"
"""Put before the labels, which have none: a sixth column is where the malformed lines show."""


@dataclass(frozen=True)
class Raw:
    """The raw text files.

    Attributes:
        images: `images.txt`, id and path of every image.
        attributes: `attributes.txt`, id and name of every attribute.
        labels: `image_attribute_labels.txt` or its cleaned form, one line for each image and attribute.
        layout: how the folder is laid out, for people.
    """

    images: Path
    attributes: Path
    labels: Path
    layout: str


def locate(paths: DataPaths) -> Raw:
    """Find the raw text files.

    Raises:
        MissingError: one of them is nowhere; the message says where it was looked for and where it is to be had.
    """
    folder = paths.folder
    homes = [folder / "attributes", folder / ARCHIVE, folder / ARCHIVE / "attributes", folder]
    images = _first(folder, homes, "images.txt")
    # the archive unpacks attributes.txt beside its folder, which may itself have been renamed to data/CUB
    attributes = _first(folder, [*homes, folder.parent], "attributes.txt")
    layout = _LAYOUTS.get(images.parent.relative_to(folder).as_posix(), "unpacked archive")
    return Raw(images, attributes, _first(folder, homes, *_LABELS), layout)


def _first(folder: Path, homes: Sequence[Path], *names: str) -> Path:
    for name in names:
        for home in homes:
            if (home / name).is_file():
                return home / name
    searched = ", ".join(os.path.relpath(home, folder) for home in homes)
    raise MissingError(f"no {' or '.join(names)} in {folder} (looked in {searched}): {REMEDY}")


def read_numbered(file: Path) -> tuple[np.ndarray, list[str]]:
    """Read a list of numbered names, such as `images.txt`.

    Returns:
        The numbers in ascending order, (N,) int64, and their names.

    Raises:
        DataError: it is empty, a line is not a number and a name, or a number stands twice.
    """
    entries: dict[int, str] = {}
    for place, line in enumerate(filled_lines(file, REMEDY), 1):
        number, _, name = line.strip().partition(" ")
        name = name.strip()
        if not is_number(number) or not name or int(number) in entries:
            raise DataError(f"{file} line {place} is {line[:80]!r}, expected a new number and a name: {REMEDY}")
        entries[int(number)] = name
    numbers = sorted(entries)
    return np.array(numbers), [entries[number] for number in numbers]


def read_presence(
    file: Path, image_ids: np.ndarray, attribute_ids: np.ndarray, names: Sequence[str], findings: Findings
) -> np.ndarray:
    """Which image has which attribute.

    Some known lines of the file have a field too many and a double space; their first four fields are right, so that
    every line is read by whitespace and nothing behind the third field is believed.

    Args:
        file: the labels; image id, attribute id, present, certainty and seconds in each line.
        image_ids: (N,), ascending.
        attribute_ids: (A,), ascending.
        names: of the images, for the findings.
        findings: takes the number of lines and the images with malformed ones.

    Returns:
        (N, A) bool.

    Raises:
        DataError: the file is not what it should be, or does not belong to these images and attributes.
    """
    frame = _read_labels(file)
    images = _positions(frame["image"].to_numpy(), image_ids, file, "image")
    attributes = _positions(frame["attribute"].to_numpy(), attribute_ids, file, "attribute")
    values = frame["present"].to_numpy()
    if values.min() < 0 or values.max() > 1:
        raise DataError(f"{file} has values from {values.min()} to {values.max()}, expected 0 or 1: {REMEDY}")
    findings.expect("attribute lines", IMAGES * ATTRIBUTES, len(frame))
    for image in images[frame["extra"].notna().to_numpy()].tolist():
        findings.repair("attribute lines with a field too many, read by their first fields", names[image])
    present = np.full((len(image_ids), len(attribute_ids)), -1, np.int8)
    present[images, attributes] = values
    for image in np.flatnonzero((present < 0).any(1)).tolist():
        findings.repair("images without a line for every attribute, taken as absent", names[image])
    return present > 0


def _read_labels(file: Path) -> pd.DataFrame:
    try:
        frame: pd.DataFrame = pd.read_csv(
            io.BytesIO(_HEADER + file.read_bytes()),
            sep=r"\s+",
            index_col=False,
            usecols=["image", "attribute", "present", "extra"],
            dtype={"image": np.int32, "attribute": np.int32, "present": np.int32, "extra": object},
            quoting=csv.QUOTE_NONE,
        )
    except (ValueError, OverflowError) as error:  # pandas' own parser errors are ValueErrors
        raise DataError(f"{file} cannot be read ({error}), expected lines like '1 1 0 3 27.7': {REMEDY}") from None
    if frame.empty:
        raise DataError(f"{file} is empty: {REMEDY}")
    return frame


def _positions(values: np.ndarray, known: np.ndarray, file: Path, what: str) -> np.ndarray:
    places = np.searchsorted(known, values).clip(max=len(known) - 1)
    strange = values[known[places] != values]
    if strange.size:
        raise DataError(f"{file} speaks of {what} {strange[0]}, which the list of {what}s does not have: {REMEDY}")
    return places
