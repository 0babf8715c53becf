"""Prepare your own images under a name of your choice; every other script then takes it as --dataset_name.

Reads:  --source, in one of these forms:
        - a folder of one folder per class (or train/ and test/ folders of such, or with such in each class): the
          attribute is called label; with --label_levels style,artist deeper folders name attributes too
        - a .csv (.tsv, .txt; commas, semicolons or tabs) with the columns path (relative to its own folder, or
          absolute) and one or more of labels; optional: tags (comma-separated), split (train, test or val) and a
          --group_column. Without paths, --path_template images/{id}.jpg makes them of a column
        - a .parquet with such paths, or with images as bytes (as the Hugging Face libraries write them), or a folder
          of its shards (train-00000-of-00002.parquet, ...)
        - an .npz with images (N, H, W) or (N, H, W, 3) uint8, and labels or several named arrays of length N; also
          with the names of MedMNIST (train_images) and Keras (x_train)
        or vectors that you have already, with or without the images they were made of: --vectors FILE.npy beside a
        table of labels in the same order, a column of lists in a .parquet or .arrow, an array (N, d) in an .npz, or the
        folder that clip-retrieval writes
Writes: data/NAME/images/, data/NAME/attributions/.

    python A1.Data-Preprocessing-custom.py --dataset_name pets --source ~/pets                        (class folders)
    python A1.Data-Preprocessing-custom.py --dataset_name shop --source items.csv --label_columns colour,brand
    python A1.Data-Preprocessing-custom.py --dataset_name fashion --source fashion.npz --image_size 32
    python A1.Data-Preprocessing-custom.py --dataset_name shop --source items.csv --vectors clip.npy --key_column sku

Whatever Pillow can open is a picture, by its content and not by its ending; the report counts the rest by kind.
Images larger than 256 pixels on their short side are brought down to that (or to --image_size); JPEG and PNG files that
are small enough are copied. Transparent pictures are laid on --background. Without a split of your own a fifth of each
combination of labels is the test split; with --group_column no group is on both sides of it.
70,000 images of 28 x 28 pixels take half a minute on two cores.
Demo data set: A1.Data-Preprocessing-glyphs.py.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import CustomOptions, parse
from backward_search.cli.console import run_script
from backward_search.cli.preparing import preparing_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Prepare the images and return the folder of their tables."""
    options = parse(CustomOptions, __doc__, argv)
    from backward_search.stages.prepare_custom import prepare_custom

    with preparing_log(options):
        return prepare_custom(options)


if __name__ == "__main__":
    run_script(main)
