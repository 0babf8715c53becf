"""The engines behind `--engine`, but for the exact one, which needs no index."""

from typing import TYPE_CHECKING

from backward_search.registry import Registry

if TYPE_CHECKING:  # names alone are light
    from backward_search.gallery.engines.index import EngineKind

ENGINES: "Registry[EngineKind]" = Registry(
    "engine",
    {
        "faiss-flat": "gallery.engines.faiss_index:FLAT",
        "faiss-ivfpq": "gallery.engines.faiss_index:IVFPQ",
        "faiss-hnsw": "gallery.engines.faiss_index:HNSW",
        "milvus": "gallery.engines.milvus_index:MILVUS",
    },
)
"""By name; another package adds one by `ENGINES.register(name, kind)`."""
