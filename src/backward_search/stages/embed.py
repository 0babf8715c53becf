"""C1: embed the images of a data set with a trained model."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from backward_search.console import progress
from backward_search.datasets.images import ImageLoader, normalise
from backward_search.datasets.prepared import load_table
from backward_search.datasets.tables import SPLITS
from backward_search.files.atomic import write_array, write_csv
from backward_search.files.manifest import Stage
from backward_search.model import Model
from backward_search.options import DistillOptions, EmbedOptions, next_command
from backward_search.run import Run, find_device

LOG = logging.getLogger(__name__)


def embed(options: EmbedOptions) -> Path:
    """Write embeddings and logits of both splits, under the test transform.

    Returns:
        The folder of the embeddings.
    """
    run = Run.open(options)
    stage = embedding_stage(run, options)
    folder = run.paths.embeddings("test").parent
    if stage.is_done(overwrite=options.overwrite):
        return folder
    device = find_device(options.device)
    model = run.load_model(device)
    stage.begin()
    shapes = {split: _embed_split(run, model, options, split, device) for split in SPLITS}
    stage.finish(shapes=shapes)
    LOG.info("wrote %s; next: %s", folder, next_command(options, "D1.Train-KD-Model.py", DistillOptions))
    return folder


def embedding_stage(run: Run, options: EmbedOptions, splits: Sequence[str] = SPLITS) -> Stage:
    """The record of a run's embeddings, of which those of `splits` have to be there."""
    inputs = {split: options.data.table(split) for split in SPLITS} | {"weights": run.paths.weights}
    outputs = [run.paths.embeddings(split) for split in splits] + [run.paths.rows(split) for split in splits]
    outputs += [run.paths.logits(split, name) for split in splits for name in run.classes]
    return Stage("C1", run.paths.manifest("C1"), {}, inputs, outputs)


@torch.inference_mode()
def _embed_split(run: Run, model: Model, options: EmbedOptions, split: str, device: torch.device) -> list[int]:
    table = load_table(options.data, options.entry, split)
    files = [options.data.image(path) for path in table.paths]
    loader = ImageLoader(files, {}, run.look, batch_size=options.batch_size, workers=options.n_workers)
    embeddings = np.empty((len(table), run.model.encoding_size), np.float32)
    logits = {name: np.empty((len(table), len(labels)), np.float32) for name, labels in run.classes.items()}
    for batch in progress(loader.epoch(), f"embedding {split}", "batch", len(loader.batches())):
        rows = batch.rows.numpy()
        z = model.embed(normalise(batch.pixels, run.look, device))
        embeddings[rows] = z.cpu().numpy()
        for name, values in model.classify(z).items():
            logits[name][rows] = values.cpu().numpy()
    write_array(run.paths.embeddings(split), embeddings)
    for name, array in logits.items():
        write_array(run.paths.logits(split, name), array)
    write_csv(run.paths.rows(split), ["key"], ([key] for key in table.keys))
    return list(embeddings.shape)
