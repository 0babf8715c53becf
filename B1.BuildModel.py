"""Train the model: an encoder with one classification head per attribute.

Reads:  the tables and images of the data set.
Writes: weight/<run>/: the network (model.safetensors) and that of its best epoch (best.safetensors), the configuration
        with the accuracies (config.json), the history as .csv and .png. A killed training goes on from its last
        checkpoint, and ends with the same weights.

    python B1.BuildModel.py --dataset_name wikiart --category_type stylegenre
    python B1.BuildModel.py --dataset_name CUB --category_type birds
    python B1.BuildModel.py --dataset_name APY --category_type category
    python B1.BuildModel.py --dataset_name glyphs    (under three minutes on two cores)
    torchrun --nproc_per_node 8 B1.BuildModel.py --dataset_name wikiart --recipe modern --batch_size 512    (8 GPUs)

--recipe modern trains with AdamW, warm-up and cosine instead of the paper's recipe, and is part of the run's name.
--pretrained FILE starts the encoder from a file of weights (.safetensors, .pth) instead of ImageNet weights.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import TrainOptions, parse
from backward_search.cli.console import run_script, script_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Train and return the run's folder."""
    options = parse(TrainOptions, __doc__, argv)
    from backward_search.cli.translation import run_paths
    from backward_search.stages.train import train

    with script_log(run_paths(options).log, options):
        return train(options)


if __name__ == "__main__":
    run_script(main)
