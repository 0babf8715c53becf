"""Draw what the methods find for a query, or with --path the teacher's way to it.

The query: --query_key K (or 3,17,100 or 0-9), --random N, --query <folder>/<file>, or --query_image FILE. What is
wanted: the query's own condition, or --condition such as "style=Rococo|Baroque,genre!=portrait". Several queries have a
figure each, or with --contact_sheet a row each in one.

Reads:  queries (A2), embeddings (C1) and, where there is one, the student (D1); the network (B1) for --query_image.
Writes: result/<run>/query_<K>.png (or .svg, .pdf; contact_sheet_<keys>), and the hits beside it as a CSV.

    python E2.Model-Query-Visualization.py --dataset_name wikiart --category_type stylegenre --inverse_lambda 1.1
    python E2.Model-Query-Visualization.py --dataset_name CUB --category_type birds --inverse_lambda 0.51
    python E2.Model-Query-Visualization.py --dataset_name APY --category_type category --inverse_lambda 0.7
    python E2.Model-Query-Visualization.py --dataset_name glyphs --num_condition 2 --query_key 3    (seconds)
    python E2.Model-Query-Visualization.py --dataset_name glyphs --num_condition 2 --query_key 3 --path
    python E2.Model-Query-Visualization.py --dataset_name glyphs --num_condition 2 --query_key 0-29 --contact_sheet
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import VisualizeOptions, parse
from backward_search.cli.console import run_script, script_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Draw and return the file of the last picture."""
    options = parse(VisualizeOptions, __doc__, argv)
    from backward_search.cli.translation import run_paths
    from backward_search.stages.visualize import visualize

    with script_log(run_paths(options).log, options, follows=False):
        return visualize(options)


if __name__ == "__main__":
    run_script(main)
