"""Time what the explorer does while a slider is dragged, on a gallery of WikiArt's size.

The run is made up: 16,289 test images (and as many to train on) with random embeddings (E = 256), heads of 27 and 11
classes with random weights, a condition of two styles or any genre but one. Pictures and transfer are not in the time.

Reads:  nothing.
Writes: a table.

    python bench/explorer.py          (half a minute on two cores)
"""

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import torch

from backward_search.datasets import registry
from backward_search.datasets.registry import DatasetEntry
from backward_search.datasets.tables import Samples, write_tables
from backward_search.explorer.engine import STRENGTHS, Engine
from backward_search.explorer.runs import trained_runs
from backward_search.explorer.state import Choice, State
from backward_search.explorer.uploads import Uploads
from backward_search.files.atomic import write_array, write_csv, write_json
from backward_search.files.manifest import Stage
from backward_search.files.paths import DataPaths
from backward_search.files.tensors import save_tensors
from backward_search.network.model import Head, ModelConfig
from backward_search.options import ExploreOptions, VisualizeOptions, parse
from backward_search.runs.run import config_json, run_paths

E, CLASSES = 256, {"style": 27, "genre": 11}
NAME = "made-up"


def lay(folder: Path, images: int) -> ExploreOptions:
    """A data set without images, and a run on it without training."""
    data = DataPaths.of(folder / "data", NAME)
    count, generator = 2 * images, np.random.default_rng(0)
    labels = {name: [f"{name}-{i:02}" for i in generator.integers(k, size=count)] for name, k in CLASSES.items()}
    paths = [f"./data/{NAME}/images/a/{i}.jpg" for i in range(count)]
    splits = {"train": range(images), "test": range(images, count)}
    tags = [f"{labels['style'][i]},{labels['genre'][i]},tag{i % 97}" for i in range(count)]
    written = write_tables(data, Samples(paths, labels, splits, tags))
    registry.save(DatasetEntry(NAME, {"both": tuple(CLASSES)}, encoder_model="small_cnn"), folder / "data")
    Stage("A1", data.manifest("A1"), {}, {}, written).finish()
    roots = ["--data_root", str(folder / "data"), "--weight_root", str(folder / "weight")]
    options = parse(VisualizeOptions, None, ["--dataset_name", NAME, *roots])
    lay_run(options, images)
    return ExploreOptions(data_root=str(folder / "data"), weight_root=str(folder / "weight"), device="cpu")


def lay_run(options: VisualizeOptions, images: int) -> None:
    """Heads, embeddings and logits."""
    torch.manual_seed(0)
    paths, classes = run_paths(options), {name: [f"{name}-{i:02}" for i in range(k)] for name, k in CLASSES.items()}
    heads = torch.nn.ModuleDict({name: Head(E, k) for name, k in CLASSES.items()}).eval()
    save_tensors(paths.weights, {f"heads.{name}": value for name, value in heads.state_dict().items()})
    write_json(
        paths.config, config_json(ModelConfig("small_cnn", E, CLASSES, 224), options.entry.preprocessing, classes)
    )
    tables = {split: options.data.table(split) for split in ("train", "test")} | {"classes": options.data.classes}
    Stage("B1", paths.manifest("B1"), {}, tables, [paths.weights]).finish()
    for split, first in (("train", 0), ("test", images)):
        z = torch.tanh(torch.randn(images, E))
        write_array(paths.embeddings(split), z.numpy())
        for name, head in heads.items():
            write_array(paths.logits(split, name), head(z).detach().numpy())
        write_csv(paths.rows(split), ["key"], ([f"a/{first + i}.jpg"] for i in range(images)))
        inputs = {split: options.data.table(split), "weights": paths.weights}
        Stage("C1", paths.embedding_manifest(split), {}, inputs, [paths.embeddings(split)]).finish()


def main() -> None:
    """Lay the run, drag every slider, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16_289, help="in the gallery [16289]")
    parser.add_argument("--repeats", type=int, default=40, help="positions of each slider [40]")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as the server does
    with tempfile.TemporaryDirectory() as folder:
        (own,) = trained_runs(lay(Path(folder), arguments.images)).values()
        engine = Engine(own, Uploads(Path(folder), 1))
        choices = {"style": Choice(("style-03", "style-07")), "genre": Choice(("genre-02",), negated=True)}
        state = State(engine.run.paths.name, 5, choices=choices)
        print("method            p50 ms  p95 ms")
        for method in engine.methods(state):
            kind = STRENGTHS.get(method)
            values = np.linspace(kind.least, kind.most, arguments.repeats) if kind else [None] * arguments.repeats
            at = [dataclasses.replace(state, method=method, strength=None if v is None else float(v)) for v in values]
            engine.view(at[0])  # the first one loads
            seconds = [engine.view(one).seconds for one in at]
            print(f"{method:<16}{1000 * np.quantile(seconds, 0.5):8.1f}{1000 * np.quantile(seconds, 0.95):8.1f}")


if __name__ == "__main__":
    main()
