"""Prepare CUB-200-2011: tables, tags and split of the paper, over 11,788 photographs of 200 kinds of birds.

Reads:  the archive CUB_200_2011.tgz unpacked in data/CUB/ (CUB_200_2011/, attributes.txt), or its text files in
        data/CUB/attributes/ and its photographs in data/CUB/images/.
Writes: data/CUB/attributions/, and data/CUB/images where it is missing: a link to CUB_200_2011/images.

    python A1.Data-Preprocessing-CUB.py                       (seconds)
    python A1.Data-Preprocessing-CUB.py --download True       (1.1 GB first)
    python A1.Data-Preprocessing-CUB.py --as_published True   (the published tables and queries, 11,787 rows)

Without a download: A1.Data-Preprocessing-glyphs.py prepares the demo data set in half a minute on two cores.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import CubOptions, parse
from backward_search.cli.console import run_script
from backward_search.cli.preparing import preparing_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Prepare CUB and return the folder of its tables."""
    options = parse(CubOptions, __doc__, argv, dataset_name="CUB")
    from backward_search.readers.cub import source as cub
    from backward_search.stages.prepare import prepare_published

    with preparing_log(options):
        if options.download:
            from backward_search.data.download import fetch

            fetch("CUB", options.data)
        return prepare_published(
            lambda: cub.source(options.data, as_published=options.as_published, opening=options.opening),
            cub.ENTRY,
            options.data,
            overwrite=options.overwrite,
            check_only=options.check_only,
        )


if __name__ == "__main__":
    run_script(main)
