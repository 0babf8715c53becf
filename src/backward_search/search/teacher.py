"""The teacher: Backward Search by the solver of the paper, or by the manifold solver."""

from dataclasses import dataclass

from torch import Tensor

from backward_search.search.backward import SearchConfig, SearchResult, backward_search
from backward_search.search.conditions import Conditions
from backward_search.search.heads import FrozenHeads
from backward_search.search.manifold import ManifoldConfig, manifold_search
from backward_search.search.objectives import ModuleHeads

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

        Args:
            queries: embeddings (B, E).
            targets: class ids (B, A), or richer conditions.
            lambdas: a lambda for each query (B,); the manifold solver has none and takes no notice.
            trace: keep losses and path.

        Raises:
            ValueError: the manifold solver lacks its covariance.
        """
        if isinstance(self.config, SearchConfig):
            return backward_search(self.heads, queries, targets, self.config, lambdas=lambdas, trace=trace)
        if self.spread is None:
            raise ValueError("the manifold solver needs the covariance of the training embeddings")
        return manifold_search(self.heads, queries, targets, self.spread, self.config, trace=trace)
