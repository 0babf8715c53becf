"""The options of A2."""

from dataclasses import dataclass

from backward_search.cli import answering_groups, groups
from backward_search.cli.definition import option, positive


@dataclass(frozen=True)
class QueryOptions(groups.ProtocolOptions, groups.DatasetOptions, groups.PlaceOptions):
    """Which queries are drawn; all data sets that are prepared, and all tasks, unless named."""

    category_type: str = option("which attributes", of_dataset="default_category_type")
    condition_on: str = option("condition on these attributes, comma-separated (default: every prefix)", "")
    num_queries: int | None = option("queries of a task (default: 1000, or all of a task that has fewer)", None)
    split: str = option("the split the queries and their candidates come from", "test", choices=groups.SPLITS)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        answering_groups.conditioned_attributes(self.entry.attributes_of(self.category_type), 1, self.condition_on)
        if self.num_queries is not None:
            positive(self, "num_queries")
