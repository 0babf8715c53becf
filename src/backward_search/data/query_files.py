"""The query file of a task, as query generation writes it and as a bundle's queries become one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backward_search.storage.atomic import write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import DataPaths

SEEDS = {"python": 1234, "numpy": 777}
"""The published seeds, of Python's generator and of NumPy's legacy generator (docs/method.md, 4)."""


@dataclass(frozen=True)
class QueryFile:
    """Where the queries of one task go.

    Attributes:
        paths: of the data set.
        attributes: the conditioned attributes, in order.
        split: the split of queries and candidates.
        protocol: "paper" or "strict".
    """

    paths: DataPaths
    attributes: tuple[str, ...]
    split: str = "test"
    protocol: str = "paper"

    def stage(self, count: int) -> Stage:
        """The drawing of `count` queries, as a unit of work."""
        paths = self.paths
        place = paths.queries(self.attributes, self.split, strict=self.protocol == "strict")
        return Stage(
            "A2",
            paths.manifest(place.stem),
            {"num_queries": count, "protocol": self.protocol},
            {"table": paths.table(self.split), "tags": paths.tags, "classes": paths.classes},
            [place],
        )

    def write(self, stage: Stage, queries: Sequence[Mapping[str, Any]], tables: Mapping[str, Any]) -> None:
        """Write the queries and the manifest.

        Args:
            stage: from `stage`.
            queries: candidate, candidate_tags and condition of each, in order.
            tables: the settings that the tables were made with.
        """
        content = {
            "dataset": self.paths.name,
            "attributes": list(self.attributes),
            "split": self.split,
            "protocol": self.protocol,
            "seeds": SEEDS,
            "tables": dict(tables),
            "queries": list(queries),
        }
        with stage.alone():
            stage.begin()
            write_json(stage.outputs[0], content)
            stage.finish()
