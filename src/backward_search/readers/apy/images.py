"""The photographs of aPY, wherever they lie, and what is to be cut out of them."""

import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from backward_search.data.opening import Opening
from backward_search.data.report import Findings
from backward_search.errors import DataError
from backward_search.images.opening import left_out_as, upright_size
from backward_search.images.writing import Box, ImageJob, clamped
from backward_search.progress import progress
from backward_search.readers.apy.lists import Objects
from backward_search.readers.folders import walk
from backward_search.readers.outside import is_there
from backward_search.storage.paths import DataPaths

REMEDY = (
    "unpack the images of VOC2008 (http://host.robots.ox.ac.uk/pascal/VOC/voc2008/) into its images_raw, "
    "or pass --download True"
)
CROPS = "images_crop"
_NOT_RAW = (CROPS, "attributions")


def plan(
    paths: DataPaths, parts: Iterable[Objects], opening: Opening, findings: Findings
) -> tuple[list[ImageJob], set[int]]:
    """What is to be cut out of which photograph.

    Args:
        paths: where the data set lies.
        parts: the lists of objects, in the order of the rows.
        opening: how photographs are opened.
        findings: takes the objects without a readable photograph and the boxes that were put right.

    Returns:
        The images to make, and the rows that have no photograph.

    Raises:
        MissingError: there is not a single photograph.
    """
    objects = [row for part in parts for row in zip(part.crops, part.images, part.boxes.tolist(), strict=True)]
    files = find_images(paths, {image for _, image, _ in objects})
    sizes = {name: _size(file, opening) for name, file in progress(files.items(), "measuring", "image")}
    jobs: list[ImageJob] = []
    without: set[int] = set()
    for row, (crop, image, box) in enumerate(objects):
        target = paths.folder / CROPS / crop
        size = sizes.get(image)
        if isinstance(size, tuple):
            part = inside(tuple(box), size, crop, findings)
            jobs.append(ImageJob(row, crop, files[image], target, part, opening=opening))
        elif not target.exists():  # a finished crop needs no photograph
            findings.drop(size or "missing image", crop)
            without.add(row)
    if len(without) == len(objects):
        findings.none_there(
            f"none of the photographs, such as {objects[0][1]}, is usable below {paths.folder}: {REMEDY}"
        )
    return jobs, without


def inside(box: Box, size: tuple[int, int], crop: str, findings: Findings) -> Box | None:
    """The part of a box inside an image of `size`, or None where it has no area: the whole image is kept then.

    The numbers are taken as the published crops take them, from 0 and without the right and lower edge; boxes that
    count from 1 to the last pixel lie inside the image under this reading, too.
    """
    part = clamped(box, size)
    if part is None:
        findings.repair("box without area, kept the whole image", crop)
    elif part != box:
        findings.repair("box reaching out of the image, clamped", crop)
    return part


def _size(file: Path, opening: Opening) -> tuple[int, int] | str:
    """Width and height by the header of an image; what is wrong with one that cannot be read."""
    try:
        return upright_size(file, opening.max_pixels)
    except DataError as error:
        return left_out_as(file, error)


def find_images(paths: DataPaths, names: set[str]) -> dict[str, Path]:
    """The photographs by file name: those that `image_label.csv` lists, the others wherever they lie in the folder."""
    found = _listed(paths.folder, names)
    if len(found) < len(names):
        found = _lying_about(paths.folder, names) | found
    return found


def _listed(home: Path, names: set[str]) -> dict[str, Path]:
    folder = home / "images_raw"
    file = folder / "image_label.csv"
    if not file.is_file():
        return {}
    try:
        frame = pd.read_csv(file, index_col=0, dtype=str)
    except ValueError as error:  # pandas' own parser errors are ValueErrors
        raise DataError(f"{file} is not a CSV file ({error}): repair it, or remove it to find images by name") from None
    if "image_path" not in frame:
        raise DataError(
            f"{file} has the columns {', '.join(map(str, frame.columns))}, expected image_path among them: "
            "repair it, or remove it to find images by name"
        )
    places = [folder / path.replace("\\", "/") for path in frame["image_path"].dropna()]
    found = {place.name: place for place in places if place.name in names and is_there(place)}
    root = os.path.normpath(home)  # by the list's own words, for folders may be links
    away = [place for place in found.values() if not Path(os.path.normpath(place)).is_relative_to(root)]
    if away:
        raise DataError(f"{file} lists {str(away[0])!r} outside of {home}: move it there, or remove the list")
    return found


def _lying_about(folder: Path, names: set[str]) -> dict[str, Path]:
    """The first file of each name, folder by folder in sorted order."""
    found: dict[str, Path] = {}
    not_raw = [folder / name for name in _NOT_RAW]
    # a hidden folder is an archive that is still being unpacked
    for here, files in walk(folder, lambda inside: inside not in not_raw):
        for name in names.intersection(files):
            found.setdefault(name, here / name)
    return found
