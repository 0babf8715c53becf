"""Which index a name stands for."""

import re
from pathlib import Path

from backward_search.gallery.engines.index import BuildSettings, Index


def open_index(
    kind: str, folder: Path, settings: BuildSettings, classes: dict[str, list[str]], milvus_uri: str = ""
) -> Index:
    """The index of this kind, which need not exist yet.

    Args:
        kind: faiss-flat, faiss-ivfpq, faiss-hnsw or milvus.
        folder: of its files, `<run>/galleries/<name>/<kind>-<generation>`.
        settings: how it is built.
        classes: the labels of every attribute.
        milvus_uri: of a cluster; left out, Milvus Lite writes into the folder.
    """
    if kind == "milvus":
        from backward_search.gallery.engines.milvus_index import MilvusIndex

        name = "_".join((folder.parents[2].name, folder.parent.name, folder.name))
        uri = milvus_uri or str(folder / "milvus.db")
        return MilvusIndex(uri, "g_" + re.sub(r"\W", "_", name, flags=re.ASCII)[-250:], classes, settings)
    from backward_search.gallery.engines.faiss_index import FaissIndex

    return FaissIndex(folder, kind, settings)
