"""The options of C1."""

from dataclasses import dataclass

from backward_search.cli import about, groups
from backward_search.cli.definition import option, positive, require


@dataclass(frozen=True)
class EmbedOptions(
    groups.NetworkOptions,
    groups.RunOptions,
    groups.ModelOptions,
    groups.WeightOptions,
    groups.OpeningOptions,
    groups.DeviceOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """Which images are embedded, and how."""

    batch_size: int = option("images at once, in each process", 256, usual=True)
    split: str = option("which splits, comma-separated", "train,test", usual=True)
    image_folder: str = option("embed the images below this folder instead", "", place=True, usual=True)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits to embed."""
        return tuple(self.split.split(","))

    @property
    def about(self) -> str:
        """What is about to be done."""
        where = about.on_device(self.device)
        if self.image_folder:
            return f"Embed the images below {self.image_folder} by the model of {self.dataset_name}, {where}"
        splits = f"{about.several(self.splits)} split{'s' * (len(self.splits) > 1)}"
        count = about.images(self.data, self.splits, "images")
        return f"Embed {self.dataset_name}, {splits}: {about.listed(count, where)}"

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        positive(self, "batch_size")
        for name in self.splits:
            require(name in groups.SPLITS, f"--split {name} does not exist: train, test, or train,test")
