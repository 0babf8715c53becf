"""Search your own photographs, or vectors: from a folder or a table to the explorer, in one command.

Reads:  --source, as A1.Data-Preprocessing-custom.py takes it: a folder of one folder per class, a table with a column
        of paths and columns of labels, a Parquet or .npz file, or vectors that you have already.
Writes: what A1, A2, B1, C1, C4, E1 and E2 write; a second run goes on from what is there.

    pip install ".[photos]"
    python P1.Photo-Search.py --source ~/photos             (3,400 photographs: under five minutes on two cores)
    python P1.Photo-Search.py --source items.csv --label_columns colour,brand
    python P1.Photo-Search.py --source items.csv --vectors clip.npy

The encoder is EfficientNet-Lite0 with its ImageNet weights, which comes as a Python package; without a GPU it stays as
it is. The script says what it does; each step can be run by its own script, with more options.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import PhotoOptions, parse
from backward_search.cli.console import run_script, script_log
from backward_search.storage.paths import DataPaths


def main(argv: Sequence[str] | None = None) -> Path:
    """Do all of it and return the folder of the run."""
    options = parse(PhotoOptions, __doc__, argv)
    from backward_search.stages.photo_search import photo_search

    with script_log(DataPaths.of(options.data_root, options.name).log, options, follows=False):
        return photo_search(options)


if __name__ == "__main__":
    run_script(main)
