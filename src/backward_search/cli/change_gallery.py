"""The options of C3."""

from dataclasses import dataclass

from backward_search.cli import about, groups
from backward_search.cli.definition import option, positive, require


@dataclass(frozen=True)
class ChangeOptions(
    groups.RunOptions,
    groups.ModelOptions,
    groups.WeightOptions,
    groups.OpeningOptions,
    groups.OutsideOptions,
    groups.DeviceOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """Which images come to a gallery and which leave it."""

    add: str = option("a folder of images, or a text file of one image path per line", "", place=True, usual=True)
    vectors: str = option("of a run on vectors: a .npy of one for each line of --add, which names it", "", place=True)
    remove: str = option("a text file of one key (<folder>/<file>) per line", "", place=True, usual=True)
    split: str = option("the split whose images the gallery began with", "test", choices=groups.SPLITS, usual=True)
    batch_size: int = option("images embedded at once", 256)

    @property
    def about(self) -> str:
        """What is about to be done."""
        both = [f"add what {self.add} names"] * bool(self.add) + [f"remove what {self.remove} names"] * bool(
            self.remove
        )
        return f"Change the gallery of {self.dataset_name} ({self.split}): {about.several(both)}"

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        require(not self.vectors or bool(self.add), "--vectors come with --add, a text file of a name for each")
        require(bool(self.add or self.remove), "nothing to do: pass --add, --remove, or both")
        positive(self, "batch_size")
