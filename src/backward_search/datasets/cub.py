"""CUB-200-2011: 11,788 photographs of 200 kinds of birds with 312 attributes, from its archive or as published, flat."""

import csv
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from backward_search.console import progress
from backward_search.datasets.registry import DatasetEntry, EmptyTags
from backward_search.datasets.report import Findings
from backward_search.datasets.source import Source
from backward_search.datasets.tables import Samples
from backward_search.errors import DataError, MissingError
from backward_search.files.atomic import replacing
from backward_search.files.paths import DataPaths

ENTRY = DatasetEntry(
    name="CUB",
    category_types={"birds": ("birds",)},
    empty_tags=EmptyTags.OF_THE_QUERY,
    discard_first_draw=True,
    prepare="A1.Data-Preprocessing-CUB.py",
)

IMAGES, CLASSES, ATTRIBUTES = 11_788, 200, 312
TEST_SIZE, SPLIT_SEED = 0.3, 42
MAX_SHARE = 0.1849
"""An attribute that this share of the images has, or a larger one, tells too little to be a tag."""

REMEDY = (
    "download CUB_200_2011.tgz from https://www.vision.caltech.edu/datasets/cub_200_2011/ and unpack it there, "
    "or pass --download True"
)
ARCHIVE = "CUB_200_2011"
_LAYOUTS = {
    "attributes": "flat files, as published",
    ARCHIVE: "unpacked archive",
    "": "content of the archive",
}
_LABELS = ("image_attribute_labels.txt", "image_attribute_labels_clean.txt")
_FIELDS = 10  # a line of the labels has 5 fields, a malformed one 6; more are read, and not looked at
_TAIL = 64  # bytes in which the end marker of a whole JPEG file is expected; some cameras pad the file a little


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
    layout = _LAYOUTS.get(images.parent.relative_to(folder).name, "unpacked archive")
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
        samples, keys = read_samples(paths, raw, as_published, findings)
        files.update(check_images(paths, keys, findings))
        return samples

    def make_images(samples: Samples, _findings: Findings) -> set[int]:
        bring_images(paths, files)
        return set(range(len(samples.paths))) - files.keys()

    return Source(
        entry=ENTRY,
        settings={
            "as_published": as_published,
            "test_size": TEST_SIZE,
            "split_seed": SPLIT_SEED,
            "max_share": MAX_SHARE,
        },
        inputs={file.name: file for file in (raw.images, raw.attributes, raw.labels)},
        read=read,
        make_images=make_images,
    )


def read_samples(
    paths: DataPaths, raw: Raw, as_published: bool, findings: Findings
) -> tuple[Samples, list[tuple[str, str]]]:
    """The rows of the data set, one for each image, in the order of the image ids.

    The published tables give image i the attributes of image i + 1 and lose the last image. Departure: ours do not,
    unless `as_published`; the shares of the attributes are then those over the published rows, too.

    Returns:
        The rows, and class and file name of each.
    """
    image_ids, names = read_numbered(raw.images)
    attribute_ids, attributes = read_numbered(raw.attributes)
    keys = [_key(name, raw.images) for name in names]
    present = read_presence(raw.labels, image_ids, attribute_ids, names, findings)
    findings.facts |= {
        "layout": raw.layout,
        "attribute labels": raw.labels.name,
        "tables": "as published" if as_published else "corrected",
    }
    findings.expect("images listed", IMAGES, len(keys))
    if as_published:
        keys, present = keys[:-1], present[1:]
    labels = [label for label, _ in keys]
    splits = split(labels)
    findings.expect("classes", CLASSES, len(set(labels)))
    findings.expect("attributes", ATTRIBUTES, len(attributes))
    samples = Samples(
        paths=[f"./data/{paths.name}/images/{label}/{file}" for label, file in keys],
        labels={"birds": labels},
        splits=splits,
        tags=[",".join(filter(None, pair)) for pair in zip(_tags(present, attributes), labels, strict=True)],
        query_tags=[",".join(pair) for pair in zip(_tags(present, attributes), labels, strict=True)],
    )
    return samples, keys


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


def _key(name: str, file: Path) -> tuple[str, str]:
    parts = name.split("/")
    if len(parts) != 2 or not all(parts):
        raise DataError(f"{file} lists {name!r}, expected <class>/<file>: {REMEDY}")
    return parts[0], parts[1]


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
        findings: takes the number of lines and the images with odd ones.

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
            file,
            sep=r"\s+",
            header=None,
            names=["image", "attribute", "present", "certainty", "seconds", "extra", *range(6, _FIELDS)],
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


def _tags(present: np.ndarray, attributes: Sequence[str]) -> list[str]:
    """The names of the attributes of each image, in the order of their ids, without those that too many images have."""
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


def check_images(paths: DataPaths, keys: Sequence[tuple[str, str]], findings: Findings) -> dict[int, Path]:
    """Find the image of each row and see whether it is whole.

    Args:
        paths: where the data set lies.
        keys: class and file name of each row.
        findings: takes the images that are missing or broken, and those that are grey.

    Returns:
        The files of the usable rows.

    Raises:
        MissingError: there is not a single image.
    """
    folders = [paths.folder / "images", paths.folder / ARCHIVE / "images"]
    usable: dict[int, Path] = {}
    for row, key in enumerate(progress(keys, "checking", "image")):
        name = "/".join(key)
        file = next((place for folder in folders if (place := folder.joinpath(*key)).is_file()), None)
        mode = "missing image" if file is None else image_mode(file)
        if file is None or mode in ("missing image", "unreadable image"):
            findings.drop(mode, name)
            continue
        if mode in ("L", "1", "LA", "I", "F"):
            findings.repair("greyscale images, read as RGB", name)
        usable[row] = file
    if not usable:
        looked = " or ".join(str(folder) for folder in folders)
        raise MissingError(f"none of the {len(keys)} images is usable in {looked}: {REMEDY}")
    return usable


def image_mode(file: Path) -> str:
    """Pillow's mode of an image, or "unreadable image".

    A JPEG file with a readable header and an end marker counts as whole; only another one is decoded to see.
    """
    try:
        with Image.open(file) as image:
            if image.format != "JPEG" or not _has_end_marker(file):
                image.load()
            return image.mode
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return "unreadable image"


def _has_end_marker(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(-min(_TAIL, file.stat().st_size), os.SEEK_END)
        return b"\xff\xd9" in stream.read()


def bring_images(paths: DataPaths, files: Mapping[int, Path]) -> None:
    """Make `images/` hold the images that lie in the archive's folder: as a link to it, or file by file.

    Args:
        paths: where the data set lies.
        files: the file of each usable row.
    """
    images, archive = paths.folder / "images", paths.folder / ARCHIVE / "images"
    away = [file for file in files.values() if file.is_relative_to(archive)]
    if not away:
        return
    if images.is_dir() and not images.is_symlink() and not any(images.iterdir()):
        images.rmdir()
    if images.is_symlink() and not images.exists():
        images.unlink()
    if not images.exists():
        try:
            images.symlink_to(Path(ARCHIVE) / "images", target_is_directory=True)
            return
        except OSError:  # a file system or an account without symbolic links
            images.mkdir()
    for file in progress(away, "linking", "image"):
        _bring(file, images / file.relative_to(archive))


def _bring(file: Path, place: Path) -> None:
    place.parent.mkdir(exist_ok=True)
    try:
        place.hardlink_to(file)
    except OSError:
        with replacing(place) as temporary:
            shutil.copyfile(file, temporary)
