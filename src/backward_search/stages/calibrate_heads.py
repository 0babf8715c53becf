"""The end of C1: calibrate the heads on the training images that were kept from training."""

import logging
from contextlib import suppress
from dataclasses import asdict

import numpy as np
from scipy.special import softmax

from backward_search.data.guesses import load_guessed
from backward_search.errors import UserError
from backward_search.runs.run import Run
from backward_search.storage.atomic import read_json, remove_leftovers, write_json
from backward_search.storage.manifest import Stage, refuse_changed
from backward_search.training.calibration import calibrate, expected_calibration_error

LOG = logging.getLogger(__name__)


def calibrate_heads(run: Run) -> None:
    """Fit a temperature to each head and say what it changes; without held-out images there is none, nor an old one."""
    held = run.held_out()
    if not len(held) or not _embedded(run, "train"):
        for old in (run.paths.manifest("C1-calibration"), run.paths.calibration):
            old.unlink(missing_ok=True)
        return
    found, tested = {}, _embedded(run, "test")
    keys, guessed = run.load_table("train").keys, load_guessed(run.data)
    for name in run.classes:
        sure = [row for row in held.tolist() if keys[row] not in guessed.get(name, ())]
        if not sure:
            LOG.info("%s: no held-out image has a label of its own, the head stays as it is", name)
            continue
        result = calibrate(*run.load_logits("train", name, np.array(sure)))
        found[name] = asdict(result)
        errors = [f"{result.error:.3f} to {result.calibrated_error:.3f} on {result.images} held-out images"]
        if tested and name not in guessed:
            # in the log alone: what depends on the temperatures does not depend on the test split
            logits, ids = run.load_logits("test", name)
            before, after = (expected_calibration_error(softmax(logits / t, 1), ids) for t in (1, result.temperature))
            errors.append(f"{before:.3f} to {after:.3f} on the test split")
        LOG.info("%s: temperature %.2f; calibration error %s", name, result.temperature, ", ".join(errors))
    _keep(run, found)


def _keep(run: Run, found: dict[str, dict[str, float]]) -> None:
    """Write the calibration, unless it stands there already."""
    place = run.paths.calibration
    stage = Stage("C1", run.paths.manifest("C1-calibration"), {}, {}, [place])
    for folder in {stage.manifest.parent, place.parent}:
        remove_leftovers(folder)
    with suppress(UserError):
        refuse_changed(stage.manifest, [place], "")
        if read_json(place) == found:
            return
    stage.begin()
    write_json(place, found)
    stage.finish()


def _embedded(run: Run, split: str) -> bool:
    """Whether the embeddings of a split are there, and those of these weights."""
    try:
        run.load_embeddings(split, run.load_table(split).keys)
    except UserError:
        return False
    return True
