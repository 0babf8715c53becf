"""The options of P1."""

import re
from dataclasses import dataclass
from pathlib import Path

from backward_search.cli import groups
from backward_search.cli.definition import option
from backward_search.cli.prepare import BackgroundOptions, OwnDataOptions, PreparingOptions, words_of
from backward_search.storage.naming import storable


@dataclass(frozen=True)
class PhotoOptions(
    groups.WeightOptions,
    groups.PictureOptions,
    groups.DeviceOptions,
    OwnDataOptions,
    groups.OutsideOptions,
    BackgroundOptions,
    groups.OpeningOptions,
    PreparingOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """Those of A1 for the user's own images, all but the source with a default, and what is done in the end."""

    dataset_name: str = option("what the data set is called from now on (default: as the source)", "", usual=True)
    label_columns: str = option("the label columns, comma-separated (default: those that look so)", "auto", usual=True)
    encoder_model: str = option("the encoder (default: the best that is installed)", "", usual=True)
    explore: bool = option("open the explorer in the end, where it is installed", True, usual=True)
    port: int = option("the port that the explorer listens at", 7860, usual=True)

    @property
    def about(self) -> str:
        """What is about to be done."""
        goal = "look them through" if self.check_only else "from the tables to the explorer, in seven steps"
        return f"Search your own images or vectors in {self.source}, as the data set {self.name}: {goal}"

    @property
    def labels(self) -> tuple[str, ...]:
        """The label columns; levels of folders that have names are all meant."""
        return () if self.label_levels and self.label_columns == "auto" else words_of(self.label_columns)

    @property
    def name(self) -> str:
        """The name of the data set: that of the source, in letters that can name a folder, unless it is given."""
        source = Path(self.source).expanduser().absolute()
        stem = source.name if source.is_dir() else source.stem
        usual = ("labels", "metadata", "train", "data", "styles", "items", "index", "images")
        stem = source.parent.name if stem.lower() in usual else stem
        return self.dataset_name or storable(re.sub(r"[^\w-]+", "_", stem).strip("_") or "photos")
