"""Train the student, which makes the teacher's move in one step.

Reads:  the embeddings that C1 wrote.
Writes: weight/<run>/students/<settings>/.

    python D1.Train-KD-Model.py --dataset_name wikiart --category_type stylegenre --inverse_lambda 1.1
    python D1.Train-KD-Model.py --dataset_name CUB --category_type birds --inverse_lambda 0.51
    python D1.Train-KD-Model.py --dataset_name APY --category_type category --inverse_lambda 0.7
    python D1.Train-KD-Model.py --dataset_name glyphs --num_condition 2    (a minute on two cores)
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import DistillOptions, parse
from backward_search.cli.console import run_script, script_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Distill and return the student's folder."""
    options = parse(DistillOptions, __doc__, argv)
    from backward_search.cli.translation import run_paths
    from backward_search.stages.distill import distill

    with script_log(run_paths(options).log, options):
        return distill(options)


if __name__ == "__main__":
    run_script(main)
