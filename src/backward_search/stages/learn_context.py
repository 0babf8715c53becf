"""C4: learn the context map."""

import dataclasses
import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backward_search.cli import ContextOptions, EvaluateOptions, VisualizeOptions, next_command, parse
from backward_search.cli.translation import opened_run
from backward_search.context.gathering import tokens_of
from backward_search.context.learning import Keeping, Learner, LearningConfig, kept
from backward_search.context.relation import ByBest, ByImages, tasks_of
from backward_search.context.shared import Shared
from backward_search.data.prepared import load_tags
from backward_search.data.splits import held_out
from backward_search.data.tables import Table, Tags
from backward_search.errors import StaleError
from backward_search.images.loading import ImageLoader
from backward_search.model.embedding import EmbeddingNetwork, outcomes
from backward_search.model.features import KeptFeatures, given_features
from backward_search.progress import progress
from backward_search.runs.context import save_context
from backward_search.runs.run import Run, find_device, require_encoder
from backward_search.storage.atomic import read_json, write_json
from backward_search.storage.lock import locked
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import ContextPaths
from backward_search.storage.tensors import load_tensors, save_tensors

LOG = logging.getLogger(__name__)
HOLDOUT = 0.1
"""The share of the training images that the map is judged on, where none were kept from the training."""
FEW = 30
"""Of fewer held-out images the 10 nearest say nothing."""
CHECKPOINT = 500
"""Steps between two checkpoints."""


def learn_context(options: ContextOptions) -> Path:
    """Learn the map of the run that the options name, from where an interrupted learning was last kept.

    Returns:
        The folder of the map.
    """
    run, device = opened_run(options), find_device(options.device)
    paths = run.paths.context
    stage = _stage(run, options)
    if not stage.is_done(overwrite=options.overwrite):
        paths.folder.mkdir(parents=True, exist_ok=True)
        with locked(paths.folder):
            _learn(run, options, stage, device)
    found = read_json(paths.facts)
    for each in found["held_out"]:
        LOG.info("%s", _said(Keeping(**{**each, "attributes": tuple(each["attributes"])})))
    LOG.info("wrote %s; next: %s", paths.folder, next_command(options, "E1.Model-Evaluation.py", EvaluateOptions))
    return paths.folder


def learn_if_missing(options: EvaluateOptions | VisualizeOptions) -> None:
    """Learn the map of a run that has none yet, with the usual settings, for a method that needs it."""
    names = [each.name for each in dataclasses.fields(ContextOptions)]
    shared = {name: getattr(options, name) for name in names if hasattr(options, name)}
    run = opened_run(options)
    if run.paths.context.manifest.exists():
        return
    LOG.info("the method needs a context map, and there is none yet: it is learnt now, as C4.Learn-Context.py does")
    learn_context(parse(ContextOptions, None, [], **{**shared, "overwrite": False}))


def _stage(run: Run, options: ContextOptions) -> Stage:
    names = ("learn_from", "context_size", "context_hidden", "context_steps", "views", "seed")
    settings = {name: getattr(options, name) for name in names}
    inputs = {
        "weights": run.paths.weights,
        "embeddings": run.paths.embeddings("train"),
        "tags": run.data.tags,
        "table": run.data.table("train"),
    }
    paths = run.paths.context
    run.load_embeddings("train", run.load_table("train").keys)  # says what is missing before anything is hashed
    return Stage("C4", paths.manifest, settings, inputs, [paths.weights, paths.facts])


def _learn(run: Run, options: ContextOptions, stage: Stage, device: torch.device) -> None:
    table, tags = run.load_table("train"), load_tags(run.data)
    shared = _shared(run, table, tags, options)
    embeddings = torch.tensor(run.load_embeddings("train", table.keys), device=device)
    unknown = [task for task in tasks_of(run.attributes) if not shared.says_something(task)]
    viewed = options.views if unknown else 0
    embeddings, image = _with_views(run, table, embeddings, viewed, options)
    relation = ByBest(shared, _by_images(run, table, embeddings, image, bool(viewed)))
    held = _held_out(run, table, tags, options.seed)
    rows = torch.from_numpy(np.setdiff1d(np.arange(len(table)), held))
    rows = torch.cat([rows, torch.arange(len(table), len(image))[torch.isin(image[len(table) :], rows)]])
    config = LearningConfig(options.context_size, options.context_hidden, options.context_steps, seed=options.seed)
    learner = Learner(embeddings, relation, run.attributes, config, rows)
    stage.begin()
    _fit(learner, run.paths.context, stage, config, overwrite=options.overwrite)
    judged = kept(learner.map.eval(), embeddings, relation, torch.from_numpy(held))
    facts = {"map": save_context(run, learner.map), "sources": shared.sources, "images": len(rows)}
    write_json(run.paths.context.facts, {**facts, "held_out": [each.in_json for each in judged]})
    stage.finish(images=len(rows), held_out=len(held))
    _clear(run.paths.context)


