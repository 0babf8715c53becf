"""aPascal and aYahoo (aPY): objects cut out of photographs, each with a category and some of 64 attributes."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from backward_search.data.download import Download
from backward_search.data.registry import DatasetEntry, EmptyTags, Preprocessing
from backward_search.data.report import Findings
from backward_search.data.source import Source
from backward_search.data.tables import Samples
from backward_search.errors import DataError, MissingError
from backward_search.images.opening import upright_size
from backward_search.images.writing import Box, ImageJob, clamped, make_images
from backward_search.progress import progress
from backward_search.storage.paths import DataPaths

ENTRY = DatasetEntry(
    name="APY",
    category_types={"category": ("category",)},
    preprocessing=Preprocessing(fit="squeeze", augment=False),
    empty_tags=EmptyTags.OF_THE_QUERY,
    discard_first_draw=True,
    prepare="A1.Data-Preprocessing-APY.py",
)
_OTHERWISE = "the paper's authors took aPY from https://github.com/BatsResearch/mazzetto-neurips22-code: put it"
DOWNLOADS = (
    Download(
        url="http://vision.cs.uiuc.edu/attributes/attribute_data.tar.gz",
        target="attribute_data.tar.gz",
        alternatives=(
            f"{_OTHERWISE} into data/APY/attribute_data/ and run the command again, or take the authors' own tables "
            "and images, https://drive.google.com/file/d/1FQGeDeeBLXrlQQ-4bv4sjApUvbku7kXX/view"
        ),
        unpack=True,
        unless=tuple((f"{layout}/apascal_train.txt",) for layout in ("attribute_data", "attributes", ".")),
    ),
    Download(
        url="https://thor.robots.ox.ac.uk/pascal/VOC/voc2008/VOCtrainval_14-Jul-2008.tar",
        target="VOCtrainval_14-Jul-2008.tar",
        alternatives=(
            "put the same file, such as that of https://huggingface.co/datasets/JimmyUnleashed/Pascal_VOC, into "
            f"data/APY/ and run the command again; {_OTHERWISE} into data/APY/images_raw/"
        ),
        sha256="7f0ca53c1b5a838fbe946965fc106c6e86832183240af5c88e3f6c306318d42e",
        md5="2629fa636546599198acfcfbfcf1904a",
        unpack=True,
        unless=(("VOCdevkit/VOC2008/JPEGImages/2008_*",), ("JPEGImages/2008_*",), ("images_raw/**/2008_*",)),
    ),
)
YAHOO_DOWNLOAD = Download(
    url="http://vision.cs.uiuc.edu/attributes/ayahoo_test_images.tar.gz",
    target="ayahoo_test_images.tar.gz",
    alternatives=f"{_OTHERWISE} into data/APY/ayahoo_test_images/, or leave --with_yahoo out",
    unpack=True,
    unless=(("ayahoo_test_images/*",), ("images_raw/**/bag_227.*",)),
)
"""Only for `--with_yahoo`."""

ATTRIBUTES, CLASSES, YAHOO_CLASSES = 64, 20, 12
YAHOO = "ayahoo_test.txt"
OBJECTS = {"apascal_train.txt": 6340, "apascal_test.txt": 6355, YAHOO: 2644}
"""The lists of objects and how many each holds."""

LISTS_REMEDY = (
    "unpack the attribute data of https://vision.cs.uiuc.edu/attributes/ (or of "
    "https://github.com/BatsResearch/mazzetto-neurips22-code) there, or pass --download True"
)
IMAGES_REMEDY = (
    "unpack the images of VOC2008 (http://host.robots.ox.ac.uk/pascal/VOC/voc2008/) into its images_raw, "
    "or pass --download True"
)
CROPS = "images_crop"
_LAYOUTS = ("attribute_data", "attributes", ".")
_NOT_RAW = (CROPS, "attributions")
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
    raise MissingError(f"no {name} in {paths.folder} (looked in {', '.join(_LAYOUTS)}): {LISTS_REMEDY}")


def source(paths: DataPaths, *, with_yahoo: bool = False, workers: int = 1) -> Source:
    """The data set as `stages.prepare` takes it.

    Args:
        paths: where it lies.
        with_yahoo: take the objects of aYahoo into the test split.
        workers: number of processes that cut images.

    Raises:
        MissingError: the raw files are not there.
    """
    lists = [name for name in OBJECTS if with_yahoo or name != YAHOO]
    inputs = {name: locate(paths, name) for name in ("attribute_names.txt", *lists)}
    jobs: list[ImageJob] = []

    def read(findings: Findings) -> Samples:
        """Read the lists and plan the crops."""
        attributes = read_attributes(inputs["attribute_names.txt"])
        objects = {name: read_objects(inputs[name], len(attributes)) for name in lists}
        findings.facts["attribute data"] = os.path.relpath(inputs[lists[0]].parent, paths.folder)
        _expect(objects, attributes, findings)
        found, missing = plan(paths, list(objects.values()), findings)
        jobs.extend(found)
        return dataclasses.replace(samples(paths, objects, attributes), missing=frozenset(missing))

    return Source(
        entry=ENTRY,
        settings={"with_yahoo": with_yahoo},
        inputs=inputs,
        read=read,
        make_images=lambda found, findings: set(found.missing) | make_images(jobs, findings, workers),
    )


def _expect(objects: Mapping[str, Objects], attributes: Sequence[str], findings: Findings) -> None:
    for name, part in objects.items():
        findings.expect(f"objects in {name}", OBJECTS[name], len(part.labels))
    classes = {label for part in objects.values() for label in part.labels}
    findings.expect("classes", CLASSES + YAHOO_CLASSES * (YAHOO in objects), len(classes))
    findings.expect("attributes", ATTRIBUTES, len(attributes))
    if YAHOO in objects:
        findings.facts["aYahoo"] = "in the test split; no training image has one of its classes"


def samples(paths: DataPaths, objects: Mapping[str, Objects], attributes: Sequence[str]) -> Samples:
    """The rows of the data set, one for each object: the paper's split is that of the two lists of aPascal."""
    parts = list(objects.values())
    crops = [crop for part in parts for crop in part.crops]
    labels = [label for part in parts for label in part.labels]
    names = np.array(attributes, dtype=object)
    tags = [",".join(names[row]) for part in parts for row in part.present]
    train = len(objects["apascal_train.txt"].labels)
    return Samples(
        paths=[f"./data/{paths.name}/{CROPS}/{crop}" for crop in crops],
        labels={"category": labels},
        splits={"train": np.arange(train), "test": np.arange(train, len(labels))},
        tags=[f"{some},{label}" if some else label for some, label in zip(tags, labels, strict=True)],
        query_tags=[f"{some},{label}" for some, label in zip(tags, labels, strict=True)],
    )


