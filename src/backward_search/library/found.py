"""What a searcher gives back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Found:
    """The answer to some queries.

    Attributes:
        keys: what the hits are called, best first; their rows in the gallery where nothing was given.
        rows: their rows in the gallery (B, k) int64.
        scores: what they were ranked by (B, k): cosine similarities where nothing else counts.
        moved: where the queries were moved to (B, E).
        steps: gradient evaluations of each query (B,).
        stopped: whether each stopped before all steps were made (B,) bool.
    """

    keys: list[list[Any]]
    rows: Tensor
    scores: Tensor
    moved: Tensor
    steps: Tensor
    stopped: Tensor

    def __len__(self) -> int:
        """The number of queries."""
        return len(self.keys)

    def frame(self) -> "pd.DataFrame":
        """The hits as a table: a line for each, with the columns query, rank (from 1), key, row and score."""
        import pandas as pd

        count, k = self.rows.shape
        return pd.DataFrame(
            {
                "query": [query for query in range(count) for _ in range(k)],
                "rank": [rank for _ in range(count) for rank in range(1, k + 1)],
                "key": [key for keys in self.keys for key in keys],
                "row": self.rows.flatten().tolist(),
                "score": self.scores.flatten().tolist(),
            }
        )


@dataclass(frozen=True)
class Way:
    """The way of one query from itself to where it was moved.

    Attributes:
        points: t_0 ... t_n, (n + 1, E); t_0 is the query.
        probabilities: by conditioned attribute the probability of each class along the way (n + 1, K), by its head.
        labels: by conditioned attribute the names of the classes.
        found: the hits at the end of it.
    """

    points: Tensor
    probabilities: dict[str, Tensor]
    labels: dict[str, Sequence[str]]
    found: Found

    @property
    def steps(self) -> int:
        """How many steps lead to the end."""
        return len(self.points) - 1

    def frame(self) -> "pd.DataFrame":
        """The probabilities as a table: a line for each step, a column `attribute=label` for each class."""
        import pandas as pd

        columns = {
            f"{name}={label}": values[:, column].tolist()
            for name, values in self.probabilities.items()
            for column, label in enumerate(self.labels[name])
        }
        return pd.DataFrame(columns, index=pd.RangeIndex(len(self.points), name="step"))