def _shared(run: Run, table: Table, tags: Tags, options: ContextOptions) -> Shared:
    """The tokens of the training images; an image has none where nothing is known of it."""
    tokens = tokens_of(table, tags, options.sources) or {"nothing": [[] for _ in table.keys]}
    return Shared.gathered(tokens, {name: table.classes[name] for name in run.attributes})


def _by_images(run: Run, table: Table, embeddings: Tensor, image: Tensor, viewed: bool) -> ByImages:
    """What the images themselves say: by the features of an encoder that stays as it is, else by the embeddings."""
    features = None if viewed else _features(run, table)
    ids = torch.stack([torch.tensor(table.ids[name]) for name in run.attributes])
    return ByImages(embeddings.cpu() if features is None else features, ids[:, image], image)


def _features(run: Run, table: Table) -> Tensor | None:
    """What the frozen encoder of a run made of its training images, or the vectors it was trained on; None without."""
    if run.model.features:
        found = given_features(run.data, "train")
        return found.take(found.rows(table.keys))
    if run.name.enc_update:
        return None
    model = run.load_model(torch.device("cpu"))
    made = KeptFeatures.of(run.data, model, run.look).there(table)
    return None if made is None else made.take(made.rows(table.keys))


def _with_views(
    run: Run, table: Table, embeddings: Tensor, count: int, options: ContextOptions
) -> tuple[Tensor, Tensor]:
    """The embeddings and those of augmented views (M, E), and which image each shows (M,)."""
    image = torch.arange(len(table))
    if not count:
        return embeddings, image
    require_encoder(run)
    some = np.sort(np.random.default_rng(options.seed).permutation(len(table))[:count])
    look = dataclasses.replace(run.look, augment=True, fit="crop")
    files = [run.data.image(table.paths[row]) for row in some]
    loader = ImageLoader(files, {}, look, batch_size=256, workers=options.n_workers, seed=options.seed)
    device = embeddings.device
    network = EmbeddingNetwork(run.load_model(device), device)
    batches = list(progress(loader.epoch(), "embedding views", "batch", loader.steps))
    views = torch.cat(list(outcomes(network, batches, look, device)))[:, : embeddings.shape[1]]
    order = torch.cat([batch.rows for batch in batches])
    return torch.cat([embeddings, views.clone().to(device)]), torch.cat([image, torch.from_numpy(some)[order]])


def _held_out(run: Run, table: Table, tags: Tags, seed: int) -> np.ndarray:
    """The rows on which the map is judged: those that were kept from the training, or some of them."""
    kept_back = run.held_out()
    if len(kept_back):
        return kept_back
    labels = {name: table.labels(name) for name in run.attributes}
    groups = [tags.groups[key] for key in table.keys] if tags.groups else None
    return held_out(labels, groups, HOLDOUT, seed)


def _fit(learner: Learner, paths: ContextPaths, stage: Stage, config: LearningConfig, *, overwrite: bool) -> None:
    """Make the steps, each so many of which leave a checkpoint."""
    reserved = {"settings": stage.settings, "inputs": stage.hashes}
    if not overwrite and paths.reserved.exists() and paths.checkpoint.exists():
        if read_json(paths.reserved) != reserved:
            raise StaleError(
                f"{paths.folder} holds an unfinished learning of other settings: pass --overwrite True to drop it"
            )
        learner.restore(load_tensors(paths.checkpoint)[0])
        LOG.info("going on after step %d", learner.step)
    else:
        paths.checkpoint.unlink(missing_ok=True)
        write_json(paths.reserved, reserved)
    with progress(range(config.steps), "learning", "step") as bar:
        bar.update(learner.step)
        while learner.step < config.steps:
            loss = learner.advance()
            bar.update()
            if learner.step % CHECKPOINT == 0:
                bar.set_postfix(loss=f"{loss:.3f}")
                save_tensors(paths.checkpoint, learner.state())


def _clear(paths: ContextPaths) -> None:
    """Drop what a finished learning needs no longer."""
    for leftover in (paths.checkpoint, paths.reserved):
        leftover.unlink(missing_ok=True)


def _said(keeping: Keeping) -> str:
    task = f"conditions on {'+'.join(keeping.attributes)}: by {keeping.by}"
    if keeping.images < FEW:
        return f"{task}; {keeping.images} held-out images are too few to judge it"
    return (
        f"{task}; the 10 nearest of {keeping.images} held-out images share {keeping.by_map:.3f} by the map, "
        f"{keeping.by_embedding:.3f} by the embedding ({keeping.at_random:.3f} at random)"
    )
