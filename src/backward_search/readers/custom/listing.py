"""What a source of the user's own images lists: rows of text about images, and the images, whatever they come as."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from backward_search.readers.custom.missing import MISSING
from backward_search.readers.custom.vectors import ListedVectors
from backward_search.readers.outside import is_there

Content = Path | bytes | np.ndarray
"""An image on its way in: its file, its encoded bytes, or its pixels (H, W) or (H, W, 3) uint8."""


@dataclass(frozen=True)
class Roles:
    """Which column says what; those with a default may be absent.

    Attributes:
        path: paths of images.
        image: bytes of images, instead of paths.
        labels: the attributes; empty for all columns without another role, "auto" alone for those that look like it.
        tags: comma-separated tags.
        split: train, test or val.
        group: what an image shows, where several show the same thing.
        captions: a text about each image.
    """

    path: str = "path"
    image: str = ""
    labels: tuple[str, ...] = ()
    tags: str = "tags"
    split: str = "split"
    group: str = ""
    captions: str = "caption"


@dataclass(frozen=True)
class Reading:
    """How a source is read.

    Attributes:
        path_template: the path of each row's image, with columns in braces, such as `images/{id}.jpg`; empty where a
            column has the paths.
        encoding: of a table of text; empty for what its byte order mark says, else UTF-8.
        skip_malformed: leave out lines with too many fields.
        missing_words: what stands for nothing, beside the empty cell.
        label_levels: the attributes that levels of folders name; none for the first level alone, called `label`.
        vectors: the file, or folder, of vectors that stand beside a table in its order; empty for none.
        vector_column: the column of vectors, "-" for none; empty for the only one, where no images stand beside it.
        key_column: the column that names each row of vectors; empty for its path, else its number.
        allow_outside: whether images may lie outside of the source's folder; it changes nothing of what is made.
    """

    path_template: str = ""
    encoding: str = ""
    skip_malformed: bool = False
    missing_words: tuple[str, ...] = MISSING
    label_levels: tuple[str, ...] = ()
    vectors: str = ""
    vector_column: str = ""
    key_column: str = ""
    allow_outside: bool = False

    def unusual(self) -> dict[str, Any]:
        """The settings that are not as usual, of those on which the tables depend."""
        usual = vars(Reading(allow_outside=self.allow_outside))
        return {name: value for name, value in vars(self).items() if value != usual[name]}


class ListedImages(Protocol):
    """The images of a listing."""

    def contents(self, rows: Sequence[int]) -> Iterator[Content]:
        """The images of some rows in ascending order, one after the other."""
        ...


@dataclass(frozen=True)
class Files:
    """Images in files.

    Attributes:
        paths: the file of each row.
        sizes: its bytes; -1 where there is none.
    """

    paths: list[Path]
    sizes: list[int]

    @classmethod
    def of(cls, paths: list[Path]) -> "Files":
        """The files at these places."""
        return cls(paths, [path.stat().st_size if is_there(path) else -1 for path in paths])

    def contents(self, rows: Sequence[int]) -> Iterator[Content]:
        """The files of some rows."""
        return (self.paths[row] for row in rows)


@dataclass(frozen=True)
class Pixels:
    """Images in one array.

    Attributes:
        array: (N, H, W) or (N, H, W, 3) uint8.
    """

    array: np.ndarray

    def contents(self, rows: Sequence[int]) -> Iterator[Content]:
        """The pixels of some rows."""
        return (self.array[row] for row in rows)


@dataclass(frozen=True)
class Listing:
    """What a source lists, row by row.

    Attributes:
        form: what the source was recognised as, for people.
        columns: everything that is said about the images, as text; empty text where nothing is said.
        names: what a report calls each row.
        keys: of the images to be, `<folder>/<file>`, each once.
        rows: which image of `images`, and which of `vectors`, belongs to each row.
        images: all images of the source; None for vectors without images.
        inputs: the files that hold the list.
        left_out: for each reason the rows that are not in the list.
        repaired: for each repair the rows that are, though not as they were found.
        facts: what else was noticed, for people.
        vectors: what stands for the images, row for row with them; None where the images do.
        guessed: by attribute the rows of `vectors` whose label is a guess.
    """

    form: str
    columns: pd.DataFrame
    names: list[str]
    keys: list[str]
    rows: Sequence[int]
    images: ListedImages | None
    inputs: dict[str, Path] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    repaired: dict[str, list[str]] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    vectors: ListedVectors | None = None
    guessed: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def take(self, places: Sequence[int]) -> "Listing":
        """Some of the rows, in the order given."""
        return dataclasses.replace(
            self,
            columns=self.columns.iloc[list(places)].reset_index(drop=True),
            names=[self.names[place] for place in places],
            keys=[self.keys[place] for place in places],
            rows=[self.rows[place] for place in places],
        )
