"""CUB-200-2011: 11,788 photographs of 200 kinds of birds with 312 attributes, as an archive or flat."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backward_search.data.download import Download
from backward_search.data.opening import USUAL, Opening
from backward_search.data.registry import DatasetEntry, EmptyTags
from backward_search.data.report import Findings
from backward_search.data.source import Source
from backward_search.data.tables import Samples, key_of, with_class
from backward_search.errors import DataError
from backward_search.readers.cub.images import ARCHIVE, HOME, REMEDY, bring_images, check_images
from backward_search.readers.cub.lists import ATTRIBUTES, CLASSES, IMAGES, Raw, locate, read_numbered, read_presence
from backward_search.storage.naming import leads_out
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
TEST_SIZE, SPLIT_SEED = 0.3, 42
MAX_SHARE = 0.1849
"""An attribute that this share of the images has, or a larger one, tells too little to be a tag."""


def source(paths: DataPaths, *, as_published: bool = False, opening: Opening = USUAL) -> Source:
    """The data set as `stages.prepare` takes it.

    Args:
        paths: where it lies.
        as_published: give each image the attributes of the next one, as the published tables do.
        opening: how the photographs are opened.

    Raises:
        MissingError: the raw files are not there.
    """
    raw = locate(paths)
    files: dict[int, Path] = {}

    def read(findings: Findings) -> Samples:
        samples = read_samples(paths, raw, as_published, findings)
        files.update(check_images(paths, [key_of(path) for path in samples.paths], opening, findings))
        return dataclasses.replace(samples, missing=frozenset(range(len(samples.paths))) - files.keys())

    def make_images(samples: Samples, _findings: Findings) -> set[int]:
        bring_images(paths, files)
        return set(samples.missing)

    return Source(
        entry=ENTRY,
        settings={"as_published": as_published, "split_seed": SPLIT_SEED, "max_share": MAX_SHARE, **opening.unusual},
        inputs={file.name: file for file in (raw.images, raw.attributes, raw.labels)},
        read=read,
        make_images=make_images,
        looks=True,
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
    findings.expect("classes listed", CLASSES, len(set(labels)))
    findings.expect("attributes", ATTRIBUTES, len(attributes))
    splits = split(labels)
    pairs = [with_class(*pair) for pair in zip(rare_tags(present, attributes), labels, strict=True)]
    return Samples(
        paths=[f"./data/{paths.name}/images/{name}" for name in names],
        labels={"birds": labels},
        splits=splits,
        tags=[tags for tags, _ in pairs],
        query_tags=[query_tags for _, query_tags in pairs],
    )


def _label(name: str, file: Path) -> str:
    """The class of an image: its folder, number included."""
    folder, _, rest = name.partition("/")
    if not folder or not rest or "/" in rest or leads_out(name):
        raise DataError(f"{file} lists {name!r}, expected <class>/<file>: {REMEDY}")
    return folder


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
