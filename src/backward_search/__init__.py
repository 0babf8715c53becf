"""Backward Search: conditional image retrieval by moving a query's embedding through a frozen classification head.

`open_run` searches a trained run, `Searcher` any embeddings through any heads. What is named here is loaded when it is
first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backward_search.conditions.clause import Not as Not
    from backward_search.conditions.clause import Weighted as Weighted
    from backward_search.context.network import ContextMap as ContextMap
    from backward_search.gallery.memory import Gallery as Gallery
    from backward_search.library.found import Found as Found
    from backward_search.library.found import Way as Way
    from backward_search.library.runs import open_run as open_run
    from backward_search.library.searcher import Condition as Condition
    from backward_search.library.searcher import Searcher as Searcher
    from backward_search.methods.protocol import Method as Method
    from backward_search.methods.registry import METHODS as METHODS
    from backward_search.model.network import CosineHead as CosineHead
    from backward_search.solvers.adam import Adam as Adam
    from backward_search.solvers.manifold import Manifold as Manifold
    from backward_search.solvers.registry import SOLVERS as SOLVERS

__version__ = "0.1.0"

_PLACES = {
    "Adam": "solvers.adam",
    "Condition": "library.searcher",
    "ContextMap": "context.network",
    "CosineHead": "model.network",
    "Found": "library.found",
    "Gallery": "gallery.memory",
    "METHODS": "methods.registry",
    "Manifold": "solvers.manifold",
    "Method": "methods.protocol",
    "Not": "conditions.clause",
    "SOLVERS": "solvers.registry",
    "Searcher": "library.searcher",
    "Way": "library.found",
    "Weighted": "conditions.clause",
    "open_run": "library.runs",
}
__all__ = [*_PLACES]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # PyTorch takes seconds to import

    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