def read_attributes(file: Path) -> list[str]:
    """The names of the attributes, as they stand, with their spaces.

    Raises:
        DataError: there is none, or one contains a comma.
    """
    names = [line.strip() for line in _lines(file)]
    commas = [name for name in names if "," in name]
    if commas:
        raise DataError(f"{file} holds {commas[0]!r}, expected names without commas, one a line: {LISTS_REMEDY}")
    return names


def read_objects(file: Path, attributes: int) -> Objects:
    """Read one list of objects.

    Args:
        file: one object a line: image, class, four numbers of the box, then 0 or 1 for each attribute.
        attributes: the number of attributes.

    Raises:
        DataError: a line has another number of fields, or a field that is no such number.
    """
    rows = [line.split() for line in _lines(file)]
    width = _BEFORE_ATTRIBUTES + attributes
    for place, row in enumerate(rows, 1):
        if len(row) != width:
            raise DataError(
                f"{file} line {place} has {len(row)} fields, expected {width} (image, class, box and {attributes} "
                f"attributes): {LISTS_REMEDY}"
            )
    try:
        numbers = np.array([row[2:] for row in rows], dtype=np.float64).reshape(len(rows), width - 2)
    except ValueError as error:
        raise DataError(f"{file} cannot be read ({error}), expected numbers after the class: {LISTS_REMEDY}") from None
    boxes, present = np.split(numbers, [4], axis=1)
    strange = np.flatnonzero(~(np.isin(present, (0, 1)).all(1) & np.isfinite(boxes).all(1)))
    if strange.size:
        raise DataError(f"{file} line {strange[0] + 1} has attributes other than 0 and 1, or no box: {LISTS_REMEDY}")
    names = [Path(row[0]).name for row in rows]
    return Objects(names, [row[1] for row in rows], np.rint(boxes).astype(np.int64), present > 0)


