"""aPascal and aYahoo (aPY): objects cut out of photographs, each with a category and some of 64 attributes."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np

from backward_search.data.download import Download
from backward_search.data.opening import USUAL, Opening
from backward_search.data.registry import DatasetEntry, EmptyTags, Preprocessing
from backward_search.data.report import Findings
from backward_search.data.source import Source
from backward_search.data.tables import Samples, with_class
from backward_search.images.writing import ImageJob, make_images
from backward_search.readers.apy.images import CROPS, plan
from backward_search.readers.apy.lists import OBJECTS, YAHOO, Objects, locate, read_attributes, read_objects
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


def source(paths: DataPaths, *, with_yahoo: bool = False, workers: int = 1, opening: Opening = USUAL) -> Source:
    """The data set as `stages.prepare` takes it.

    Args:
        paths: where it lies.
        with_yahoo: take the objects of aYahoo into the test split.
        workers: number of processes that cut images.
        opening: how the photographs are opened.

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
        found, missing = plan(paths, list(objects.values()), opening, findings)
        jobs.extend(found)
        return dataclasses.replace(samples(paths, objects, attributes), missing=frozenset(missing))

    return Source(
        entry=ENTRY,
        settings={"with_yahoo": with_yahoo, **opening.unusual},
        inputs=inputs,
        read=read,
        make_images=lambda found, findings: set(found.missing) | make_images(jobs, findings, workers),
    )


def _expect(objects: Mapping[str, Objects], attributes: Sequence[str], findings: Findings) -> None:
    for name, part in objects.items():
        findings.expect(f"objects in {name}", OBJECTS[name], len(part.labels))
    classes = {label for part in objects.values() for label in part.labels}
    findings.expect("classes listed", CLASSES + YAHOO_CLASSES * (YAHOO in objects), len(classes))
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
    pairs = [with_class(some, label) for some, label in zip(tags, labels, strict=True)]
    train = len(objects["apascal_train.txt"].labels)
    return Samples(
        paths=[f"./data/{paths.name}/{CROPS}/{crop}" for crop in crops],
        labels={"category": labels},
        splits={"train": np.arange(train), "test": np.arange(train, len(labels))},
        tags=[tags for tags, _ in pairs],
        query_tags=[query_tags for _, query_tags in pairs],
    )
