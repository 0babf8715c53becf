"""The form in which a data set's reader offers itself to preprocessing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backward_search.data.registry import DatasetEntry
from backward_search.data.report import Findings
from backward_search.data.tables import Samples


@dataclass(frozen=True)
class Source:
    """One data set as its reader offers it to the stage.

    Attributes:
        entry: its registry entry.
        settings: JSON-ready options on which the tables depend.
        inputs: the raw text files on which the tables depend, by a name for each.
        read: reads the raw files and returns the rows; what it drops or repairs goes into the findings.
        make_images: makes the images of the rows that do not exist yet and returns the rows that have none after that.
        looks: whether `read` looks into the images.
        make_more: makes what else belongs to the rows that remain, such as their vectors.
        more: the files of that, by a name for each.
    """

    entry: DatasetEntry
    settings: dict[str, Any]
    inputs: dict[str, Path]
    read: Callable[[Findings], Samples]
    make_images: Callable[[Samples, Findings], set[int]]
    looks: bool = False
    make_more: Callable[[Samples], None] | None = None
    more: dict[str, Path] = field(default_factory=dict)
