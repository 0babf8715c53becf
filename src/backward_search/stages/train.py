"""B1: train the model."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from backward_search.cli import EmbedOptions, TrainOptions, next_command
from backward_search.cli.console import HEADLINE, NEXT, skippable
from backward_search.cli.translation import run_name, run_paths
from backward_search.context.gathering import tokens_of
from backward_search.context.shared import Shared
from backward_search.data.class_vectors import ClassVectors
from backward_search.data.guesses import load_guessed, warnings_of_guesses
from backward_search.data.prepared import load_table, load_tags
from backward_search.data.provenance import provenance
from backward_search.data.registry import Preprocessing
from backward_search.data.splits import held_out
from backward_search.data.tables import SPLITS, Table
from backward_search.distributed import Group, working_together
from backward_search.errors import DataError, OptionError
from backward_search.images.loading import ImageLoader, unreadable_images
from backward_search.model.embedding import is_mixed
from backward_search.model.features import Features, HowImagesAreRead, KeptFeatures, given_features
from backward_search.model.network import Model
from backward_search.model.precision import precision_of, products_in
from backward_search.progress import Bar, progress
from backward_search.published.bundle.conversion import convert_bundle
from backward_search.runs.run import config_json, find_device
from backward_search.stages.describe_heads import describe_heads
from backward_search.stages.train_plan import TrainPlan, is_half, training_stage
from backward_search.storage.atomic import write_csv, write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import RunPaths
from backward_search.storage.tensors import load_tensors, save_tensors
from backward_search.training import checkpoint
from backward_search.training.by_vectors import Labelled, take_vectors
from backward_search.training.features import FeatureLoader
from backward_search.training.history import History, TensorBoard
from backward_search.training.keeping import Kept
from backward_search.training.trainer import EpochResult, Loader, Trainer

LOG = logging.getLogger(__name__)


@skippable()
def train(options: TrainOptions) -> Path:
    """Train the model that the options describe, from where an interrupted training was last kept.

    Returns:
        The run's folder.
    """
    device = find_device(options.device)
    with working_together(device) as group:
        if options.batch_size < 2 * group.size:
            raise OptionError(
                f"--batch_size {options.batch_size} is too small for {group.size} processes: two for each"
            )
        with products_in(options.precision):
            folder = _train(options, device, group)
    LOG.info("next: %s", next_command(options, "C1.ModelTest.py", EmbedOptions), extra=NEXT)
    return folder


def _train(options: TrainOptions, device: torch.device, group: Group) -> Path:
    paths = run_paths(options)
    with group.one_after_the_first():
        convert_bundle(options.data, options.entry)
    tables = {split: load_table(options.data, options.entry, split) for split in SPLITS}
    plan = TrainPlan.of(options, tables["train"])
    stage = training_stage(options, paths, plan)
    done = stage.is_done(overwrite=options.overwrite)
    group.wait()  # nobody writes before everybody has looked
    if not done:
        with stage.alone() if group.leads else nullcontext():
            _work(options, paths, plan, stage, tables, device, group)
    return paths.folder


def _work(
    options: TrainOptions,
    paths: RunPaths,
    plan: TrainPlan,
    stage: Stage,
    tables: dict[str, Table],
    device: torch.device,
    group: Group,
) -> None:
    """Train, and write what came of it."""
    if options.skip_unreadable and not plan.model.features:
        tables = {split: _readable(options, table) for split, table in tables.items()}
    all_tables = dict(tables)
    tables["train"], held = _held_out(options, tables["train"])
    images = {split: _loader(options, table, plan.look, device, group) for split, table in tables.items()}
    model, features = _model(options, plan, all_tables, device, group)
    loaders: Mapping[str, Loader] = images
    if features:
        loaders = {split: FeatureLoader(images[split], features[split], tables[split].keys) for split in SPLITS}
    trainer = Trainer(
        model,
        plan.training,
        plan.look,
        device,
        group=group,
        compiled=options.compile,
        on_features=bool(features),
        kept=_kept(options, tables["train"]),
    )
    reserved = {"settings": stage.settings, "inputs": stage.hashes}
    if group.leads:
        stage.begin()
        checkpoint.prepare(paths, reserved, overwrite=options.overwrite)
    group.wait()
    history = History(options.attributes)
    checkpoint.resume(trainer, history, paths)
    counts = len(tables["train"]), len(held)
    LOG.info("training on %s, %d images (%d held out), seed %d", _where(device, group), *counts, options.seed)
    if device.type == "cuda" and precision_of(model.mixed_precision) == "fp32" and not features:
        LOG.info("in float32, as published; --precision tf32 or bf16 is several times faster, see docs/gpu.md")
    for words in warnings_of_guesses(options.data, options.attributes, tables["test"].keys) if group.leads else ():
        LOG.warning("%s", words)
    with _one_thread() if features and device.type == "cpu" else nullcontext():
        keep = partial(checkpoint.keep, trainer, history, paths, reserved, leads=group.leads)
        tested = _fit(trainer, loaders, options, paths, history, keep, leads=group.leads)
    if options.use_epoch == "best":
        _take_best(trainer, paths, group)
    if options.use_epoch == "best" or tested is None:
        tested = trainer.evaluate(loaders["test"])
    if group.leads:
        classes = {name: tables["train"].classes[name] for name in options.attributes}
        write_csv(paths.holdout, ["key"], ([key] for key in held))
        sure = {name: counts for name, counts in tested.confusion.items() if name not in load_guessed(options.data)}
        describe_heads(paths, tables["train"], sure)
        config = config_json(run_name(options), model.config, plan.look, classes)
        _finish(trainer, options, paths, history, config | {"tables": provenance(options.data)}, stage)


def _model(
    options: TrainOptions, plan: TrainPlan, tables: Mapping[str, Table], device: torch.device, group: Group
) -> tuple[Model, dict[str, Features]]:
    """The network before training, and by split what it is trained on in place of images, if that does not change."""
    torch.manual_seed(options.seed)
    with group.one_after_the_first():
        model = Model(plan.model, pretrained=plan.start).to(device)
    model.mixed_precision = is_half(options, device)
    features = _features(options, model, tables, plan, device, group)
    if plan.known:
        take_vectors(model, plan.known, _labelled(options, tables["train"], features["train"], plan.known), device)
    return model, features


def _labelled(
    options: TrainOptions, table: Table, features: Features, known: Mapping[str, ClassVectors]
) -> dict[str, Labelled]:
    """By attribute the training images whose label is no guess."""
    found, guessed = {}, load_guessed(options.data)
    for name in known:
        sure = [row for row, key in enumerate(table.keys) if key not in guessed.get(name, ())]
        keys = table.keys
        found[name] = Labelled(features, features.rows([keys[row] for row in sure]), table.ids[name][sure])
    return found


def _readable(options: TrainOptions, table: Table) -> Table:
    """The table without the images that cannot be read, which are counted and listed."""
    files = [options.data.image(path) for path in table.paths]
    bad = unreadable_images(files, options.n_workers, options.max_pixels)
    for reason in bad.values():
        LOG.warning("left out: %s", reason)
    if len(bad) == len(table):
        raise DataError(f"none of the {len(table)} images of the {table.split} split can be read")
    LOG.info("%d of %d images of the %s split cannot be read", len(bad), len(table), table.split)
    return table.without(bad)


def _held_out(options: TrainOptions, table: Table) -> tuple[Table, list[str]]:
    """The training table without the images that are kept from training, and the keys of those."""
    labels = {name: table.labels(name) for name in options.attributes}
    known = load_tags(options.data).groups if options.holdout else {}
    keys = table.keys
    groups = [known[key] for key in keys] if known else None
    rows = held_out(labels, groups, options.holdout, options.seed)
    return table.without(set(rows.tolist())), [keys[row] for row in rows]


def _kept(options: TrainOptions, table: Table) -> Kept | None:
    """What the embedding is asked for beside the classes: tags and captions, else labels without a head."""
    if not options.keep_tags:
        return None
    found = tokens_of(table, load_tags(options.data))
    found = {source: each for source, each in found.items() if source not in ("groups", *options.attributes)}
    kept = Kept.of(Shared.gathered(found, {}), options.keep_tags) if found else None
    if kept is None or not kept.targets.any():
        raise OptionError(f"--keep_tags: {options.dataset_name} has no tags, captions or further labels to keep")
    LOG.info("keeping what %d tokens need (%s)", kept.targets.shape[1], ", ".join(found))
    return kept


def _loader(
    options: TrainOptions, table: Table, look: Preprocessing, device: torch.device, group: Group
) -> ImageLoader:
    return ImageLoader(
        [options.data.image(path) for path in table.paths],
        {name: table.ids[name] for name in options.attributes},
        look,
        batch_size=options.batch_size,
        workers=options.n_workers,
        seed=options.seed if table.split == "train" else None,
        group=group,
        device=device,
    )


def _features(
    options: TrainOptions,
    model: Model,
    tables: Mapping[str, Table],
    plan: TrainPlan,
    device: torch.device,
    group: Group,
) -> dict[str, Features]:
    """By split what the model is trained on in place of images, where that does not change; else nothing."""
    if model.config.features:
        return {split: given_features(options.data, split) for split in tables}
    if plan.training.enc_update or plan.look.augment:
        return {}
    model.mixed_precision = is_mixed(options.precision, device)  # as C1 takes them
    kept = KeptFeatures.of(options.data, model, plan.look)
    LOG.info("the encoder is frozen: its features are made once, and kept in %s", kept.folder)
    how = HowImagesAreRead(EmbedOptions.batch_size, options.n_workers, device)
    return {split: kept.there(table) or kept.make(table, how, group) for split, table in tables.items()}


def _where(device: torch.device, group: Group) -> str:
    return f"{group.size} times {device.type}" if group.size > 1 else str(device)


def _fit(
    trainer: Trainer,
    loaders: Mapping[str, Loader],
    options: TrainOptions,
    paths: RunPaths,
    history: History,
    keep: Callable[[], None],
    *,
    leads: bool,
) -> EpochResult | None:
    """Train to the last epoch, keeping the state by `keep` after each and every `checkpoint_step` steps.

    Returns:
        The evaluation after the last epoch; None where an earlier process made it.
    """
    if not trainer.learns:
        LOG.info("every head is told by vectors: there is nothing to train")
        trained, only = trainer.evaluate(loaders["train"]), trainer.evaluate(loaders["test"])
        if leads and not history.rows:
            history.add(trained, only)
        keep()
        return only
    tested = None
    board = TensorBoard(paths.tensorboard, on=leads and trainer.epoch < options.num_epoch)
    for epoch in range(trainer.epoch, options.num_epoch):
        title = f"epoch {epoch + 1}/{options.num_epoch}"
        with progress(range(loaders["train"].steps), title, "batch") as bar:
            after_step = partial(_after_step, bar, trainer, options, keep)
            trained = trainer.train_epoch(loaders["train"], after_step)
        if not math.isfinite(trained.loss):
            raise DataError(f"the loss is {trained.loss} after {title}: pass a smaller --lr, and --overwrite True")
        tested = trainer.evaluate(loaders["test"])
        if leads:
            history.add(trained, tested)
            history.write(paths.history)
            board.add(history)
            LOG.info("%s: loss %.3f, test accuracy: %s", title, trained.loss, _listed(tested.accuracy))
        keep()
    return tested


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch use one core: steps of a few milliseconds gain nothing by two, and wait where others use one too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _take_best(trainer: Trainer, paths: RunPaths, group: Group) -> None:
    """Write the weights of the last epoch, and go back to those of the best one."""
    if group.leads:
        save_tensors(paths.last_weights, trainer.model.state_dict())
    group.wait()  # until the best ones are written
    trainer.model.load_state_dict(load_tensors(paths.best_weights)[0])


def _after_step(bar: Bar, trainer: Trainer, options: TrainOptions, keep: Callable[[], None]) -> None:
    bar.update()
    if trainer.step % options.verbose_step == 0 and bar.shown:  # reading the sums waits for the device
        result = trainer.tally.result()
        bar.set_postfix_str(f"loss {result.loss:.3f}, accuracy: {_listed(result.accuracy)}")
    if trainer.step % options.checkpoint_step == 0:
        keep()


def _listed(accuracy: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in accuracy.items())


def _finish(
    trainer: Trainer, options: TrainOptions, paths: RunPaths, history: History, config: dict[str, Any], stage: Stage
) -> None:
    """Write the network, its configuration and its history; the manifest comes last."""
    best = options.use_epoch == "best"
    summary = history.summary()
    config["training"] = {"recipe": options.recipe, "weights_of_epoch": summary["best_epoch" if best else "epochs"]}
    write_json(paths.config, config | {"training": config["training"] | summary})
    save_tensors(paths.weights, trainer.model.state_dict())
    history.write(paths.history)
    from backward_search.drawing.history import draw_history  # with matplotlib: half a second, needed here alone

    draw_history(paths.figure, history)
    stage.finish([paths.holdout, paths.heads_table], seed=options.seed, **summary)
    checkpoint.clear(paths)
    accuracy = _listed(summary["best_test_accuracy"])
    LOG.info("best epoch %d: test accuracy: %s", summary["best_epoch"], accuracy, extra=HEADLINE)
    LOG.info("wrote %s", paths.weights)
    LOG.info("how well each class is recognised:")
    LOG.info("wrote %s", paths.heads_table)
