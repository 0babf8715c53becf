"""Prepare aPY: cut 12,695 objects of 20 categories out of the photographs of VOC2008, with their tables and tags.

Reads:  apascal_train.txt, apascal_test.txt and attribute_names.txt in data/APY/attribute_data/ or attributes/;
        the photographs in data/APY/images_raw/ (with or without image_label.csv), VOCdevkit/ or another folder there.
Writes: data/APY/images_crop/, data/APY/attributions/.

    python A1.Data-Preprocessing-APY.py                      (about two minutes on two cores)
    python A1.Data-Preprocessing-APY.py --download True      (fetches what is missing first)
    python A1.Data-Preprocessing-APY.py --with_yahoo True    (aYahoo too; not part of the paper's experiment)

Without a download: A1.Data-Preprocessing-glyphs.py prepares the demo data set in half a minute on two cores.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import ApyOptions, parse
from backward_search.cli.console import run_script
from backward_search.cli.preparing import preparing_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Prepare aPY and return the folder of its tables."""
    options = parse(ApyOptions, __doc__, argv, dataset_name="APY")
    from backward_search.readers.apy import source as apy
    from backward_search.stages.prepare import prepare_published

    with preparing_log(options):
        if options.download:
            from backward_search.data.download import fetch

            fetch("APY", options.data)
            if options.with_yahoo:
                fetch("APY", options.data, [apy.YAHOO_DOWNLOAD])
        return prepare_published(
            lambda: apy.source(
                options.data, with_yahoo=options.with_yahoo, workers=options.n_workers, opening=options.opening
            ),
            apy.ENTRY,
            options.data,
            overwrite=options.overwrite,
            check_only=options.check_only,
        )


if __name__ == "__main__":
    run_script(main)
