"""C1: embed the images of a data set, or of any folder, with a trained model."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backward_search.cli import DistillOptions, EmbedOptions, next_command
from backward_search.cli.console import NEXT, skippable
from backward_search.cli.translation import opened_run
from backward_search.data.opening import MAX_PIXELS
from backward_search.data.prepared import load_table
from backward_search.distributed import Group, working_together
from backward_search.errors import DataError, MissingError
from backward_search.images.kinds import SUFFIXES, kind_of
from backward_search.images.loading import unreadable_images
from backward_search.model.embedding import EmbeddingNetwork, batches_of, outcomes
from backward_search.model.features import Features, KeptFeatures, given_features, through
from backward_search.model.network import Model
from backward_search.model.passes import Maker, fill
from backward_search.model.precision import products_in
from backward_search.readers.folders import walk
from backward_search.runs.run import Run, find_device, require_encoder
from backward_search.stages.calibrate_heads import calibrate_heads
from backward_search.storage.atomic import write_csv
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import rooted
from backward_search.storage.shards import Shards, remove

LOG = logging.getLogger(__name__)
PATIENCE = timedelta(days=30)
"""How long a process waits for the others, which may have more to do; that one has ended is noticed at once."""


@dataclass(frozen=True)
class Images:
    """Some images under the name that their embeddings get.

    Attributes:
        name: a split, or what stands for a folder.
        files: the image files.
        keys: how the table of the rows calls them.
        stage: the record of their embeddings.
    """

    name: str
    files: Sequence[Path]
    keys: Sequence[str]
    stage: Stage


@skippable()
def embed(options: EmbedOptions) -> Path:
    """Write embeddings and logits of the chosen splits, or of a folder of images, under the test transform.

    Under torchrun each process embeds shards of its own, and the leading one joins them. What killed processes had
    embedded is kept, and gone on from, by any number of processes.

    Returns:
        The folder of the embeddings.
    """
    device = find_device(options.device)
    everybody = working_together(torch.device("cpu"), PATIENCE)  # they wait for each other, and exchange no tensors
    with products_in(options.precision), everybody as group:
        run = opened_run(options)
        if options.image_folder:
            require_encoder(run)
            wanted = [_folder_images(run, options, rooted(options.image_folder))]
        else:
            wanted = [_split_images(run, options, split) for split in options.splits]
        todo = [images for images in wanted if not images.stage.is_done(overwrite=options.overwrite)]
        group.wait()  # nobody writes before everybody has looked
        if group.leads:
            _remove_leftovers(run, wanted)
        if todo:
            network = EmbeddingNetwork(run.load_model(device), device, options.precision)
            for images in todo:
                with images.stage.alone() if group.leads else nullcontext():
                    _embed(run, network, images, options, device, group)
        if group.leads and not options.image_folder:
            calibrate_heads(run)
        folder = run.paths.embeddings("test").parent
    LOG.info("wrote %s", folder)
    LOG.info("next: %s", next_command(options, "D1.Train-KD-Model.py", DistillOptions), extra=NEXT)
    return folder


def _widths(run: Run) -> list[int]:
    """E, then the number of classes of each attribute."""
    return [run.model.encoding_size, *(len(labels) for labels in run.classes.values())]


def images_below(folder: Path) -> list[Path]:
    """The pictures below a folder, by their content, sorted; what is left out is counted by kind in the log.

    What systems and tools leave in folders is no picture.

    A file whose ending promises a picture that its content is not is taken, so that it cannot go unnoticed.
    """
    files: list[Path] = []
    others: dict[str, list[Path]] = {}
    for path in sorted(here / name for here, names in walk(folder) for name in names):
        kind = None if path.suffix.lower() in SUFFIXES else kind_of(path)
        if kind is None:
            files.append(path)
        else:
            others.setdefault(str(kind), []).append(path)
    for words, left_out in others.items():
        LOG.warning("left out below %s: %d %s (such as %s)", folder, len(left_out), words, left_out[0].name)
    return files


def embedding_stage(run: Run, options: EmbedOptions, split: str) -> Stage:
    """The record of a run's embeddings of one split."""
    inputs = {split: options.data.table(split), "weights": run.paths.weights}
    inputs |= {"vectors": options.data.vectors(split)} if run.model.features else {}
    return Stage("C1", run.paths.embedding_manifest(split), _settings(options), inputs, _outputs(run, split))


def _settings(options: EmbedOptions) -> dict[str, object]:
    """What is not as usual: like the device, the precision that suits it does not count."""
    usual: dict[str, object] = {"precision": "auto", "skip_unreadable": False}
    usual |= {"max_pixels": MAX_PIXELS} if options.skip_unreadable else {}  # it says which are left out
    return {name: getattr(options, name) for name, value in usual.items() if getattr(options, name) != value}


def _outputs(run: Run, name: str) -> list[Path]:
    return [run.paths.embeddings(name), run.paths.rows(name), *(run.paths.logits(name, head) for head in run.classes)]


