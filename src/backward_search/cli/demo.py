"""The options of the demo, `python -m backward_search demo`."""

from dataclasses import dataclass

from backward_search.cli import groups
from backward_search.cli.definition import option


@dataclass(frozen=True)
class DemoOptions(groups.WeightOptions, groups.PictureOptions, groups.DeviceOptions, groups.PlaceOptions):
    """How the demo runs."""

    quick: bool = option("train for two epochs only: everything is run, and the results are poor", False, usual=True)

    @property
    def about(self) -> str:
        """What is about to be done."""
        time = "" if self.quick else "; about four minutes on two cores that nothing else uses"
        return f"Run every stage on the demo data set, glyphs: from the images to a figure of the hits{time}"
