"""Build the index of an engine other than exact, over the gallery that begins with a split.

Reads:  embeddings and logits (C1).
Writes: weight/<run>/galleries/<split>/: gallery.json, the index, its manifest.

FAISS needs `pip install ".[faiss]"`, Milvus `pip install ".[milvus]"`. E1, E2 and F1 take
the same --engine. A cluster that asks for a token takes it from the environment variable MILVUS_TOKEN.

    python C2.Build-Index.py --dataset_name wikiart --category_type stylegenre --engine faiss-hnsw
    python C2.Build-Index.py --dataset_name CUB --category_type birds --engine faiss-ivfpq
    python C2.Build-Index.py --dataset_name APY --category_type category --engine milvus
    python C2.Build-Index.py --dataset_name glyphs --engine faiss-hnsw    (seconds on two cores)
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import IndexOptions, parse
from backward_search.cli.console import run_script, script_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Build the index and return the folder of the gallery."""
    options = parse(IndexOptions, __doc__, argv)
    from backward_search.cli.translation import run_paths
    from backward_search.stages.build_index import build_index

    with script_log(run_paths(options).log, options):
        return build_index(options)


if __name__ == "__main__":
    run_script(main)
