"""B1: train the model."""

import dataclasses
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from backward_search.cli import EmbedOptions, TrainOptions, next_command
from backward_search.cli.console import skippable
from backward_search.cli.translation import run_name, run_paths
from backward_search.data import registry
from backward_search.data.class_vectors import ClassVectors, named_files
from backward_search.data.guesses import load_guessed, warnings_of_guesses
from backward_search.data.opening import MAX_PIXELS
from backward_search.data.prepared import load_table, load_tags
from backward_search.data.provenance import prepared_look, provenance
from backward_search.data.registry import EMBEDDINGS, Preprocessing
from backward_search.data.splits import held_out
from backward_search.data.tables import SPLITS, Table
from backward_search.distributed import Group, working_together
from backward_search.errors import DataError, OptionError
from backward_search.images.loading import ImageLoader, unreadable_images
from backward_search.model.embedding import is_mixed
from backward_search.model.encoders import Start, has_weights, weights_look
from backward_search.model.features import Features, HowImagesAreRead, KeptFeatures, given_features
from backward_search.model.network import Model, ModelConfig
from backward_search.progress import progress
from backward_search.published.bundle.conversion import convert_bundle
from backward_search.runs.run import config_json, find_device
from backward_search.storage.atomic import write_csv, write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import RunPaths, rooted
from backward_search.storage.tensors import load_tensors, save_tensors
from backward_search.training import checkpoint
from backward_search.training.by_vectors import Labelled, take_vectors
from backward_search.training.features import FeatureLoader
from backward_search.training.history import History, TensorBoard
from backward_search.training.recipe import RECIPES
from backward_search.training.trainer import Loader, Trainer, TrainingConfig

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
        return _train(options, device, group)


def _train(options: TrainOptions, device: torch.device, group: Group) -> Path:
    paths = run_paths(options)
    with group.one_after_the_first():
        convert_bundle(options.data, options.entry)
    tables = {split: load_table(options.data, options.entry, split) for split in SPLITS}
    known = _class_vectors(options, tables["train"])
    config, model_config, look = _configurations(options, tables["train"], known)
    stage = _stage(options, paths, config, model_config, look)
    done = stage.is_done(overwrite=options.overwrite)
    group.wait()  # nobody writes before everybody has looked
    if done:
        return paths.folder
    if options.skip_unreadable:
        tables = {split: _readable(options, table) for split, table in tables.items()}
    all_tables = dict(tables)
    tables["train"], held = _held_out(options, tables["train"])
    images = {split: _loader(options, table, look, group) for split, table in tables.items()}
    torch.manual_seed(options.seed)
    with group.one_after_the_first():
        model = Model(model_config, pretrained=_start(options))
    model.mixed_precision = _mixed_precision(options, device)
    model.to(device)
    features = _features(options, model, all_tables, config, look, device, group)
    if known:
        take_vectors(model, known, _labelled(options, all_tables["train"], features["train"], known), device)
    loaders: Mapping[str, Loader] = images
    if features:
        loaders = {split: FeatureLoader(images[split], features[split], tables[split].keys) for split in SPLITS}
    trainer = Trainer(model, config, look, device, group=group, compiled=options.compile, on_features=bool(features))
    if group.leads:
        stage.begin()
        checkpoint.prepare(paths, {"settings": stage.settings, "inputs": stage.hashes}, overwrite=options.overwrite)
    group.wait()
    history = History(options.attributes)
    checkpoint.resume(trainer, history, paths)
    LOG.info(
        "training on %s, %d images (%d held out), seed %d",
        _where(device, group),
        len(tables["train"]),
        len(held),
        options.seed,
    )
    for words in warnings_of_guesses(options.data, options.attributes, tables["test"].keys):
        LOG.warning("%s", words)
    _fit(trainer, loaders, options, paths, history, leads=group.leads)
    if group.leads:
        classes = {name: tables["train"].classes[name] for name in options.attributes}
        write_csv(paths.holdout, ["key"], ([key] for key in held))
        _finish(
            trainer,
            options,
            paths,
            history,
            config_json(run_name(options), model.config, look, classes) | {"tables": provenance(options.data)},
            stage,
        )
    return paths.folder