def _lines(file: Path) -> list[str]:
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not a text file ({error}): {LISTS_REMEDY}") from None
    if not lines:
        raise DataError(f"{file} is empty: {LISTS_REMEDY}")
    return lines


def plan(paths: DataPaths, parts: Iterable[Objects], findings: Findings) -> tuple[list[ImageJob], set[int]]:
    """What is to be cut out of which photograph.

    Args:
        paths: where the data set lies.
        parts: the lists of objects, in the order of the rows.
        findings: takes the objects without a readable photograph and the boxes that were put right.

    Returns:
        The images to make, and the rows that have no photograph.

    Raises:
        MissingError: there is not a single photograph.
    """
    objects = [row for part in parts for row in zip(part.crops, part.images, part.boxes.tolist(), strict=True)]
    files = find_images(paths, {image for _, image, _ in objects})
    sizes = {name: _size(file) for name, file in progress(files.items(), "measuring", "image")}
    jobs: list[ImageJob] = []
    without: set[int] = set()
    for row, (crop, image, box) in enumerate(objects):
        target = paths.folder / CROPS / crop
        size = sizes.get(image)
        if size:
            jobs.append(ImageJob(row, crop, files[image], target, inside(tuple(box), size, crop, findings)))
        elif not target.exists():  # a finished crop needs no photograph
            findings.drop("unreadable image" if image in files else "missing image", crop)
            without.add(row)
    if len(without) == len(objects):
        raise MissingError(
            f"none of the photographs, such as {objects[0][1]}, is usable below {paths.folder}: {IMAGES_REMEDY}"
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


def _size(file: Path) -> tuple[int, int] | None:
    """Width and height by the header of an image; None where it cannot be read."""
    try:
        return upright_size(file)
    except DataError:
        return None


def find_images(paths: DataPaths, names: set[str]) -> dict[str, Path]:
    """The photographs by file name: those that `image_label.csv` lists, the others wherever they lie in the folder."""
    found = _listed(paths.folder / "images_raw", names)
    if len(found) < len(names):
        found = _lying_about(paths.folder, names) | found
    return found


def _listed(folder: Path, names: set[str]) -> dict[str, Path]:
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
    return {place.name: place for place in places if place.name in names and place.is_file()}


def _lying_about(folder: Path, names: set[str]) -> dict[str, Path]:
    """The first file of each name, folder by folder in sorted order; links are followed, each folder is seen once."""
    found: dict[str, Path] = {}
    seen = {os.path.realpath(folder)}
    for place, folders, files in os.walk(folder, followlinks=True):
        here = Path(place)
        # a hidden folder here is an archive that is still being unpacked
        folders[:] = sorted(name for name in folders if name[0] != "." and (here != folder or name not in _NOT_RAW))
        folders[:] = [name for name in folders if os.path.realpath(here / name) not in seen]
        seen.update(os.path.realpath(here / name) for name in folders)
        for name in names.intersection(files):
            found.setdefault(name, here / name)
    return found
