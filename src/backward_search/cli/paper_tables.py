"""The options of E3."""

from dataclasses import dataclass

from backward_search.cli import about, groups
from backward_search.cli.definition import a_file_or_truth, option, require
from backward_search.data import registry


@dataclass(frozen=True)
class PaperTableOptions(
    groups.ProtocolOptions, groups.ModelOptions, groups.WeightOptions, groups.DeviceOptions, groups.PlaceOptions
):
    """What the paper's tables are made of."""

    dataset_name: str = option("data sets, comma-separated (default: those of the paper, and glyphs)", "", usual=True)
    tables: str = option("which tables, comma-separated", "1,2,3,4,5,6", usual=True)
    train: bool = option(
        "make what is missing of the data sets that are prepared, and the demo's data", False, usual=True
    )
    pretrained: bool | str = option(
        "start their encoders, if they have such, from ImageNet weights (True), at random (False), or from this file",
        True,
        place=True,
        usual=True,
    )
    encoding_size: int | None = option("size E of the embedding (default: the data set's)", None)
    num_epoch: int | None = option("training epochs (default: the data set's)", None)
    recipe: str | None = option("how the models were trained (default: the data set's)", None)
    table_root: str = option("folder of the tables", "fig/tables", place=True)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that the tables speak of."""
        return tuple(self.dataset_name.split(",")) if self.dataset_name else ("CUB", "APY", "wikiart", "glyphs")

    @property
    def numbers(self) -> tuple[str, ...]:
        """The tables to make, in order."""
        return tuple(sorted(set(self.tables.split(","))))

    @property
    def about(self) -> str:
        """What is about to be done."""
        return f"Make the paper's tables {about.several(self.numbers)} of {about.several(self.datasets)}"

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        a_file_or_truth(self, "pretrained")
        for name in self.datasets:
            registry.find(name, self.data_root)
        require(set(self.numbers) <= set("123456"), f"--tables {self.tables} is not a list such as 1,4 of 1 to 6")
