"""The options of C4."""

from dataclasses import dataclass

from backward_search.cli import about, groups
from backward_search.cli.definition import option, positive, require
from backward_search.context.gathering import SOURCES

AUTO = "auto"


@dataclass(frozen=True)
class ContextOptions(
    groups.RunOptions,
    groups.ModelOptions,
    groups.WeightOptions,
    groups.OpeningOptions,
    groups.DeviceOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """How the context map is learnt."""

    learn_from: str = option(
        "what says what images share: tags, captions, groups, labels, images, comma-separated; or auto: all there are, "
        "labels where there is neither tag nor caption, the images themselves where nothing else speaks",
        AUTO,
        usual=True,
    )
    context_size: int = option("numbers of a context vector", 128)
    context_hidden: int = option("units of the map's hidden layer", 512)
    context_steps: int = option("steps of the optimiser, of up to 512 images each", 1500)
    views: int = option(
        "training images of which an augmented view is embedded too, where the images themselves have to say what "
        "belongs together",
        0,
    )

    @property
    def sources(self) -> tuple[str, ...]:
        """Those that are named; none for auto."""
        return () if self.learn_from == AUTO else tuple(self.learn_from.split(","))

    @property
    def about(self) -> str:
        """What is about to be done."""
        size = about.listed(about.images(self.data, ["train"], "training images"), about.on_device(self.device))
        return f"Learn a context map of {self.dataset_name}: {size}"

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        for source in self.sources:
            require(source in SOURCES, f"--learn_from {source}: expected auto, or some of {', '.join(SOURCES)}")
        positive(self, "context_size", "context_hidden", "context_steps")
        require(self.views >= 0, f"--views {self.views} must not be negative")
