"""Prepare WikiArt: 81,444 paintings of 27 styles and 11 genres, with their tables and tags.

Reads:  one of its forms in data/wikiart/:
        wclasses.csv (or class_data.json) and images_raw/<Style>/ or images/<Style>/;
        the lists of the ArtGAN release (style_train.csv, ...) and the same folders;
        the Parquet files of https://huggingface.co/datasets/huggan/wikiart, in a folder of their own.
        Text files may lie in attributes/ or attributions/ instead; wikiart_attributions.csv is used where it is there.
Writes: data/wikiart/images/ (short side 256, smaller ones are copied; left alone where there is no images_raw/),
        data/wikiart/attributions/.

    python A1.Data-Preprocessing-wikiart.py                   (seconds, and about 40 minutes of images on two cores)
    python A1.Data-Preprocessing-wikiart.py --download True   (34 GB first)
    python A1.Data-Preprocessing-wikiart.py --check_only True (says what is there, and prepares nothing)

The published split and queries need wclasses.csv and wikiart_attributions.csv; from the other forms both differ.
Without a download: A1.Data-Preprocessing-glyphs.py prepares the demo data set in half a minute on two cores.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import DownloadOptions, parse
from backward_search.cli.console import run_script
from backward_search.cli.preparing import preparing_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Prepare WikiArt and return the folder of its tables."""
    options = parse(DownloadOptions, __doc__, argv, dataset_name="wikiart")
    from backward_search.readers.wikiart import source as wikiart
    from backward_search.stages.prepare import prepare_published

    with preparing_log(options):
        if options.download:
            from backward_search.data.download import fetch

            fetch("wikiart", options.data)
        return prepare_published(
            lambda: wikiart.source(
                options.data,
                options.seed,
                workers=options.n_workers,
                opening=options.opening,
                as_published=options.as_published,
            ),
            wikiart.ENTRY,
            options.data,
            overwrite=options.overwrite,
            check_only=options.check_only,
        )


if __name__ == "__main__":
    run_script(main)
