"""Make finished runs out of the weights, embeddings and students that the authors publish; nothing in them is executed.

Reads:  --source, a folder of the published runs, in any arrangement below it:
        CIR_Model-dataset<name>-cate<type>-basemodel<encoder>-encodingsize<E>-enc_update<bool>-num_epoch<n>-final/
        - model_<epoch>.pth: the weights
        - inference_<name>_{train,test}_embedding_epoch<epoch>.npy: the embeddings, if there are any
        - knowledge_distill_model_lambda<l>_reg<r>[_cond2]/student_model_epoch<n>.pth: the students, if there are any
        and the tables of the data sets, which have to be prepared first, best from the authors' preprocessed tables.
Writes: weight/<run>/: network, configuration, embeddings with logits, students, as B1, C1 and D1 write them.

    python A0.Import-Published.py --source ~/Downloads/weight    (CUB, APY and wikiart, whatever is there)
    python A0.Import-Published.py --source ~/Downloads/weight --epoch 10

E1 and E2 then run without any training, on a CPU too. What is there already is skipped.
Demo data set: nothing of it is published; A1.Data-Preprocessing-glyphs.py and B1.BuildModel.py make it all in minutes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from backward_search.cli import ImportOptions, parse
from backward_search.cli.console import run_script, script_log


def main(argv: Sequence[str] | None = None) -> Path:
    """Import and return the folder of the runs."""
    options = parse(ImportOptions, __doc__, argv)
    from backward_search.stages.import_published import import_published
    from backward_search.storage.paths import import_log

    with script_log(import_log(options.weight_root), options):
        return import_published(options)


if __name__ == "__main__":
    run_script(main)
