"""The teacher: Backward Search by the solver of the paper, or by the manifold solver."""

from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.solvers.adam import SearchConfig, SearchResult, backward_search
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.manifold import ManifoldConfig, manifold_search
from backward_search.solvers.objectives import ModuleHeads
from backward_search.solvers.single import follow_one, search_one

SolverConfig = SearchConfig | ManifoldConfig
"""The settings of a solver, whose kind says which it is."""


@dataclass(frozen=True)
class Teacher:
    """Heads with a solver.

    Attributes:
        heads: the conditioned heads.
        config: how far and how fast.
        spread: the covariance of the training embeddings (E, E), for the manifold solver.
    """

    heads: FrozenHeads | ModuleHeads
    config: SolverConfig
    spread: Tensor | None = None

    def search(
        self,
        queries: Tensor,
        targets: Tensor | Conditions,
        *,
        lambdas: Tensor | None = None,
        trace: bool = False,
    ) -> SearchResult:
        """Move queries; see `search.backward_search` and `manifold.manifold_search`.

        A single query on the CPU takes the same steps by `single`, unless they are to be kept.

        Args:
            queries: embeddings (B, E).
            targets: class ids (B, A), or richer conditions.
            lambdas: a lambda for each query (B,); the manifold solver has none and takes no notice.
            trace: keep losses and path.

        Raises:
            ValueError: the manifold solver lacks its covariance.
        """
        alone = len(queries) == 1 and not trace
        if isinstance(self.config, SearchConfig):
            if alone and _light(self.heads, queries):
                lambda_ = self.config.lambda_ if lambdas is None else lambdas.item()
                return search_one(self.heads, queries, targets, self.config, lambda_)
            return backward_search(self.heads, queries, targets, self.config, lambdas=lambdas, trace=trace)
        if self.spread is None:
            raise ValueError("the manifold solver needs the covariance of the training embeddings")
        if alone and _light(self.heads, queries):
            return follow_one(self.heads, queries, targets, self.spread, self.config)
        return manifold_search(self.heads, queries, targets, self.spread, self.config, trace=trace)


def _light(heads: FrozenHeads | ModuleHeads, queries: Tensor) -> TypeGuard[FrozenHeads]:
    """Whether numpy can search with these heads."""
    return (
        isinstance(heads, FrozenHeads)
        and queries.device.type == "cpu"
        and queries.dtype in (torch.float32, torch.float64)
    )
