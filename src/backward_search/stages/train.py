"""B1: train the model."""

import dataclasses
import logging
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from backward_search.console import progress
from backward_search.datasets.images import Batch, ImageLoader
from backward_search.datasets.prepared import load_table
from backward_search.datasets.registry import Preprocessing
from backward_search.datasets.tables import Table
from backward_search.errors import DataError, StaleError
from backward_search.files.atomic import read_json, write_csv, write_json
from backward_search.files.manifest import Stage
from backward_search.files.paths import RunPaths
from backward_search.files.tensors import load_tensors, save_tensors
from backward_search.model import Model, ModelConfig
from backward_search.options import EmbedOptions, TrainOptions, next_command
from backward_search.run import config_json, find_device, run_paths
from backward_search.training import Trainer, TrainingConfig

LOG = logging.getLogger(__name__)


def train(options: TrainOptions) -> Path:
    """Train the model that the options describe, from its last finished epoch if there is one.

    Returns:
        The run's folder.
    """
    paths, entry, attributes = run_paths(options), options.entry, options.attributes
    tables = {split: load_table(options.data, entry, split) for split in ("train", "test")}
    classes = {name: tables["train"].classes[name] for name in attributes}
    if len(tables["train"]) < 2:
        raise DataError(f"{options.dataset_name} has a single training image: BatchNorm needs two")
    config = TrainingConfig(
        options.num_epoch,
        options.lr,
        options.weight_decay,
        options.lr_scheduler_step,
        options.lr_scheduler_gamma,
        options.enc_update,
        options.seed,
    )
    settings = dataclasses.asdict(config) | {"batch_size": options.batch_size, "pretrained": options.pretrained}
    look = dataclasses.replace(entry.preprocessing, size=options.image_size)
    settings["look"] = dataclasses.asdict(look)
    inputs = {split: options.data.table(split) for split in tables} | {"classes": options.data.classes}
    stage = Stage("B1", paths.manifest("B1"), settings, inputs, [paths.weights, paths.config, paths.history])
    if stage.is_done(overwrite=options.overwrite):
        return paths.folder
    device = find_device(options.device)
    model_config = ModelConfig(
        options.encoder_model,
        options.encoding_size,
        {name: len(labels) for name, labels in classes.items()},
        options.image_size,
    )
    torch.manual_seed(options.seed)
    trainer = Trainer(Model(model_config, pretrained=options.pretrained), config, look, device)
    stage.begin()
    LOG.info("training on %s: %d images, seed %d", device, len(tables["train"]), options.seed)
    history = _resumed(trainer, paths, stage, overwrite=options.overwrite)
    _fit(trainer, options, look, tables, paths, history)
    write_json(paths.config, config_json(model_config, look, classes))
    save_tensors(paths.weights, trainer.model.state_dict())
    stage.finish(seed=options.seed, epochs=len(history))
    for leftover in (paths.checkpoint, paths.reserved):
        leftover.unlink(missing_ok=True)
    LOG.info("wrote %s; next: %s", paths.weights, next_command(options, "C1.ModelTest.py", EmbedOptions))
    return paths.folder


def _resumed(trainer: Trainer, paths: RunPaths, stage: Stage, *, overwrite: bool) -> list[list[float]]:
    """Take up the training under way, if it is of the same settings and inputs; its history so far."""
    reserved = {"settings": stage.settings, "inputs": stage.hashes}
    if not overwrite and paths.reserved.exists() and paths.checkpoint.exists():
        if read_json(paths.reserved) != reserved:
            raise StaleError(
                f"{paths.folder} holds an unfinished training of other settings: pass --overwrite True to drop it"
            )
        tensors, _ = load_tensors(paths.checkpoint)
        history: list[list[float]] = tensors.pop("history").tolist()
        trainer.restore(tensors)
        LOG.info("going on after epoch %d", len(history))
        return history
    paths.checkpoint.unlink(missing_ok=True)
    write_json(paths.reserved, reserved)
    return []


def _show_loss(bar: "tqdm[Batch]", every: int, step: int, loss: torch.Tensor) -> None:
    if step % every == 0 and not bar.disable:  # reading the loss waits for the device
        bar.set_postfix(loss=f"{float(loss):.3f}")


def _fit(
    trainer: Trainer,
    options: TrainOptions,
    look: Preprocessing,
    tables: dict[str, Table],
    paths: RunPaths,
    history: list[list[float]],
) -> None:
    loaders = {
        split: ImageLoader(
            [options.data.image(path) for path in table.paths],
            {name: table.ids[name] for name in options.attributes},
            look,
            batch_size=options.batch_size,
            workers=options.n_workers,
            seed=options.seed if split == "train" else None,
        )
        for split, table in tables.items()
    }
    steps = len(loaders["train"].batches())
    for epoch in range(len(history), options.num_epoch):
        batches = progress(loaders["train"].epoch(epoch), f"epoch {epoch + 1}/{options.num_epoch}", "batch", steps)
        trained = trainer.train_epoch(batches, epoch, partial(_show_loss, batches, options.verbose_step))
        tested = trainer.evaluate(loaders["test"].epoch())
        history.append([trained.loss, tested.loss, *trained.accuracy.values(), *tested.accuracy.values()])
        save_tensors(paths.checkpoint, trainer.state() | {"history": torch.tensor(history, dtype=torch.float64)})
        accuracy = ", ".join(f"{name} {value:.3f}" for name, value in tested.accuracy.items())
        LOG.info("epoch %d/%d: loss %.3f, test accuracy: %s", epoch + 1, options.num_epoch, trained.loss, accuracy)
    names = [f"{split}_accuracy_{name}" for split in ("train", "test") for name in options.attributes]
    rows = [[epoch + 1, *row] for epoch, row in enumerate(history)]
    write_csv(paths.history, ["epoch", "train_loss", "test_loss", *names], rows)
