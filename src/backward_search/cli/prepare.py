"""The options of A1, of each data set."""

import os
from dataclasses import dataclass
from typing import Protocol

from backward_search.cli import groups
from backward_search.cli.definition import option, positive, require
from backward_search.data.opening import Opening
from backward_search.readers.custom.missing import MISSING
from backward_search.storage.paths import DataPaths


class NamesFolder(Protocol):
    """Options that name a data set and say whether it is prepared."""

    @property
    def dataset_name(self) -> str:
        """The data set."""

    @property
    def data(self) -> DataPaths:
        """Where it goes."""

    @property
    def check_only(self) -> bool:
        """Whether nothing but the report is written."""


@dataclass(frozen=True)
class PreparingOptions:
    """How a data set is prepared."""

    check_only: bool = option("report on the raw data and write nothing but the report", False, usual=True)
    n_workers: int = option("processes that write images (default: number of cores)", os.cpu_count() or 1)

    @property
    def about(self: NamesFolder) -> str:
        """What is about to be done."""
        if self.check_only:
            return f"Look the raw data of {self.dataset_name} through; nothing is prepared"
        return f"Prepare {self.dataset_name} in {self.data.folder}: images, tables, classes and tags"


class OpensPictures(Protocol):
    """Options that say how pictures are opened."""

    @property
    def background(self) -> str:
        """The colour behind transparent ones."""

    @property
    def max_pixels(self) -> int:
        """The most pixels of one."""

    @property
    def opening(self) -> Opening:
        """The same for what opens them."""


@dataclass(frozen=True)
class BackgroundOptions:
    """How the owners' pictures are opened."""

    background: str = option("the colour behind transparent pictures, by its name or as #rrggbb", "white")

    @property
    def opening(self: OpensPictures) -> Opening:
        """The same for what opens them.

        Raises:
            OptionError: there is no such colour.
        """
        from PIL import ImageColor  # most commands open no picture

        try:
            colour = bytes(ImageColor.getrgb(self.background)).hex()
        except ValueError:
            colour = ""
        wanted = "pass one such as white or #f0f0f0"
        require(len(colour) == 6, f"--background {self.background} is no colour that covers: {wanted}")
        return Opening(f"#{colour}", self.max_pixels)

    def check(self: OpensPictures) -> None:
        """Refuse values that cannot be meant."""
        assert self.opening.background  # or it says why not


@dataclass(frozen=True)
class FetchingOptions:
    """Whether what its owners publish is fetched."""

    download: bool = option("fetch first what the data set's owners publish", False, usual=True)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        fetches_and_checks = self.download and getattr(self, "check_only", False)
        require(not fetches_and_checks, "--check_only writes nothing but its report: leave --download out, or it")


@dataclass(frozen=True)
class PrepareOptions(PreparingOptions, groups.DatasetOptions, groups.PlaceOptions):
    """Of glyphs; each A1 script names its data set itself."""


@dataclass(frozen=True)
class DownloadOptions(
    FetchingOptions,
    BackgroundOptions,
    groups.OpeningOptions,
    PreparingOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """Of WikiArt."""

    as_published: bool = option(
        'keep "other artist" and "other genre" as tags, and encode anew images that could be copied, unless they exist',
        False,
        usual=True,
    )


@dataclass(frozen=True)
class CubOptions(
    FetchingOptions,
    BackgroundOptions,
    groups.OpeningOptions,
    PreparingOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """Of CUB."""

    as_published: bool = option(
        "give each image its neighbour's tags, as the published tables do (11,787 rows)", False, usual=True
    )


@dataclass(frozen=True)
class ApyOptions(
    FetchingOptions,
    BackgroundOptions,
    groups.OpeningOptions,
    PreparingOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """Of aPY."""

    with_yahoo: bool = option(
        "take the twelve aYahoo classes in (not part of the paper's experiment)", False, usual=True
    )


@dataclass(frozen=True)
class OwnDataOptions:
    """Where the user's own images or vectors are, and what is said of them."""

    source: str = option(
        "a folder of one folder per class, of Parquet files or of clip-retrieval; a .csv, .parquet, .arrow, .npz",
        place=True,
        usual=True,
    )
    vectors: str = option(
        "vectors instead of images: a .npy with one for each row of --source, in its order", "", place=True, usual=True
    )
    vector_column: str = option("the column of vectors (Parquet, Arrow, an array of an .npz; - for none)", "")
    key_column: str = option("the column that names each vector (default: its path, else its number)", "")
    class_vectors: str = option(
        "vectors of classes, which label what has no label: style.npz, or style=FILE.npz, comma-separated", ""
    )
    thumbnails: bool = option("copy the images of vectors, where there are some, for figures and explorer", True)
    path_column: str = option("the column of the image paths", "path", usual=True)
    path_template: str = option("the paths made of columns instead, such as images/{id}.jpg", "")
    image_column: str = option("the column of the image bytes (Parquet), instead of paths", "")
    label_levels: str = option(
        "the attributes that levels of folders name, such as style,artist (- for none)", "", usual=True
    )
    label_columns: str = option(
        "the label columns, comma-separated; auto for those that look so (default: all that have no other role)",
        "",
        usual=True,
    )
    tags_column: str = option("the column of comma-separated tags", "tags")
    caption_column: str = option("the column of texts about the images", "caption")
    split_column: str = option("the column that says train or test", "split")
    group_column: str = option("images of one group stay on one side of the split", "")
    encoding: str = option("of a table of text (default: what its mark says, else UTF-8)", "")
    skip_malformed: bool = option("leave out lines of a table that have too many fields, and count them", False)
    missing_words: str = option("words that stand for nothing in a table, comma-separated", ",".join(MISSING))
    test_size: float = option("share of the images that become the test split", 0.2)
    image_size: int = option("side of the network's input in pixels", 224, usual=True)
    augment: bool = option("random crops and flips in training", True)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label columns."""
        return words_of(self.label_columns)

    @property
    def levels(self) -> tuple[str, ...]:
        """The attributes that levels of folders name."""
        return words_of(self.label_levels)

    @property
    def missing(self) -> tuple[str, ...]:
        """The words that stand for nothing."""
        return words_of(self.missing_words)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        require(0 < self.test_size < 1, f"--test_size {self.test_size} must lie between 0 and 1")
        positive(self, "image_size")
        require(
            not (self.vectors and self.vector_column), "--vectors and --vector_column name vectors: pass one of them"
        )
        tables = (".csv", ".tsv", ".txt", ".npz")
        require(
            not self.image_column or not self.source.lower().endswith(tables),
            f"--image_column {self.image_column} is for a .parquet file, and --source is {self.source}",
        )


@dataclass(frozen=True)
class CustomOptions(
    OwnDataOptions,
    groups.OutsideOptions,
    BackgroundOptions,
    groups.OpeningOptions,
    PreparingOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """Of the user's own images or vectors."""


def words_of(text: str) -> tuple[str, ...]:
    """The words of a comma-separated list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
