"""CUB-200-2011: 11,788 photographs of 200 kinds of birds with 312 attributes, as an archive or flat."""

import csv
import dataclasses
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from backward_search.data.download import Download
from backward_search.data.registry import DatasetEntry, EmptyTags
from backward_search.data.report import Findings
from backward_search.data.source import Source
from backward_search.data.tables import Samples, key_of
from backward_search.errors import DataError, MissingError
from backward_search.readers.cub.images import ARCHIVE, HOME, REMEDY, bring_images, check_images
from backward_search.storage.paths import DataPaths

ENTRY = DatasetEntry(
    name="CUB",
    category_types={"birds": ("birds",)},
    empty_tags=EmptyTags.OF_THE_QUERY,
    discard_first_draw=True,
    prepare="A1.Data-Preprocessing-CUB.py",
)
DOWNLOADS = (
    Download(
        url=f"https://data.caltech.edu/records/65de6-vp158/files/{ARCHIVE}.tgz",
        target=f"{ARCHIVE}.tgz",
        alternatives=f"download {ARCHIVE}.tgz from {HOME} by hand and unpack it in data/CUB/",
        sha256="0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
        md5="97eceeb196236b17998738112f37df78",
        size=1_150_585_339,
        unpack=True,
        unless=tuple(
            (f"{lists}images.txt", f"{images}images/*/*.jpg")
            for lists in (f"{ARCHIVE}/", "attributes/", "")
            for images in (f"{ARCHIVE}/", "")
        ),
    ),
)

IMAGES, CLASSES, ATTRIBUTES = 11_788, 200, 312
TEST_SIZE, SPLIT_SEED = 0.3, 42
MAX_SHARE = 0.1849
"""An attribute that this share of the images has, or a larger one, tells too little to be a tag."""

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


def source(paths: DataPaths, *, as_published: bool = False) -> Source:
    """The data set as `stages.prepare` takes it.

    Args:
        paths: where it lies.
        as_published: give each image the attributes of the next one, as the published tables do.

    Raises:
        MissingError: the raw files are not there.
    """
    raw = locate(paths)
    files: dict[int, Path] = {}

    def read(findings: Findings) -> Samples:
        samples = read_samples(paths, raw, as_published, findings)
        files.update(check_images(paths, [key_of(path) for path in samples.paths], findings))
        return dataclasses.replace(samples, missing=frozenset(range(len(samples.paths))) - files.keys())

    def make_images(samples: Samples, _findings: Findings) -> set[int]:
        bring_images(paths, files)
        return set(samples.missing)

    return Source(
        entry=ENTRY,
        settings={"as_published": as_published, "split_seed": SPLIT_SEED, "max_share": MAX_SHARE},
        inputs={file.name: file for file in (raw.images, raw.attributes, raw.labels)},
        read=read,
        make_images=make_images,
    )


def read_samples(paths: DataPaths, raw: Raw, as_published: bool, findings: Findings) -> Samples:
    """The rows of the data set, one for each image, in the order of the image ids.

    The published tables give image i the attributes of image i + 1 and lose the last image, and the shares of the
    attributes are those over the rows that are left. Departure: ours do so only when `as_published`.
    """
    image_ids, names = read_numbered(raw.images)
    attribute_ids, attributes = read_numbered(raw.attributes)
    labels = [_label(name, raw.images) for name in names]
    present = read_presence(raw.labels, image_ids, attribute_ids, names, findings)
    if as_published:
        names, labels, present = names[:-1], labels[:-1], present[1:]
    findings.facts |= {"layout": raw.layout, "tables": "as published" if as_published else "corrected"}
    findings.expect("rows", IMAGES - as_published, len(names))
    findings.expect("classes", CLASSES, len(set(labels)))
    findings.expect("attributes", ATTRIBUTES, len(attributes))
    splits = split(labels)
    tags = rare_tags(present, attributes)
    return Samples(
        paths=[f"./data/{paths.name}/images/{name}" for name in names],
        labels={"birds": labels},
        splits=splits,
        tags=[f"{some},{label}" if some else label for some, label in zip(tags, labels, strict=True)],
        query_tags=[f"{some},{label}" for some, label in zip(tags, labels, strict=True)],
    )


def read_numbered(file: Path) -> tuple[np.ndarray, list[str]]:
    """Read a list of numbered names, such as `images.txt`.

    Returns:
        The numbers in ascending order, (N,) int64, and their names.

    Raises:
        DataError: a line is not a number and a name, or a number stands twice.
    """
    entries: dict[int, str] = {}
    for place, line in enumerate(_lines(file), 1):
        number, _, name = line.strip().partition(" ")
        name = name.strip()
        if not number.isdecimal() or not name or int(number) in entries:
            raise DataError(f"{file} line {place} is {line[:80]!r}, expected a new number and a name: {REMEDY}")
        entries[int(number)] = name
    if not entries:
        raise DataError(f"{file} is empty: {REMEDY}")
    numbers = sorted(entries)
    return np.array(numbers), [entries[number] for number in numbers]


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not a text file ({error}): {REMEDY}") from None


def _label(name: str, file: Path) -> str:
    """The class of an image: its folder, number included."""
    folder, _, rest = name.partition("/")
    if not folder or not rest or "/" in rest:
        raise DataError(f"{file} lists {name!r}, expected <class>/<file>: {REMEDY}")
    return folder


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


def rare_tags(present: np.ndarray, attributes: Sequence[str]) -> list[str]:
    """The names of the attributes of each image, in the order of their ids, without the common ones."""
    rare = np.flatnonzero(present.sum(0) / len(present) < MAX_SHARE)
    names = np.array(attributes, dtype=object)[rare]
    return [",".join(names[row]) for row in present[:, rare]]


def split(labels: Sequence[str]) -> dict[str, np.ndarray]:
    """The paper's split, which is not the official one: 30 % of the rows, stratified, in the splitter's order.

    Raises:
        DataError: there are too few images of a class.
    """
    from sklearn.model_selection import StratifiedShuffleSplit  # a second to import, and needed nowhere else

    ids = np.unique(labels, return_inverse=True)[1]
    splitter = StratifiedShuffleSplit(n_splits=1, test_size=TEST_SIZE, random_state=SPLIT_SEED)
    try:
        train, test = next(splitter.split(ids, ids))
    except ValueError as error:
        raise DataError(f"the {len(labels)} images of CUB cannot be split ({error}): {REMEDY}") from None
    return {"train": train, "test": test}
