"""The options of F1."""

from dataclasses import dataclass

from backward_search.cli import answering_groups, groups
from backward_search.cli.definition import option, positive, require


@dataclass(frozen=True)
class ExploreOptions(
    groups.WeightOptions,
    groups.PictureOptions,
    groups.OpeningOptions,
    groups.DeviceOptions,
    answering_groups.EngineChoice,
    groups.PlaceOptions,
):
    """Where the explorer listens, what it may take, and what finds the hits of every run."""

    host: str = option("the address it listens at; others than this machine can reach 0.0.0.0", "127.0.0.1")
    port: int = option("the port it listens at", 7860)
    hits: int = option("hits that are shown", 12)
    upload_mb: int = option("the largest image file that is taken, in megabytes", 20)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        require(0 < self.port < 2**16, f"--port {self.port} must lie between 1 and 65535")
        positive(self, "hits", "upload_mb")
