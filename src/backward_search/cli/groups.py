"""The options that several scripts share, in groups: where data lie, which data set, which run, where it works."""

import os
from dataclasses import dataclass
from typing import Protocol

from backward_search.cli.definition import not_negative, option, positive, require
from backward_search.data import registry
from backward_search.data.opening import MAX_PIXELS
from backward_search.data.registry import DatasetEntry
from backward_search.runs.names import MNAME
from backward_search.storage.paths import DataPaths
from backward_search.training.recipe import RECIPES

SPLITS = ("train", "test")
PRECISIONS = ("auto", "fp32", "tf32", "bf16")


class NamesDataset(Protocol):
    """Options that name a data set."""

    @property
    def data_root(self) -> str:
        """Where data sets lie."""

    @property
    def dataset_name(self) -> str:
        """The data set."""

    @property
    def entry(self) -> DatasetEntry:
        """Its registry entry."""


class NamesAttributes(NamesDataset, Protocol):
    """Options that name a category type too."""

    @property
    def category_type(self) -> str:
        """Which attributes."""


@dataclass(frozen=True)
class PlaceOptions:
    """Where data lie, and whether results may be replaced."""

    data_root: str = option("folder of the data sets", "data", place=True)
    overwrite: bool = option("replace results of other settings", False, usual=True)


@dataclass(frozen=True)
class DatasetOptions:
    """Which data set."""

    dataset_name: str = option("the data set: CUB, APY, wikiart, glyphs, or one of your own", usual=True)
    seed: int = option("seed of everything random", 0)

    @property
    def entry(self: NamesDataset) -> DatasetEntry:
        """The data set's registry entry."""
        return registry.find(self.dataset_name, self.data_root)

    @property
    def data(self: NamesDataset) -> DataPaths:
        """The data set's files."""
        return DataPaths.of(self.data_root, self.dataset_name)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        require(0 <= self.seed < 2**32, f"--seed {self.seed} must lie between 0 and 2^32")


@dataclass(frozen=True)
class WeightOptions:
    """Where trained models lie."""

    weight_root: str = option("folder of the trained models", "weight", place=True)


@dataclass(frozen=True)
class PictureOptions:
    """Where pictures go."""

    result_root: str = option("folder of the pictures", "result", place=True)


@dataclass(frozen=True)
class OutsideOptions:
    """What a folder or a table of the user's own may lead to."""

    allow_outside: bool = option(
        "take images that paths or links lead to outside of the folder of what lists them", False
    )


@dataclass(frozen=True)
class OpeningOptions:
    """Which pictures are opened."""

    max_pixels: int = option("most pixels of a picture; larger ones are refused", MAX_PIXELS)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        positive(self, "max_pixels")


@dataclass(frozen=True)
class ProtocolOptions:
    """By which rules is judged."""

    protocol: str = option(
        "paper, or strict: no condition that the query meets, the query's image no hit, no label among the tags",
        "paper",
        choices=("paper", "strict"),
    )


@dataclass(frozen=True)
class DeviceOptions:
    """Where the networks run."""

    device: str = option("auto (CUDA where there is one), cpu, cuda, cuda:1, ...", "auto", usual=True)


@dataclass(frozen=True)
class ModelOptions:
    """What models are called, and what works on them."""

    mname: str = option("first part of a run's name", MNAME)
    n_workers: int = option("processes that decode images (default: number of cores)", os.cpu_count() or 1)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        not_negative(self, "n_workers")


@dataclass(frozen=True)
class RunOptions:
    """Which trained model of a data set."""

    category_type: str = option("which attributes are trained", of_dataset="default_category_type", usual=True)
    encoder_model: str = option(
        "the encoder: a torchvision name, efficientnet_lite0 (extra lite), timm:NAME, or embeddings",
        of_dataset="encoder_model",
        usual=True,
    )
    encoding_size: int = option(
        "size E of the embedding; 0 for the encoder's features as they are, without a projection",
        of_dataset="encoding_size",
    )
    num_epoch: int = option("training epochs", of_dataset="num_epoch", usual=True)
    recipe: str = option(
        "how the model is trained: paper or modern", of_dataset="recipe", choices=tuple(RECIPES), usual=True
    )
    enc_update: bool = option("train the encoder too (False: projection and heads alone)", True)

    @property
    def attributes(self: NamesAttributes) -> tuple[str, ...]:
        """The attributes the run is trained on."""
        return self.entry.attributes_of(self.category_type)

    def check(self: NamesAttributes) -> None:
        """Refuse values that cannot be meant."""
        self.entry.attributes_of(self.category_type)
        positive(self, "num_epoch")
        not_negative(self, "encoding_size")


@dataclass(frozen=True)
class NetworkOptions:
    """How images go through the network."""

    precision: str = option(
        "fp32, tf32 (shorter factors in products of matrices), bf16 in the encoder, or auto: bf16 on CUDA, but fp32 to "
        "train as in the paper",
        "auto",
    )
    compile: bool = option("let torch.compile make the network faster; the first steps take a minute", False)
    skip_unreadable: bool = option("leave images that cannot be read out, and list them", False)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        require(self.precision in PRECISIONS, f"--precision {self.precision} is not one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class SplitOptions:
    """Among which images."""

    split: str = option("the split of queries and gallery", "test", choices=SPLITS)
