"""Tables, class lists and tags of a data set: the one form that readers bring their data into and stages start from."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from backward_search.data.registry import DatasetEntry
from backward_search.errors import DataError
from backward_search.storage.atomic import write_csv, write_json
from backward_search.storage.paths import DataPaths

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Samples:
    """What a reader makes of a raw data set: one row per image.

    Attributes:
        paths: the path column, such as `./data/CUB/images/<folder>/<file>`; its last two parts are the image's key.
        labels: for each attribute the label of every image.
        splits: for each split the rows in the order in which the table shall hold them.
        tags: per image its tags, comma-separated, none of them empty; None for a data set without tags.
        query_tags: per image the string that query generation compares and stores, where it differs from `tags`.
        groups: per image the thing it shows, where several images show the same thing.
        captions: per image a text that describes it; None for a data set without captions.
        missing: the rows of which it is known already that there is no image.
        further_classes: for an attribute the classes that are known beside those of its labels.
    """

    paths: Sequence[str]
    labels: Mapping[str, Sequence[str]]
    splits: Mapping[str, Sequence[int] | np.ndarray]
    tags: Sequence[str] | None = None
    query_tags: Sequence[str] | None = None
    groups: Sequence[str] | None = None
    captions: Sequence[str] | None = None
    missing: frozenset[int] = frozenset()
    further_classes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def classes(self) -> dict[str, list[str]]:
        """For each attribute its classes, sorted: the labels of the images in the splits, and those known beside."""
        rows = [row for part in self.splits.values() for row in np.asarray(part).tolist()]
        further = self.further_classes
        return {
            attribute: sorted({*(labels[row] for row in rows), *further.get(attribute, ())})
            for attribute, labels in self.labels.items()
        }


@dataclass(frozen=True)
class Table:
    """One split of a data set, in file order.

    Attributes:
        entry: the data set's registry entry.
        split: "train" or "test".
        paths: the path column.
        ids: for each attribute the class ids, (N,) int64 in 0..K-1.
        classes: for each attribute the sorted labels; an id is an index into them.
    """

    entry: DatasetEntry
    split: str
    paths: list[str]
    ids: dict[str, np.ndarray]
    classes: dict[str, list[str]]

    def __len__(self) -> int:
        """The number of images."""
        return len(self.paths)

    @property
    def keys(self) -> list[str]:
        """`<folder>/<file>` of every image."""
        return [key_of(path) for path in self.paths]

    def without(self, rows: Collection[int]) -> "Table":
        """The table without some of its rows."""
        kept = [row for row in range(len(self)) if row not in rows]
        ids = {name: values[kept] for name, values in self.ids.items()}
        return dataclasses.replace(self, paths=[self.paths[row] for row in kept], ids=ids)

    def labels(self, attribute: str) -> list[str]:
        """The label of every image."""
        names = self.classes[attribute]
        return [names[index] for index in self.ids[attribute].tolist()]


@dataclass(frozen=True)
class Tags:
    """The tag table, by key.

    Attributes:
        tags: comma-separated tags of each image, as the metrics use them; empty where a data set has none.
        query_tags: the string that query generation compares and stores.
        groups: the thing each image shows; empty where the data set does not say.
        captions: what a text says of each image; empty where there are none.
    """

    tags: dict[str, str]
    query_tags: dict[str, str]
    groups: dict[str, str]
    captions: dict[str, str] = field(default_factory=dict)


def key_of(path: str) -> str:
    """The key of an image: the last two parts of its path.

    >>> key_of("./data/CUB/images/001.Albatross/a.jpg")
    '001.Albatross/a.jpg'
    """
    return "/".join(path.replace("\\", "/").rsplit("/", 2)[-2:])


def with_class(tags: str, label: str) -> tuple[str, str]:
    """The tags of an image of CUB or aPY, whose class is its last: those the metrics use, and those for the queries.

    Args:
        tags: comma-separated.
        label: of the class.

    >>> with_class("Ear,Vert Cyl", "cat"), with_class("", "005.Auk")
    (('Ear,Vert Cyl,cat', 'Ear,Vert Cyl,cat'), ('005.Auk', ',005.Auk'))
    """
    text = f"{tags},{label}"
    return ",".join(tag for tag in text.split(",") if tag), text


def write_tables(paths: DataPaths, samples: Samples) -> list[Path]:
    """Write tables, class list and tag table of a data set.

    Args:
        paths: where they go.
        samples: what the reader found.

    Returns:
        The files written.

    Raises:
        DataError: two images share a key.
    """
    keys = [key_of(path) for path in samples.paths]
    if len(set(keys)) < len(keys):
        twice = next(key for key, count in pd.Series(keys).value_counts().items() if count > 1)
        raise DataError(f"two images of {paths.name} share the name {twice}: folder and file together must be unique")
    classes = samples.classes()
    number = {attribute: {label: i for i, label in enumerate(names)} for attribute, names in classes.items()}
    written = [write_json(paths.classes, classes)]
    for split, rows in samples.splits.items():
        table = (
            (samples.paths[row], *(number[name][labels[row]] for name, labels in samples.labels.items()))
            for row in rows
        )
        written.append(write_csv(paths.table(split), ("path", *samples.labels), table))
    columns: dict[str, Sequence[str]] = {"key": keys}
    if samples.tags is not None:
        columns |= {"tags": samples.tags, "query_tags": samples.query_tags or samples.tags}
    if samples.groups is not None:
        columns["group"] = samples.groups
    if samples.captions is not None:
        columns["caption"] = samples.captions
    written.append(write_csv(paths.tags, tuple(columns), zip(*columns.values(), strict=True)))
    return written
