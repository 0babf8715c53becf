"""Learn a context map: what images share beside the conditions, as a small map of their embeddings.

The methods context and best rank by it. It is learnt from the training split alone: from tags, captions and groups,
else from labels that are not conditioned, else from the images themselves. One map serves every choice of conditioned
attributes. What it was learnt from, and how much of it the nearest of held-out training images share, is printed.

Reads:  the embeddings that C1 wrote, and the data set's tags.
Writes: weight/<run>/context/: the map (map.safetensors), what is known of it (context.json). A killed learning goes on
        from its last checkpoint.

    python C4.Learn-Context.py --dataset_name wikiart --category_type stylegenre    (under two minutes on two cores)
    python C4.Learn-Context.py --dataset_name CUB --category_type birds
    python C4.Learn-Context.py --dataset_name APY --category_type category
    python C4.Learn-Context.py --dataset_name glyphs    (half a minute on two cores)
    python C4.Learn-Context.py --dataset_name pets --learn_from images --views 2000
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import ContextOptions, parse
from backward_search.cli.console import run_script, script_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Learn the map and return its folder."""
    options = parse(ContextOptions, __doc__, argv)
    from backward_search.cli.translation import run_paths
    from backward_search.stages.learn_context import learn_context

    with script_log(run_paths(options).log, options):
        return learn_context(options)


if __name__ == "__main__":
    run_script(main)
