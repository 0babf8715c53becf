"""Add images to a gallery and all its indexes, and remove images from them, without building anything again.

Reads:  the run, the gallery (C2), and the images.
Writes: weight/<run>/galleries/<split>/: a shard of embeddings, a segment of every index, then gallery.json.

Whatever interrupts it leaves the gallery as it was. A key is an image's folder and file, `<folder>/<file>`.

    python C3.Change-Gallery.py --dataset_name wikiart --category_type stylegenre --add FOLDER
    python C3.Change-Gallery.py --dataset_name CUB --category_type birds --remove keys.txt
    python C3.Change-Gallery.py --dataset_name APY --category_type category --add list-of-images.txt
    python C3.Change-Gallery.py --dataset_name glyphs --add FOLDER --remove keys.txt    (seconds on two cores)
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import ChangeOptions, parse
from backward_search.cli.console import run_script, script_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Change the gallery and return its folder."""
    options = parse(ChangeOptions, __doc__, argv)
    from backward_search.cli.translation import run_paths
    from backward_search.stages.change_gallery import change_gallery

    with script_log(run_paths(options).log, options):
        return change_gallery(options)


if __name__ == "__main__":
    run_script(main)
