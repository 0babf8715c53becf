"""What an encoder costs and gives on your own images: minutes on this machine, accuracy, and what two methods find.

Reads:  each --set NAME=SOURCE as A1.Data-Preprocessing-custom.py takes it (NAME=SOURCE:COLUMNS for the label columns of
        a table); --set NAME alone is a data set of this name that its own A1 script has prepared below --work/data.
Writes: data and runs below --work, where a second call goes on; a table, and all figures with --json FILE.

    python bench/encoders.py --work DIR --set paintings=FOLDER --set shop=items.csv:category,colour
    python bench/encoders.py --work DIR --set paintings=FOLDER --only frozen --sizes 128    (two minutes, to try it)

The small network begins at random and is trained for 20 epochs; EfficientNet-Lite0 begins with its ImageNet weights
(extra `lite`) and is frozen (10 epochs of projection and heads) or trained with them (4 epochs); all by the modern
recipe with a tenth of the training images held out. Each at two sizes of the input. The condition is on the first
attribute, by the paper's protocol; the teacher has lambda 0.5, `shift_null` chooses its strength on the images held
out. The minutes of B1 hold the one pass of a frozen encoder over the images.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))

from numbered import run

from backward_search.cli.console import run_script
from backward_search.storage.atomic import read_json, write_json

VARIANTS = {
    "small_cnn": ["--encoder_model", "small_cnn", "--num_epoch", "20"],
    "frozen": ["--encoder_model", "efficientnet_lite0", "--enc_update", "False", "--num_epoch", "10"],
    "fine-tuned": ["--encoder_model", "efficientnet_lite0", "--num_epoch", "4"],
}
TITLES = {"small_cnn": "small_cnn, from nothing", "frozen": "Lite0, frozen", "fine-tuned": "Lite0, fine-tuned"}
SIZES = {"small_cnn": (64, 128), "frozen": (128, 224), "fine-tuned": (128, 224)}
METHODS = {"teacher": ["--inverse_lambda", "0.5"], "shift_null": []}
FILES = {"teacher": "teacher-lambda0.5.json", "shift_null": "shift_null.json"}


def prepare(work: Path, text: str) -> list[object]:
    """Prepare a set below `work/data`, and return the options that every later script takes."""
    name, _, source = text.partition("=")
    root = ["--dataset_name", name, "--data_root", work / "data"]
    if source:
        place, _, columns = source.partition(":")
        run(
            "A1.Data-Preprocessing-custom", *root, "--source", place, *(["--label_columns", columns] if columns else [])
        )
    run("A2", *root)
    return root


def measure(root: list[object], variant: str, size: int, folder: Path) -> dict[str, Any]:
    """Train, embed and evaluate once; a run that is there already is measured as it is."""
    options = [*root, "--weight_root", folder, "--recipe", "modern", *VARIANTS[variant]]
    run("B1", *options, "--image_size", size, "--holdout", 0.1)
    run("C1", *options)
    for method, words in METHODS.items():
        run("E1", *options, "--method", method, *words)
    (config,) = folder.glob("*/config.json")
    found = {name: read_json(next(config.parent.glob(f"results/*/{file}"))) for name, file in FILES.items()}
    seconds = [
        read_json(config.with_name(f"manifest-{stage}.json"))["seconds"] for stage in ("B1", "C1-train", "C1-test")
    ]
    return {
        "set": root[1],
        "encoder": variant,
        "size": size,
        "minutes": sum(seconds) / 60,
        "accuracy": read_json(config)["training"]["test_accuracy"],
        **{name: {key: result[key] for key in ("precision_at_10", "context_at_10")} for name, result in found.items()},
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as a table for people."""
    lines = [
        "| set | encoder | pixels | B1 + C1, minutes | accuracy | P@10 / context, teacher | the same, shift_null |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        accuracy = ", ".join(f"{name} {value:.3f}" for name, value in row["accuracy"].items())
        found = [f"{row[name]['precision_at_10']:.3f} / {row[name]['context_at_10']:.3f}" for name in METHODS]
        cells = [row["set"], TITLES[row["encoder"]], row["size"], f"{row['minutes']:.1f}", accuracy, *found]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Measure every encoder on every set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of data and runs")
    parser.add_argument("--set", action="append", required=True, metavar="NAME[=SOURCE[:COLUMNS]]", help="a data set")
    parser.add_argument("--only", choices=list(VARIANTS), help="one of the encoders")
    parser.add_argument("--sizes", help="sides of the input in pixels, comma-separated (default: two for each encoder)")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    given = parser.parse_args()
    work, rows = given.work.absolute(), []
    for text in given.set:
        root = prepare(work, text)
        for variant in [given.only] if given.only else VARIANTS:
            for size in map(int, given.sizes.split(",")) if given.sizes else SIZES[variant]:
                rows.append(measure(root, variant, size, work / "weight" / f"{root[1]}-{variant}-{size}"))
    print(table(rows))
    if given.json:
        write_json(given.json, rows)


if __name__ == "__main__":
    run_script(main)
