"""The options of A2."""

from dataclasses import dataclass

from backward_search.cli import about, answering_groups, groups
from backward_search.cli.definition import option, positive


@dataclass(frozen=True)
class QueryOptions(groups.ProtocolOptions, groups.DatasetOptions, groups.PlaceOptions):
    """Which queries are drawn; all data sets that are prepared, and all tasks, unless named."""

    category_type: str = option("which attributes", of_dataset="default_category_type", usual=True)
    condition_on: str = option("condition on these attributes, comma-separated (default: every prefix)", "", usual=True)
    num_queries: int | None = option(
        "queries of a task (default: 1000, or all of a task that has fewer)", None, usual=True
    )
    split: str = option(
        "the split the queries and their candidates come from", "test", choices=groups.SPLITS, usual=True
    )

    @property
    def about(self) -> str:
        """What is about to be done."""
        attributes = self.entry.attributes_of(self.category_type)
        tasks = [attributes[: i + 1] for i in range(len(attributes))]
        named = [self.condition_on.replace(",", "+")] if self.condition_on else ["+".join(task) for task in tasks]
        count = about.images(self.data, [self.split], f"{self.split} images")
        return about.listed(f"Draw queries for {self.dataset_name} on {about.several(named)}", count)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        answering_groups.conditioned_attributes(self.entry.attributes_of(self.category_type), 1, self.condition_on)
        if self.num_queries is not None:
            positive(self, "num_queries")
