"""Serve a page to explore trained runs in: pick an image, choose a condition, and see what each method finds.

Reads:  the runs of --weight_root that C1 has embedded; the data sets they were trained on; with --engine their indexes
        (C2). A run without one cannot be chosen, and the page says which command builds it.
Writes: figures below --result_root, and the images that were dropped in, in `result/explorer/`.

    pip install ".[web]"
    python F1.Search-Explorer.py                       (then open http://127.0.0.1:7860; seconds to start)
    BACKWARD_SEARCH_AUTH=me:a-long-password python F1.Search-Explorer.py --host 0.0.0.0 --port 8000
    python F1.Search-Explorer.py --engine faiss-hnsw
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import ExploreOptions, parse
from backward_search.cli.console import run_script, script_log


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until interrupted."""
    options = parse(ExploreOptions, __doc__, argv)
    from backward_search.stages.explore import explore

    with script_log(None, options, follows=False):
        explore(options)


if __name__ == "__main__":
    run_script(main)