def _configurations(
    options: TrainOptions, table: Table, known: Mapping[str, ClassVectors]
) -> tuple[TrainingConfig, ModelConfig, Preprocessing]:
    recipe, entry = RECIPES[options.recipe], options.entry
    config = TrainingConfig(
        num_epoch=options.num_epoch,
        lr=options.lr or recipe.lr or entry.lr,
        weight_decay=recipe.weight_decay if options.weight_decay is None else options.weight_decay,
        lr_scheduler_step=options.lr_scheduler_step,
        lr_scheduler_gamma=options.lr_scheduler_gamma,
        enc_update=options.enc_update,
        seed=options.seed,
        recipe=options.recipe,
        encoder_rate=recipe.encoder_rate if _is_pretrained(options) else 1.0,
        checkpoint_step=options.checkpoint_step,
    )
    classes = {name: len(table.classes[name]) for name in options.attributes}
    model = ModelConfig(
        options.encoder_model,
        options.encoding_size,
        classes,
        options.image_size,
        recipe.final_norm,
        projection=options.encoding_size > 0,
        features=_given_width(options),
        by_vectors=tuple(known),
    )
    look = prepared_look(entry, options.data)
    look = dataclasses.replace(look, size=options.image_size, max_pixels=options.max_pixels)
    look = dataclasses.replace(look, augment=_augments(options, look))
    seen = options.pretrained and options.encoder_model != EMBEDDINGS
    return config, model, (weights_look(options.encoder_model, look) if seen else look)


def _start(options: TrainOptions) -> Start:
    return options.pretrained if isinstance(options.pretrained, bool) else rooted(options.pretrained)


def _is_pretrained(options: TrainOptions) -> bool:
    """Whether the encoder starts from weights: those of a file, or its published ones, where it has such."""
    if options.encoder_model == EMBEDDINGS:
        return False
    return bool(options.pretrained) and (options.pretrained is not True or has_weights(options.encoder_model))


def _class_vectors(options: TrainOptions, table: Table) -> dict[str, ClassVectors]:
    """By attribute the vectors that tell its classes, of those that the options name, or that A1 was given.

    Raises:
        OptionError: there is such an attribute, and embeddings do not stay in the space of those vectors.
        DataError: a class has no vector.
    """
    if options.class_vectors == "-":
        return {}
    named = named_files(options.class_vectors)
    stray = [name for name in named if name not in options.attributes]
    if stray:
        raise OptionError(f"--class_vectors {stray[0]}: {options.category_type} has {', '.join(options.attributes)}")
    stays = options.encoding_size == 0 and (options.encoder_model == EMBEDDINGS or not options.enc_update)
    if named and not stays:
        what = "--encoding_size 0" + ("" if options.encoder_model == EMBEDDINGS else " --enc_update False")
        raise OptionError(f"--class_vectors are in the space of the encoder's features as they are: pass {what} too")
    if not named and stays:
        places = {name: options.data.class_vectors(name) for name in options.attributes}
        named = {name: file for name, file in places.items() if file.is_file()}
    return {name: ClassVectors.read(file).of(table.classes[name], name) for name, file in named.items()}


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


def _given_width(options: TrainOptions) -> int:
    """The width of the vectors that stand for images; 0 where an encoder makes the features.

    Raises:
        OptionError: there are no vectors.
    """
    if options.encoder_model != EMBEDDINGS:
        return 0
    if not options.entry.vectors:
        raise OptionError(
            f"--encoder_model {EMBEDDINGS} is for a data set of vectors, and {options.dataset_name} has images: "
            "prepare it with vectors by A1.Data-Preprocessing-custom.py, or name an encoder"
        )
    if not isinstance(options.pretrained, bool):
        raise OptionError(f"--pretrained {options.pretrained}: {EMBEDDINGS} have no encoder that could start from it")
    return options.entry.vectors


def _augments(options: TrainOptions, look: Preprocessing) -> bool:
    """Whether images are cropped and flipped at random: as the data set says, unless the options do.

    Not where the encoder of the user's own images is frozen: its features can then be made once.
    """
    if options.augment is not None:
        return options.augment
    return look.augment and (options.enc_update or registry.is_registered(options.dataset_name))


def _stage(
    options: TrainOptions, paths: RunPaths, config: TrainingConfig, model: ModelConfig, look: Preprocessing
) -> Stage:
    names = ["batch_size", "pretrained", "precision", "use_epoch", "skip_unreadable"]
    names += ["holdout"] if options.holdout else []
    names += ["max_pixels"] if options.skip_unreadable and options.max_pixels != MAX_PIXELS else []
    settings = dataclasses.asdict(config) | {name: getattr(options, name) for name in names}
    start = _start(options)
    files = {} if isinstance(start, bool) else {"pretrained": Path(start)}
    settings |= {"pretrained": "a file"} if files else {}  # which one, its content says, wherever it lies
    settings |= {"look": look.in_json, "recipe": dataclasses.asdict(RECIPES[options.recipe])}
    inputs = {split: options.data.table(split) for split in SPLITS} | {"classes": options.data.classes} | files
    named = named_files(options.class_vectors) if options.class_vectors != "-" else {}
    named = named or {name: options.data.class_vectors(name) for name in model.by_vectors}
    inputs |= {f"class vectors of {name}": named[name] for name in model.by_vectors}
    if options.encoder_model == EMBEDDINGS:
        inputs |= {f"vectors of {split}": options.data.vectors(split) for split in SPLITS}
    return Stage("B1", paths.manifest("B1"), settings, inputs, [paths.weights, paths.config, paths.history])


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


