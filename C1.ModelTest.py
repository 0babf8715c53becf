"""Embed the images of both splits, or of any folder, with the trained model, under the test transform.

Reads:  the run that B1 wrote.
Writes: weight/<run>/embeddings/: embeddings and logits as .npy, their rows as .csv. What is embedded when a process is
killed is gone on from: the same command, with as many processes as there are then.

    python C1.ModelTest.py --dataset_name wikiart --category_type stylegenre
    python C1.ModelTest.py --dataset_name CUB --category_type birds
    python C1.ModelTest.py --dataset_name APY --category_type category
    python C1.ModelTest.py --dataset_name glyphs    (seconds on two cores)
    python C1.ModelTest.py --dataset_name glyphs --image_folder ~/pictures
    torchrun --nproc_per_node 8 C1.ModelTest.py --dataset_name wikiart    (8 GPUs, 256 images at once on each)
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import EmbedOptions, parse
from backward_search.cli.console import run_script, script_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Embed and return the folder of the embeddings."""
    options = parse(EmbedOptions, __doc__, argv)
    from backward_search.cli.translation import run_paths
    from backward_search.stages.embed import embed

    with script_log(run_paths(options).log, options):
        return embed(options)


if __name__ == "__main__":
    run_script(main)
