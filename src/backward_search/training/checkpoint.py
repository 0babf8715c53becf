"""What a training keeps on disk while it is under way: its state, and the weights of its best epoch."""

import logging
from typing import Any

import torch

from backward_search.errors import DataError, StaleError
from backward_search.storage.atomic import read_json, write_json
from backward_search.storage.paths import RunPaths
from backward_search.storage.tensors import load_tensors, save_tensors
from backward_search.training.history import History
from backward_search.training.trainer import Trainer

LOG = logging.getLogger(__name__)


def prepare(paths: RunPaths, reserved: dict[str, Any], *, overwrite: bool) -> None:
    """Make sure that a checkpoint, if there is one, belongs to this training.

    Args:
        paths: the run's files.
        reserved: JSON-ready settings and input hashes of the training, as `keep` writes them.
        overwrite: drop a training under way.

    Raises:
        StaleError: there is a training of other settings under way.
    """
    if not overwrite and paths.reserved.exists() and paths.checkpoint.exists():
        if read_json(paths.reserved) != reserved:
            raise StaleError(
                f"{paths.folder} holds an unfinished training of other settings: pass --overwrite True to drop it"
            )
        return
    for file in (paths.checkpoint, paths.reserved):
        file.unlink(missing_ok=True)


def keep(trainer: Trainer, history: History, paths: RunPaths, reserved: dict[str, Any], *, leads: bool) -> None:
    """Keep the state of a training; after an epoch that is the best so far, its weights first.

    A process killed in between repeats that epoch and writes the same weights again. Nothing is written before there is
    something to keep: a training that fails at its first images leaves the run as it was.
    """
    state = trainer.state()
    if not leads:
        return
    if trainer.step == 0 and history.best_epoch == len(history.rows):
        save_tensors(paths.best_weights, trainer.model.state_dict(), {"epoch": str(history.best_epoch)})
    if not paths.reserved.exists():
        write_json(paths.reserved, reserved)
    rows = torch.tensor(history.rows, dtype=torch.float64).reshape(len(history.rows), len(history.columns))
    save_tensors(paths.checkpoint, state | {"history": rows})


def resume(trainer: Trainer, history: History, paths: RunPaths) -> None:
    """Take up the training under way, if there is one.

    Raises:
        DataError: its checkpoint does not fit the network.
    """
    if not paths.checkpoint.exists():
        return
    tensors, _ = load_tensors(paths.checkpoint)
    try:
        history.rows = tensors["history"].tolist()
        trainer.restore(tensors)
    except (KeyError, RuntimeError, ValueError):
        problem = f"{paths.checkpoint} does not fit this network and its attributes"
        raise DataError(f"{problem}: pass --overwrite True to start anew") from None
    LOG.info("going on after epoch %d%s", trainer.epoch, f", step {trainer.step}" if trainer.step else "")


def clear(paths: RunPaths) -> None:
    """Remove what only a training under way needs."""
    for leftover in (paths.checkpoint, paths.reserved):
        leftover.unlink(missing_ok=True)
