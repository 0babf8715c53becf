"""Backward Search: conditional image retrieval by moving a query's embedding through a frozen classification head.

`open_run` searches a trained run, `Searcher` any embeddings through any heads; both are loaded when first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backward_search.library import Found, Searcher, open_run

__version__ = "0.1.0"
__all__ = ["Found", "Searcher", "open_run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from backward_search import library  # PyTorch takes seconds to import

    return getattr(library, name)
