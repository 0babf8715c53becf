"""Compare the training recipes: the same data, epochs and seeds, through the scripts B1, C1 and E1.

Reads:  the .gz files of Fashion-MNIST's training images and labels in --fashion_mnist (Debian's package
        dataset-fashion-mnist puts them where the default says); glyphs are drawn.
Writes: data and runs below --work, where a second call goes on; a table, and all figures with --json FILE.

    python bench/recipes.py --work DIR --json FILE     (an hour on two cores: 12 trainings)
    python bench/recipes.py --work DIR --sets glyphs --seeds 0 --num_epoch 2    (two minutes, to try it)

Fashion-MNIST is cut to its first 10,000 images, of which a fifth is the test split, at 28 pixels and without flips (a
shoe on its head is no sample of it). Both data sets train the small network from random weights. The condition is
family + variant for glyphs, the class for Fashion-MNIST; the teacher searches with lambda 0.5, and shift_null
answers with strength 0.6.
"""

import argparse
import gzip
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))

from numbered import run

from backward_search.cli.console import run_script
from backward_search.errors import MissingError
from backward_search.storage.atomic import read_json, replacing, write_json
from backward_search.training.recipe import RECIPES

IMAGES = 10_000
CONDITIONS = {"glyphs": 2, "fashion": 1}
MEASURES = {
    "precision@10": "precision_at_10",
    "mAP@10": "map_at_10",
    "mTS@10": "mts_at_10",
    "twin": "twin_recall_at_10",
    "shift_null: precision@10": "shift_null_precision_at_10",
    "shift_null: twin": "shift_null_twin_recall_at_10",
    "largest fall of accuracy": "largest_fall",
    "B1, s": "seconds",
}
"""The columns of the table after the accuracies: title and name of each."""


def read_idx(file: Path) -> np.ndarray:
    """Read an array in the format of MNIST: two zero bytes, type, dimensions, their sizes, the numbers."""
    if not file.exists():
        raise MissingError(f"{file} does not exist: install Debian's dataset-fashion-mnist, or pass --fashion_mnist")
    content = gzip.decompress(file.read_bytes())
    shape = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)


def prepare(name: str, work: Path, fashion_mnist: Path) -> list[object]:
    """Prepare a data set below `work/data`, and return the options that every later script takes."""
    root = ["--data_root", work / "data"]
    if name == "glyphs":
        run("A1.Data-Preprocessing-glyphs", *root)
    else:
        source = work / "fashion.npz"
        if not source.exists():
            arrays = {
                part: read_idx(fashion_mnist / f"train-{part}-ubyte.gz") for part in ("images-idx3", "labels-idx1")
            }
            with replacing(source) as temporary:
                np.savez(temporary, images=arrays["images-idx3"][:IMAGES], label=arrays["labels-idx1"][:IMAGES])
        look = ["--image_size", 28, "--augment", False]
        run("A1.Data-Preprocessing-custom", "--dataset_name", name, *root, "--source", source, *look)
    run("A2", "--dataset_name", name, *root)
    return ["--dataset_name", name, *root]


def measure(name: str, recipe: str, seed: int, options: Sequence[object], folder: Path) -> dict[str, Any]:
    """Train, embed and evaluate once; a run that is there already is measured as it is."""
    options = [*options, "--recipe", recipe, "--seed", seed, "--weight_root", folder, "--encoder_model", "small_cnn"]
    run("B1", *options, "--holdout", 0)
    run("C1", *options)
    task = ["--num_condition", CONDITIONS[name]]
    run("E1", *options, *task, "--method", "teacher", "--inverse_lambda", 0.5)
    run("E1", *options, *task, "--method", "shift_null", "--strength", 0.6)
    (config,) = folder.glob("*/config.json")
    found = {
        method: read_json(next(folder.glob(f"*/results/*/{file}.json")))
        for method, file in {"teacher": "teacher-lambda0.5", "shift_null": "shift_null-strength0.6"}.items()
    }
    shifted = {f"shift_null_{key}": value for key, value in found["shift_null"].items()}
    accuracy = read_json(config)["training"]["test_accuracy"]
    return {
        "dataset": name,
        "recipe": recipe,
        "seed": seed,
        **{f"accuracy {attribute}": value for attribute, value in accuracy.items()},
        **{key: found["teacher"][key] for key in MEASURES.values() if key in found["teacher"]},
        **{key: value for key, value in shifted.items() if key in MEASURES.values()},
        "largest_fall": largest_fall(config.with_name("history.csv")),
        "seconds": read_json(config.with_name("manifest-B1.json"))["seconds"],
    }


def largest_fall(history: Path) -> float:
    """How far the mean test accuracy fell from one epoch to the next at worst: how steady a training was."""
    rows = np.atleast_1d(np.genfromtxt(history, delimiter=",", names=True))
    names = [name for name in rows.dtype.names if name.startswith("test_accuracy")]
    means = np.mean([rows[name] for name in names], axis=0)
    return float(-np.diff(means, prepend=means[0]).min())


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Mean and standard deviation over the seeds, one table for each data set."""
    lines: list[str] = []
    for name in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == name]
        columns = {key: key for key in own[0] if key.startswith("accuracy")}
        columns |= {title: key for title, key in MEASURES.items() if key in own[0]}
        lines += ["", f"| {name} | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
        for recipe in dict.fromkeys(row["recipe"] for row in own):
            cells = [_cell([row[key] for row in own if row["recipe"] == recipe]) for key in columns.values()]
            lines.append(f"| {recipe} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    return f"{mean(values):.3f} ± {stdev(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def main(argv: Sequence[str] | None = None) -> Path | None:
    """Compare the recipes; return the file of the figures, where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of data and runs")
    parser.add_argument("--json", type=Path, help="file of the figures")
    parser.add_argument("--fashion_mnist", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--sets", nargs="+", default=list(CONDITIONS), choices=list(CONDITIONS))
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--num_epoch", type=int, default=24)
    given = parser.parse_args(argv)
    work, rows = given.work.absolute(), []
    for name in given.sets:
        options = [*prepare(name, work, given.fashion_mnist), "--num_epoch", given.num_epoch]
        for seed in given.seeds:
            for recipe in given.recipes:
                folder = work / "weight" / f"{name}-{given.num_epoch}-{recipe}-{seed}"
                rows.append(measure(name, recipe, seed, options, folder))
                print(table(rows), flush=True)
                if given.json:
                    write_json(given.json.absolute(), {"num_epoch": given.num_epoch, "rows": rows})
    return given.json


if __name__ == "__main__":
    run_script(main)
