"""What B1's options say of a training: its numbers, the network, how images are seen, and the record of it all."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from backward_search.cli import TrainOptions
from backward_search.data import registry
from backward_search.data.class_vectors import ClassVectors, named_files
from backward_search.data.opening import MAX_PIXELS
from backward_search.data.provenance import prepared_look
from backward_search.data.registry import EMBEDDINGS, Preprocessing
from backward_search.data.tables import SPLITS, Table
from backward_search.errors import OptionError
from backward_search.model.encoders import Start, has_weights, weights_look
from backward_search.model.network import ModelConfig
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import RunPaths, rooted
from backward_search.training.recipe import RECIPES
from backward_search.training.trainer import TrainingConfig


@dataclass(frozen=True)
class TrainPlan:
    """How a model is trained.

    Attributes:
        training: epochs, rates and the like.
        model: the network.
        start: what the encoder starts from.
        look: how images become its input.
        known: by attribute the vectors that tell its classes, in their order; the other attributes have trained heads.
    """

    training: TrainingConfig
    model: ModelConfig
    start: Start
    look: Preprocessing
    known: Mapping[str, ClassVectors]

    @classmethod
    def of(cls, options: TrainOptions, table: Table) -> "TrainPlan":
        """What the options say, on a training table.

        Raises:
            OptionError: they contradict each other, or the data set.
            DataError: a class has no vector.
        """
        if options.keep_tags and _stays(options):
            raise OptionError(f"--keep_tags trains the embedding, which {_staying(options)} leaves as it is")
        known = _class_vectors(options, table)
        training, model, look = _configurations(options, table, known)
        return cls(training, model, start_of(options), look, known)


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
    look = dataclasses.replace(look, augment=not known and _augments(options, look))
    seen = options.pretrained and options.encoder_model != EMBEDDINGS
    return config, model, (weights_look(options.encoder_model, look) if seen else look)


def is_half(options: TrainOptions, device: torch.device) -> bool:
    """Whether the encoder computes in bfloat16 while it is trained."""
    if options.precision == "auto":
        return device.type == "cuda" and RECIPES[options.recipe].mixed_precision
    return options.precision == "bf16"


def start_of(options: TrainOptions) -> Start:
    """What the encoder starts from: its published weights, a file of weights, or random numbers."""
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
    if named and not _stays(options):
        what = _staying(options)
        raise OptionError(f"--class_vectors are in the space of the encoder's features as they are: pass {what} too")
    if not named and _stays(options):
        places = {name: options.data.class_vectors(name) for name in options.attributes}
        named = {name: file for name, file in places.items() if file.is_file()}
    return {name: ClassVectors.read(file).of(table.classes[name], name) for name, file in named.items()}


def _stays(options: TrainOptions) -> bool:
    """Whether embeddings are what the encoder makes as it is, or the vectors that stand for images."""
    return options.encoding_size == 0 and (options.encoder_model == EMBEDDINGS or not options.enc_update)


def _staying(options: TrainOptions) -> str:
    """What makes them stay, in options."""
    return "--encoding_size 0" + ("" if options.encoder_model == EMBEDDINGS else " --enc_update False")


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


def training_stage(options: TrainOptions, paths: RunPaths, plan: TrainPlan) -> Stage:
    """The record of a training: what it depends on, and the files that have to exist."""
    names = ["batch_size", "pretrained", "precision", "use_epoch", "skip_unreadable"]
    names += ["holdout"] if options.holdout else []
    names += ["keep_tags"] if options.keep_tags else []
    names += ["max_pixels"] if options.skip_unreadable and options.max_pixels != MAX_PIXELS else []
    settings = dataclasses.asdict(plan.training) | {name: getattr(options, name) for name in names}
    start = plan.start
    files = {} if isinstance(start, bool) else {"pretrained": Path(start)}
    settings |= {"pretrained": "a file"} if files else {}  # which one, its content says, wherever it lies
    settings |= {"look": plan.look.in_json, "recipe": dataclasses.asdict(RECIPES[options.recipe])}
    inputs = {split: options.data.table(split) for split in SPLITS} | {"classes": options.data.classes} | files
    named = named_files(options.class_vectors) if options.class_vectors != "-" else {}
    named = named or {name: options.data.class_vectors(name) for name in plan.known}
    inputs |= {f"class vectors of {name}": named[name] for name in plan.known}
    inputs |= {"guessed": options.data.guessed} if plan.known and options.data.guessed.exists() else {}
    inputs |= {"tags": options.data.tags} if options.keep_tags else {}
    if plan.model.features:
        inputs |= {f"vectors of {split}": options.data.vectors(split) for split in SPLITS}
    return Stage("B1", paths.manifest("B1"), settings, inputs, [paths.weights, paths.config, paths.history])
