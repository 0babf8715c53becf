"""C4: learn the context map."""

import dataclasses
import logging
from pathlib import Path

import torch

from backward_search.cli import ContextOptions, EvaluateOptions, VisualizeOptions, next_command, parse
from backward_search.cli.console import NEXT
from backward_search.cli.translation import opened_run
from backward_search.context.learning import Keeping, Learner, LearningConfig, kept
from backward_search.context.network import ContextMap
from backward_search.errors import DataError, StaleError
from backward_search.runs.context import save_context
from backward_search.runs.context_ground import ContextGround, Views
from backward_search.runs.run import Run, find_device
from backward_search.storage.atomic import read_json, write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import ContextPaths
from backward_search.storage.tensors import load_tensors, save_tensors

LOG = logging.getLogger(__name__)
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
        with stage.alone():
            _learn(run, options, stage, device)
    found = read_json(paths.facts)
    for each in found["held_out"]:
        LOG.info("%s", _said(Keeping(**{**each, "attributes": tuple(each["attributes"])})))
    if not found["held_out"]:
        LOG.info("too few images were held out to judge the map")
    LOG.info("wrote %s", paths.folder)
    LOG.info("next: %s", next_command(options, "E1.Model-Evaluation.py", EvaluateOptions), extra=NEXT)
    return paths.folder


def learn_if_missing(options: EvaluateOptions | VisualizeOptions) -> None:
    """Learn the map of a run that has none yet, with the usual settings, for a method that needs it."""
    names = [each.name for each in dataclasses.fields(ContextOptions)]
    shared = {name: getattr(options, name) for name in names if hasattr(options, name)}
    run = opened_run(options)
    if run.paths.context.manifest.exists():
        return
    LOG.info("a context map is needed, and there is none yet: it is learnt now, as C4.Learn-Context.py does")
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
    views = Views(options.views, options.n_workers)
    ground = ContextGround.of(run, device, options.seed, options.sources, views)
    config = LearningConfig(options.context_size, options.context_hidden, options.context_steps, seed=options.seed)
    learner = ground.learner(config)
    stage.begin()
    learnt = _fit(learner, run.paths.context, stage, overwrite=options.overwrite)
    judged = kept(learnt, ground.embeddings, ground.relation, torch.from_numpy(ground.held))
    facts = {"map": save_context(run, learnt), "sources": ground.shared.sources, "images": len(ground.rows)}
    write_json(run.paths.context.facts, {**facts, "held_out": [each.in_json for each in judged]})
    stage.finish(images=len(ground.rows), held_out=len(ground.held))
    _clear(run.paths.context)


def _fit(learner: Learner, paths: ContextPaths, stage: Stage, *, overwrite: bool) -> ContextMap:
    """Make the steps, each so many of which leave a checkpoint."""
    reserved = {"settings": stage.settings, "inputs": stage.hashes}
    if not overwrite and paths.reserved.exists() and paths.checkpoint.exists():
        if read_json(paths.reserved) != reserved:
            raise StaleError(
                f"{paths.folder} holds an unfinished learning of other settings: pass --overwrite True to drop it"
            )
        try:
            learner.restore(load_tensors(paths.checkpoint)[0])
        except (KeyError, RuntimeError, ValueError):
            problem = f"{paths.checkpoint} does not fit this map"
            raise DataError(f"{problem}: pass --overwrite True to start anew") from None
        LOG.info("going on after step %d", learner.step)
    else:
        paths.checkpoint.unlink(missing_ok=True)
        write_json(paths.reserved, reserved)
    return learner.finish(CHECKPOINT, lambda state: save_tensors(paths.checkpoint, state))


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
