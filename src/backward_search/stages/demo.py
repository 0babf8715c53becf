"""Every stage on the demo data set, one after the other, in this process."""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backward_search.cli import (
    ContextOptions,
    DemoOptions,
    DistillOptions,
    EmbedOptions,
    EvaluateOptions,
    ExploreOptions,
    PrepareOptions,
    QueryOptions,
    TrainOptions,
    VisualizeOptions,
    next_command,
    parse,
)
from backward_search.cli.console import NEXT, recorded
from backward_search.cli.translation import run_paths
from backward_search.readers.glyphs import source as glyphs
from backward_search.stages.distill import distill
from backward_search.stages.embed import embed
from backward_search.stages.evaluate import evaluate, measure
from backward_search.stages.generate_queries import generate_queries
from backward_search.stages.learn_context import learn_context
from backward_search.stages.prepare import prepare
from backward_search.stages.train import train
from backward_search.stages.visualize import visualize
from backward_search.storage.paths import PROJECT

LOG = logging.getLogger(__name__)
QUICK = {"num_epoch": 2, "student_num_epoch": 3}
E1, BOTH = "E1.Model-Evaluation.py", ("--num_condition", "2")


@dataclass(frozen=True)
class Step:
    """One run of a numbered script.

    Attributes:
        script: its file.
        kind: its options.
        work: what it does with them; returns what it wrote.
        words: the options beside the data set.
    """

    script: str
    kind: type
    work: Callable[[Any], Path]
    words: tuple[str, ...] = ()


def _prepare(options: PrepareOptions) -> Path:
    source = glyphs.source(options.data, options.seed, overwrite=options.overwrite)
    return prepare(source, options.data, overwrite=options.overwrite)


def _measure(options: EvaluateOptions) -> Path:
    """Measure without a table: the last method shows all of them."""
    place = measure(options)
    LOG.info("wrote %s", place)
    return place


STEPS = (
    Step("A1.Data-Preprocessing-glyphs.py", PrepareOptions, _prepare),
    Step("A2.Query-Generating.py", QueryOptions, generate_queries),
    Step("B1.BuildModel.py", TrainOptions, train),
    Step("C1.ModelTest.py", EmbedOptions, embed),
    Step("C4.Learn-Context.py", ContextOptions, learn_context),
    Step("D1.Train-KD-Model.py", DistillOptions, distill, BOTH),
    Step(E1, EvaluateOptions, _measure, (*BOTH, "--method", "unchanged")),
    Step(E1, EvaluateOptions, _measure, (*BOTH, "--method", "teacher")),
    Step(E1, EvaluateOptions, _measure, (*BOTH, "--method", "student")),
    Step(E1, EvaluateOptions, _measure, (*BOTH, "--method", "shift_null")),
    Step(E1, EvaluateOptions, evaluate, (*BOTH, "--method", "best")),
    Step("E2.Model-Query-Visualization.py", VisualizeOptions, visualize, (*BOTH, "--query_key", "3")),
)
"""The steps of the demo, in order."""


def demo(options: DemoOptions) -> Path:
    """Run all steps; what is done already is skipped.

    Returns:
        The figure of the hits.
    """
    place = Path()
    for number, step in enumerate(STEPS, 1):
        own = _options(step, options)
        command = _command(step, own)
        LOG.info("")
        LOG.info("%d of %d: %s", number, len(STEPS), own.about)
        if is_clone():
            LOG.info("%s", command)
        with recorded(_log(step, own), own, command):
            place = step.work(own)
    if is_clone():
        LOG.info("next: %s", next_command(options, "F1.Search-Explorer.py", ExploreOptions), extra=NEXT)
    return place


def _command(step: Step, own: Any) -> str:
    """What runs the step alone; the first script is of this data set, and is not told its name."""
    command = next_command(own, step.script, step.kind)
    return command.replace(" --dataset_name glyphs", "", 1) if step.kind is PrepareOptions else command


def _options(step: Step, options: DemoOptions) -> Any:
    """The options of a step: its own, and those of the demo that it knows."""
    known = {each.name for each in dataclasses.fields(step.kind)}
    shared = vars(options) | (QUICK if options.quick else {})
    given = {name: value for name, value in shared.items() if name in known}
    return parse(step.kind, None, step.words, dataset_name="glyphs", **given)


def _log(step: Step, own: Any) -> Path:
    """The `run.log` that the script would write."""
    place: Path = own.data.log if step.kind in (PrepareOptions, QueryOptions) else run_paths(own).log
    return place


def is_clone() -> bool:
    """Whether the numbered scripts are there; an installed package comes without."""
    return (PROJECT / STEPS[0].script).is_file()