def _loader(options: TrainOptions, table: Table, look: Preprocessing, group: Group) -> ImageLoader:
    return ImageLoader(
        [options.data.image(path) for path in table.paths],
        {name: table.ids[name] for name in options.attributes},
        look,
        batch_size=options.batch_size,
        workers=options.n_workers,
        seed=options.seed if table.split == "train" else None,
        group=group,
    )


def _features(
    options: TrainOptions,
    model: Model,
    tables: Mapping[str, Table],
    config: TrainingConfig,
    look: Preprocessing,
    device: torch.device,
    group: Group,
) -> dict[str, Features]:
    """By split what the model is trained on in place of images, where that does not change; else nothing."""
    if model.config.features:
        return {split: given_features(options.data, split) for split in tables}
    if config.enc_update or look.augment:
        return {}
    model.mixed_precision = is_mixed(options.precision, device)  # as C1 takes them
    kept = KeptFeatures.of(options.data, model, look, provenance(options.data))
    LOG.info("the encoder is frozen: its features are made once, and kept in %s", kept.folder)
    how = HowImagesAreRead(EmbedOptions.batch_size, options.n_workers, device)
    return {split: kept.there(split, table.keys) or kept.make(table, how, group) for split, table in tables.items()}


def _mixed_precision(options: TrainOptions, device: torch.device) -> bool:
    if options.precision == "auto":
        return device.type == "cuda" and RECIPES[options.recipe].mixed_precision
    return options.precision == "bf16"


def _where(device: torch.device, group: Group) -> str:
    return f"{group.size} times {device.type}" if group.size > 1 else str(device)


def _fit(
    trainer: Trainer,
    loaders: Mapping[str, Loader],
    options: TrainOptions,
    paths: RunPaths,
    history: History,
    *,
    leads: bool,
) -> None:
    """Train to the last epoch, keeping the state after each and every `checkpoint_step` steps."""
    if not trainer.learns:
        LOG.info("every head is told by vectors: there is nothing to train")
        history.add(trainer.evaluate(loaders["train"]), trainer.evaluate(loaders["test"]))
        checkpoint.keep(trainer, history, paths, leads=leads)
        return
    board = TensorBoard(paths.tensorboard, on=leads and trainer.epoch < options.num_epoch)
    for epoch in range(trainer.epoch, options.num_epoch):
        title = f"epoch {epoch + 1}/{options.num_epoch}"
        with progress(range(loaders["train"].steps), title, "batch") as bar:
            after_step = partial(_after_step, bar, trainer, options, paths, history, leads=leads)
            trained = trainer.train_epoch(loaders["train"], after_step)
        tested = trainer.evaluate(loaders["test"])
        if leads:
            history.add(trained, tested)
            history.write(paths.history)
            board.add(history)
            LOG.info("%s: loss %.3f, test accuracy: %s", title, trained.loss, _listed(tested.accuracy))
        checkpoint.keep(trainer, history, paths, leads=leads)


def _after_step(
    bar: "tqdm[int]", trainer: Trainer, options: TrainOptions, paths: RunPaths, history: History, *, leads: bool
) -> None:
    bar.update()
    if trainer.step % options.verbose_step == 0 and not bar.disable:  # reading the sums waits for the device
        result = trainer.tally.result()
        bar.set_postfix_str(f"loss {result.loss:.3f}, accuracy: {_listed(result.accuracy)}")
    if trainer.step % options.checkpoint_step == 0:
        checkpoint.keep(trainer, history, paths, leads=leads)


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
    last = trainer.model.state_dict()
    if best:
        save_tensors(paths.last_weights, last)
    save_tensors(paths.weights, load_tensors(paths.best_weights)[0] if best else last)
    history.write(paths.history)
    history.draw(paths.figure)
    stage.finish(seed=options.seed, **summary)
    checkpoint.clear(paths)
    LOG.info("best epoch %d: test accuracy: %s", summary["best_epoch"], _listed(summary["best_test_accuracy"]))
    LOG.info("wrote %s; next: %s", paths.weights, next_command(options, "C1.ModelTest.py", EmbedOptions))
