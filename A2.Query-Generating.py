"""Draw the test queries: 1,000 a task, the same ones every time.

Reads:  the tables and tags that A1 wrote.
Writes: data/<name>/attributions/query_<attributes>_<name>_<split>_random.json.

    python A2.Query-Generating.py                           (every data set that is prepared)
    python A2.Query-Generating.py --dataset_name wikiart    (also CUB, APY)
    python A2.Query-Generating.py --dataset_name glyphs     (seconds)
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import QueryOptions, parse_each
from backward_search.cli.console import run_script


def main(argv: Sequence[str] | None = None) -> Path:
    """Draw queries and return the folder of the last data set's files."""
    every = parse_each(QueryOptions, __doc__, argv)
    from backward_search.stages.generate_queries import generate_each

    return generate_each(every)


if __name__ == "__main__":
    run_script(main)
