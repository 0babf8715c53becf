"""The lists of aPY: the objects in the photographs, and the names of their attributes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backward_search.errors import DataError, MissingError
from backward_search.readers.text_files import filled_lines
from backward_search.storage.naming import storable
from backward_search.storage.paths import DataPaths

YAHOO = "ayahoo_test.txt"
OBJECTS = {"apascal_train.txt": 6340, "apascal_test.txt": 6355, YAHOO: 2644}
"""The lists of objects and how many each holds."""
REMEDY = (
    "unpack the attribute data of https://vision.cs.uiuc.edu/attributes/ (or of "
    "https://github.com/BatsResearch/mazzetto-neurips22-code) there, or pass --download True"
)
_LAYOUTS = ("attribute_data", "attributes", ".")
_BEFORE_ATTRIBUTES = 6  # image, class, xmin, ymin, xmax, ymax


@dataclass(frozen=True)
class Objects:
    """One list of objects, in the order of its lines.

    Attributes:
        images: file name of the photograph that holds the object.
        labels: its category.
        boxes: (N, 4) int64, left, top, right, bottom in pixels.
        present: (N, A) bool, which attributes it has.
    """

    images: list[str]
    labels: list[str]
    boxes: np.ndarray
    present: np.ndarray

    @property
    def crops(self) -> list[str]:
        """The file name of each object's own image; an image may hold several objects, so the line is part of it."""
        parts = zip(self.images, self.labels, strict=True)
        return [f"{Path(image).stem}_{label}_{line}{Path(image).suffix}" for line, (image, label) in enumerate(parts)]


def locate(paths: DataPaths, name: str) -> Path:
    """Find one of the text files.

    Raises:
        MissingError: it is nowhere; the message says where it was looked for and where it is to be had.
    """
    for layout in _LAYOUTS:
        file = paths.folder / layout / name
        if file.is_file():
            return file
    raise MissingError(f"no {name} in {paths.folder} (looked in {', '.join(_LAYOUTS)}): {REMEDY}")


def read_attributes(file: Path) -> list[str]:
    """The names of the attributes, as they stand, with their spaces.

    Raises:
        DataError: there is none, or one contains a comma.
    """
    names = [line.strip() for line in filled_lines(file, REMEDY)]
    commas = [name for name in names if "," in name]
    if commas:
        raise DataError(f"{file} holds {commas[0]!r}, expected names without commas, one a line: {REMEDY}")
    return names


def read_objects(file: Path, attributes: int) -> Objects:
    """Read one list of objects.

    Args:
        file: one object a line: image, class, four numbers of the box, then 0 or 1 for each attribute.
        attributes: the number of attributes.

    Raises:
        DataError: a line has another number of fields, a field that is no such number, or one that cannot name a file.
    """
    rows = [line.split() for line in filled_lines(file, REMEDY)]
    width = _BEFORE_ATTRIBUTES + attributes
    for place, row in enumerate(rows, 1):
        if len(row) != width:
            raise DataError(
                f"{file} line {place} has {len(row)} fields, expected {width} (image, class, box and {attributes} "
                f"attributes): {REMEDY}"
            )
    try:
        numbers = np.array([row[2:] for row in rows], dtype=np.float64).reshape(len(rows), width - 2)
    except ValueError as error:
        raise DataError(f"{file} cannot be read ({error}), expected numbers after the class: {REMEDY}") from None
    boxes, present = np.split(numbers, [4], axis=1)
    strange = np.flatnonzero(~(np.isin(present, (0, 1)).all(1) & np.isfinite(boxes).all(1)))
    if strange.size:
        raise DataError(f"{file} line {strange[0] + 1} has attributes other than 0 and 1, or no box: {REMEDY}")
    names = [Path(row[0]).name for row in rows]
    objects = Objects(names, [row[1] for row in rows], np.rint(boxes).astype(np.int64), present > 0)
    for place, crop in enumerate(objects.crops, 1):
        if storable(crop) != crop:
            raise DataError(f"{file} line {place} makes the name {crop[:80]!r}, which cannot name a file: {REMEDY}")
    return objects
