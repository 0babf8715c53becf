"""What an option is: one field of a dataclass, defined once, with its type, default and help."""

import math
import os
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field
from typing import Any

from backward_search.data import registry
from backward_search.data.registry import DatasetEntry
from backward_search.errors import OptionError
from backward_search.storage.paths import DataPaths


def option(
    help: str,
    default: Any = MISSING,
    *,
    of_dataset: str | None = None,
    choices: Sequence[str] = (),
    list_goes_to: str | None = None,
) -> Any:
    """Define one option.

    Args:
        help: what it does, with its unit.
        default: its default; left out, the option is required or `of_dataset`.
        of_dataset: the attribute of the data set's registry entry that serves as default.
        choices: the values it admits.
        list_goes_to: the option that a comma-separated list of values is meant for, where this one takes a single one.
    """
    metadata = {"help": help, "of_dataset": of_dataset, "choices": choices, "list_goes_to": list_goes_to}
    return field(default=default, kw_only=True, metadata=metadata)


@dataclass(frozen=True)
class Options:
    """Where data lie, and whether results may be replaced."""

    data_root: str = option("folder of the data sets", "data")
    overwrite: bool = option("replace results of other settings", False)

    def check(self) -> None:
        """Refuse values that cannot be meant, before anything is loaded.

        Raises:
            OptionError: there is such a value.
        """
        for name, value in vars(self).items():
            require(not isinstance(value, float) or math.isfinite(value), f"--{name} {value} is not a finite number")


@dataclass(frozen=True)
class WeightOptions(Options):
    """Where trained models lie."""

    weight_root: str = option("folder of the trained models", "weight")


@dataclass(frozen=True)
class PictureOptions(Options):
    """Where pictures go."""

    result_root: str = option("folder of the pictures", "result")


@dataclass(frozen=True)
class ProtocolOptions(Options):
    """By which rules is judged."""

    protocol: str = option(
        "paper, or strict: no condition that the query meets, the query's image no hit, no label among the tags",
        "paper",
        choices=("paper", "strict"),
    )


@dataclass(frozen=True)
class DeviceOptions(Options):
    """Where the networks run."""

    device: str = option("auto (CUDA where there is one), cpu, cuda, cuda:1, ...", "auto")


@dataclass(frozen=True)
class ModelOptions(WeightOptions, DeviceOptions):
    """What models are called, and what works on them."""

    mname: str = option("first part of a run's name", "CIR_Model")
    encoding_size: int = option("size E of the embedding", 256)
    n_workers: int = option("processes that decode images (default: number of cores)", os.cpu_count() or 1)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.encoding_size > 0, f"--encoding_size {self.encoding_size} must be positive")
        require(self.n_workers >= 0, f"--n_workers {self.n_workers} must not be negative")


@dataclass(frozen=True)
class DatasetOptions(Options):
    """Which data set."""

    dataset_name: str = option("the data set: CUB, APY, wikiart, glyphs, or the name of one of your own")
    seed: int = option("seed of everything random", 0)

    @property
    def entry(self) -> DatasetEntry:
        """The data set's registry entry."""
        return registry.find(self.dataset_name, self.data_root)

    @property
    def data(self) -> DataPaths:
        """The data set's files."""
        return DataPaths.of(self.data_root, self.dataset_name)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(0 <= self.seed < 2**32, f"--seed {self.seed} must lie between 0 and 2^32")


def conditioned_attributes(attributes: tuple[str, ...], num_condition: int, condition_on: str) -> tuple[str, ...]:
    """The attributes that are conditioned on: the first `num_condition`, or those named in `condition_on`.

    Raises:
        OptionError: there are not so many, or one of the named is not among `attributes`.
    """
    if condition_on:
        names = tuple(condition_on.split(","))
        unknown = [name for name in names if name not in attributes]
        require(
            not unknown, f"--condition_on {condition_on}: {', '.join(unknown)} is not among {', '.join(attributes)}"
        )
        require(len(set(names)) == len(names), f"--condition_on {condition_on} names an attribute twice")
        return names
    require(
        1 <= num_condition <= len(attributes),
        f"--num_condition {num_condition} is not possible: the category type has {len(attributes)} "
        f"({', '.join(attributes)})",
    )
    return attributes[:num_condition]


def number(name: str, text: str) -> float:
    """Read a number of 0 or more out of an option's text.

    Raises:
        OptionError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    require(math.isfinite(value) and value >= 0, f"{name} {text} is not a number of 0 or more")
    return value


def require(holds: bool, message: str) -> None:
    """Raise an `OptionError` with this message unless the condition holds."""
    if not holds:
        raise OptionError(message)
