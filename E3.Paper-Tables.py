"""Make the paper's tables from what lies in weight/, measuring what is cheap.

Reads:  runs (B1), embeddings (C1), students (D1), queries (A2), results (E1).
Writes: fig/tables/: each table as .md, .csv and .tex; missing results of E1 into weight/<run>/results/, and for
        the methods best and context a missing context map (C4) into weight/<run>/context/.

A cell that was not run says so, and which commands fill it; --train True runs them for the data sets that are
prepared, says beforehand how long that takes, and goes on where it was stopped. Tables 1 to 6: data sets and queries;
without regularisation; encoders with and without fine-tuning, under best too; methods; steps and time; teacher and
student.

    python E3.Paper-Tables.py                                   (CUB, APY, wikiart, and glyphs)
    python E3.Paper-Tables.py --dataset_name wikiart --tables 4,6
    python E3.Paper-Tables.py --dataset_name glyphs --train True --pretrained False    (trains four small models first)
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import PaperTableOptions, parse
from backward_search.cli.console import run_script, script_log
from backward_search.storage.paths import TablePaths


def main(argv: Sequence[str] | None = None) -> Path:
    """Make the tables and return their folder."""
    options = parse(PaperTableOptions, __doc__, argv)
    from backward_search.stages.paper_tables import make_tables

    with script_log(TablePaths.of(options.table_root).log, options, follows=False):
        return make_tables(options)


if __name__ == "__main__":
    run_script(main)
