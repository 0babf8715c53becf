"""Draw the demo data set: 561 letters and digits in 16 faces, with their tables and tags.

Reads:  the fonts that come with matplotlib.
Writes: data/glyphs/images/, data/glyphs/attributions/.

    python A1.Data-Preprocessing-glyphs.py                 (half a minute on two cores)
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import PrepareOptions, parse
from backward_search.cli.console import run_script
from backward_search.cli.preparing import preparing_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Prepare the glyphs and return the folder of their tables."""
    options = parse(PrepareOptions, __doc__, argv, dataset_name="glyphs")
    from backward_search.readers.glyphs import source as glyphs
    from backward_search.stages.prepare import prepare

    with preparing_log(options):
        source = glyphs.source(options.data, options.seed, overwrite=options.overwrite)
        return prepare(source, options.data, overwrite=options.overwrite, check_only=options.check_only)


if __name__ == "__main__":
    run_script(main)
