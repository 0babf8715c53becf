"""The options of A0."""

from dataclasses import dataclass

from backward_search.cli import groups
from backward_search.cli.definition import not_negative, option


@dataclass(frozen=True)
class ImportOptions(groups.WeightOptions, groups.PlaceOptions):
    """Which of the authors' files are imported."""

    source: str = option(
        "the folder of what the authors published; those below it are searched too", place=True, usual=True
    )
    epoch: int = option("the epoch whose weights are taken where a run has several (0: the last)", 0, usual=True)

    @property
    def about(self) -> str:
        """What is about to be done."""
        return f"Import the published runs below {self.source} into {self.weight_root}"

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        not_negative(self, "epoch")
