"""Evaluate a method on the test queries.

Reads:  queries (A2), embeddings (C1) and, for --method student, the student (D1).
Writes: weight/<run>/results/<task>/<method>[-lambda0.5][-...].json; of several lambdas sweep.csv and sweep.png too.

    python E1.Model-Evaluation.py --dataset_name wikiart --category_type stylegenre --inverse_lambda 1.1
    python E1.Model-Evaluation.py --dataset_name CUB --category_type birds --inverse_lambda 0.51
    python E1.Model-Evaluation.py --dataset_name APY --category_type category --inverse_lambda 0.7
    python E1.Model-Evaluation.py --dataset_name glyphs --num_condition 2 --method teacher    (seconds on two cores)
    python E1.Model-Evaluation.py --dataset_name glyphs --num_condition 2 --inverse_lambda 0.1,0.5,1,2
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import EvaluateOptions, parse
from backward_search.cli.console import run_script, script_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Evaluate and return the file of the results."""
    options = parse(EvaluateOptions, __doc__, argv)
    from backward_search.cli.translation import run_paths
    from backward_search.stages.evaluate import evaluate

    with script_log(run_paths(options).log, options):
        return evaluate(options)


if __name__ == "__main__":
    run_script(main)