def _split_images(run: Run, options: EmbedOptions, split: str) -> Images:
    table = load_table(options.data, options.entry, split)
    files = [options.data.image(path) for path in table.paths]
    return Images(split, files, table.keys, embedding_stage(run, options, split))


def _folder_images(run: Run, options: EmbedOptions, folder: Path) -> Images:
    if not folder.is_dir():
        raise MissingError(f"--image_folder {folder} is not a folder")
    files = images_below(folder)
    if not files:
        raise DataError(f"--image_folder {folder} holds no images")
    listing = [(file.relative_to(folder).as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    name = f"folder-{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
    settings = {"folder": str(folder), "listing": _digest(listing), **_settings(options)}
    inputs = {"weights": run.paths.weights}
    stage = Stage("C1", run.paths.embedding_manifest(name), settings, inputs, _outputs(run, name))
    return Images(name, files, [key for key, _, _ in listing], stage)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _remove_leftovers(run: Run, wanted: Iterable[Images]) -> None:
    """Remove the shards of what was finished by a process that was killed before it could."""
    for images in wanted:
        if images.stage.manifest.exists():
            remove(run.paths.shards(images.name))


def _embed(
    run: Run, network: EmbeddingNetwork, images: Images, options: EmbedOptions, device: torch.device, group: Group
) -> None:
    """Embed some images: this process the shards that fall to it, and the leading one joins all of them."""
    features = _features(run, network.model, images, options)
    bad = {} if features else _unreadable(images, options, group)
    good = np.setdiff1d(np.arange(len(images.files)), np.array(list(bad), int), assume_unique=True)
    if not len(good):
        raise DataError(f"none of the {len(images.files)} images of {images.name} can be read, such as {bad[0]}")
    shards = Shards(run.paths.shards(images.name), (len(good), sum(_widths(run))), options.batch_size)
    if group.leads:
        images.stage.begin()
        shards.claim(_digest([images.stage.hashes, images.stage.settings, sorted(bad), options.batch_size]))
    if features is None:
        make = _of_images(run, network, [images.files[row] for row in good], images.name, options, device)
    else:
        make = _of_features(network, features, [images.keys[row] for row in good], options, device)
    fill(shards, make, group)
    if group.leads:
        places = [run.paths.embeddings(images.name), *(run.paths.logits(images.name, head) for head in run.classes)]
        shards.cut(dict(zip(places, _widths(run), strict=True)))
        _record(run, images, good, bad)
        remove(run.paths.shards(images.name))


def _unreadable(images: Images, options: EmbedOptions, group: Group) -> dict[int, str]:
    """By row, what is wrong with the images that may be left out; each process looks at its share of them."""
    if not options.skip_unreadable:
        return {}
    share = group.share(np.arange(len(images.files))).tolist()
    found = unreadable_images([images.files[row] for row in share], options.n_workers, options.max_pixels)
    bad = {share[place]: reason for place, reason in found.items()}
    return {row: reason for part in group.collect(bad) for row, reason in part.items()}


def _features(run: Run, model: Model, images: Images, options: EmbedOptions) -> Features | None:
    """What stands for the images of a split: vectors that came with it, or what B1 has made by a frozen encoder."""
    if options.image_folder:
        return None
    if run.model.features:
        return given_features(run.data, images.name)
    if run.name.enc_update:
        return None
    return KeptFeatures.of(run.data, model, run.look).there(load_table(run.data, run.entry, images.name))


def _of_images(
    run: Run,
    network: EmbeddingNetwork,
    files: Sequence[Path],
    name: str,
    options: EmbedOptions,
    device: torch.device,
) -> Maker:
    whole: Callable[[Tensor], Tensor] = torch.compile(network) if options.compile else network

    def make(rows: Sequence[int]) -> Iterator[Tensor]:
        """Embeddings and logits of some images."""
        left = [files[row] for row in rows]
        batches = batches_of(left, run.look, options.batch_size, options.n_workers, f"embedding {name}")
        return outcomes(whole, batches, run.look, device)

    return make


def _of_features(
    network: EmbeddingNetwork, features: Features, keys: Sequence[str], options: EmbedOptions, device: torch.device
) -> Maker:
    places = features.rows(keys)

    def make(rows: Sequence[int]) -> Iterator[Tensor]:
        """Embeddings and logits of some images."""
        return through(network.of_features, features, places[list(rows)], options.batch_size, device)

    return make


def _record(run: Run, images: Images, good: np.ndarray, bad: dict[int, str]) -> None:
    """Write the table of the rows, and the manifest last."""
    write_csv(run.paths.rows(images.name), ["key"], ([images.keys[row]] for row in good))
    left_out = run.paths.unreadable(images.name)
    left_out.unlink(missing_ok=True)
    if bad:
        write_csv(left_out, ["key", "reason"], ((images.keys[row], reason) for row, reason in bad.items()))
        LOG.warning("left out %d images of %s that cannot be read: %s lists them", len(bad), images.name, left_out)
    images.stage.finish([left_out], images=len(good), unreadable=len(bad))
