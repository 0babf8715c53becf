"""The options of A0, A1 and A2: data sets, queries, and what the authors published."""

import os
from dataclasses import dataclass

from backward_search.cli.definition import (
    DatasetOptions,
    ProtocolOptions,
    WeightOptions,
    conditioned_attributes,
    option,
    require,
)


@dataclass(frozen=True)
class ImportOptions(WeightOptions):
    """Which of the authors' files are imported."""

    source: str = option("the folder of what the authors published; those below it are searched too")
    epoch: int = option("the epoch whose weights are taken where a run has several (0: the last)", 0)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.epoch >= 0, f"--epoch {self.epoch} must not be negative")


@dataclass(frozen=True)
class PrepareOptions(DatasetOptions):
    """How a data set is prepared; each A1 script names its data set itself."""

    check_only: bool = option("report on the raw data and write nothing but the report", False)
    n_workers: int = option("processes that write images (default: number of cores)", os.cpu_count() or 1)


@dataclass(frozen=True)
class DownloadOptions(PrepareOptions):
    """How a data set is prepared that its owners publish."""

    download: bool = option("fetch first what the data set's owners publish", False)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(
            not (self.download and self.check_only),
            "--check_only writes nothing but its report: leave --download out, or it",
        )


@dataclass(frozen=True)
class CubOptions(DownloadOptions):
    """How CUB is prepared."""

    as_published: bool = option("give each image its neighbour's tags, as the published tables do (11,787 rows)", False)


@dataclass(frozen=True)
class ApyOptions(DownloadOptions):
    """How aPY is prepared."""

    with_yahoo: bool = option("take the twelve aYahoo classes in (not part of the paper's experiment)", False)


@dataclass(frozen=True)
class CustomOptions(PrepareOptions):
    """How the user's own images are prepared."""

    source: str = option("a folder of one folder per class, a .csv, a .parquet or an .npz file")
    path_column: str = option("the column of the image paths", "path")
    image_column: str = option("the column of the image bytes (Parquet), instead of paths", "")
    label_columns: str = option("the label columns, comma-separated (default: all that have no other role)", "")
    tags_column: str = option("the column of comma-separated tags", "tags")
    split_column: str = option("the column that says train or test", "split")
    group_column: str = option("images of one group stay on one side of the split", "")
    test_size: float = option("share of the images that become the test split", 0.2)
    image_size: int = option("side of the network's input in pixels", 224)
    augment: bool = option("random crops and flips in training", True)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(0 < self.test_size < 1, f"--test_size {self.test_size} must lie between 0 and 1")
        require(self.image_size > 0, f"--image_size {self.image_size} must be positive")
        require(
            not self.image_column or self.source.lower().endswith(".parquet"),
            f"--image_column {self.image_column} is for a .parquet file, and --source is {self.source}",
        )


@dataclass(frozen=True)
class QueryOptions(ProtocolOptions, DatasetOptions):
    """Which queries are drawn; all data sets that are prepared, and all tasks, unless named."""

    category_type: str = option("which attributes", of_dataset="default_category_type")
    condition_on: str = option("condition on these attributes, comma-separated (default: every prefix)", "")
    num_queries: int = option("queries of a task", 1000)
    split: str = option("the split the queries and their candidates come from", "test", choices=("train", "test"))

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        attributes = self.entry.attributes_of(self.category_type)
        conditioned_attributes(attributes, 1, self.condition_on)
        require(self.num_queries > 0, f"--num_queries {self.num_queries} must be positive")
