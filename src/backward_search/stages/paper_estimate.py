"""What E3 is about to train, and how long that takes, said before it begins."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from backward_search.cli import TrainOptions
from backward_search.cli.translation import run_paths
from backward_search.data.prepared import load_table
from backward_search.model.network import Model
from backward_search.model.precision import products_in
from backward_search.runs.run import find_device
from backward_search.stages.paper_settings import Settings
from backward_search.stages.train_plan import TrainPlan, is_half
from backward_search.training.pace import seconds_per_image

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Estimate:
    """A training that is to be done.

    Attributes:
        what: in words.
        seconds: that it takes, by the pace of one step.
    """

    what: str
    seconds: float


def say_what_is_trained(each: Iterable[Settings]) -> None:
    """Say in the log which trainings are missing of the data sets that are prepared, and how long they take."""
    runs = {run_paths(one.training).folder: one.training for one in each}
    missing = [options for options in runs.values() if options.data.is_prepared and not _is_trained(options)]
    if not missing:
        return
    LOG.info("%d trainings are missing; a step of each is timed", len(missing))
    found = [_estimate(options) for options in missing]
    for one in found:
        LOG.info("%s: about %s", one.what, in_words(one.seconds))
    LOG.info(
        "in all about %s, without decoding; C1, D1 and E1 take minutes each. What is finished is kept: "
        "the same command goes on from there",
        in_words(sum(one.seconds for one in found)),
    )


def in_words(seconds: float) -> str:
    """A duration, roughly.

    >>> in_words(40), in_words(600), in_words(36_000), in_words(400_000)
    ('1 minute', '10 minutes', '10 hours', '5 days')
    """
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        count = round(seconds / size)
        if count >= 2 or unit == "minute":
            return f"{max(1, count)} {unit}{'s' if count > 1 else ''}"
    raise AssertionError


def _is_trained(options: TrainOptions) -> bool:
    return run_paths(options).manifest("B1").exists()


def _estimate(options: TrainOptions) -> Estimate:
    table = load_table(options.data, options.entry, "train")
    plan, device = TrainPlan.of(options, table), find_device(options.device)
    model = Model(plan.model)
    model.mixed_precision = is_half(options, device)
    with products_in(options.precision):
        each = seconds_per_image(model, options.batch_size, device, trained=options.enc_update)
    epochs = options.num_epoch if options.enc_update else 1  # what a frozen encoder makes of an image is kept
    how = f"{epochs} epochs" if options.enc_update else "the encoder as it is"
    what = f"B1 of {options.dataset_name}, {options.encoder_model}, {len(table):,} images, {how}"
    return Estimate(what, each * len(table) * epochs)
