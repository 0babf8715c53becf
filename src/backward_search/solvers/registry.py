"""The solvers behind `--inverse_solver`."""

from typing import TYPE_CHECKING

from backward_search.registry import Registry

if TYPE_CHECKING:  # names alone are light
    from backward_search.solvers.protocol import Solver

SOLVERS: "Registry[type[Solver]]" = Registry(
    "solver", {"adam": "solvers.adam:Adam", "manifold": "solvers.manifold:Manifold"}
)
"""By name; another package adds one by `SOLVERS.register(name, kind)`."""
