"""A2: draw the test queries of a data set."""

import logging
from collections.abc import Sequence
from pathlib import Path

from backward_search.cli import QueryOptions, TrainOptions, next_command
from backward_search.cli.console import LOGGED, NEXT, SHOWN, script_log
from backward_search.data.prepared import load_table, load_tags
from backward_search.data.provenance import provenance
from backward_search.data.query_files import QueryFile
from backward_search.data.query_generation import Query, QueryGenerator, as_json
from backward_search.errors import TooFewQueriesError, UserError
from backward_search.published.bundle.conversion import convert_bundle

LOG = logging.getLogger(__name__)
USUAL = 1000
"""Queries of a task, as in the paper."""


def generate_each(every: Sequence[QueryOptions]) -> Path:
    """Draw the queries of one or several data sets; one that cannot have them does not keep the others from theirs.

    Args:
        every: the options of each data set; it is logged in the `run.log` of its own.

    Returns:
        The folder of the last data set's query files.

    Raises:
        UserError: a data set could not be served; with several, after all others have been.
    """
    failures: list[UserError] = []
    for options in every:
        with script_log(options.data.log, options):
            try:
                generate_queries(options)
            except UserError as error:
                if len(every) == 1:
                    raise
                LOG.warning("no queries for %s: %s", options.dataset_name, error)
                failures.append(error)
    if failures:
        raise UserError("; ".join(map(str, failures)))
    return every[-1].data.attributions


def generate_queries(options: QueryOptions) -> Path:
    """Draw the queries of the named task, or of every prefix of the category type.

    Returns:
        The folder of the query files.

    Raises:
        TooFewQueriesError: no task has as many queries as asked for.
    """
    attributes = options.entry.attributes_of(options.category_type)
    convert_bundle(options.data, options.entry)
    named = tuple(options.condition_on.split(",")) if options.condition_on else ()
    tasks = [named] if named else [attributes[: i + 1] for i in range(len(attributes))]
    written = 0
    for task in tasks:
        try:
            _generate(options, task)
            written += 1
        except TooFewQueriesError as error:
            if task == tasks[0]:
                raise
            LOG.warning("skipped %s: %s", "+".join(task), error, extra=LOGGED)
            LOG.info("none on %s: too few %s images share these labels", "+".join(task), options.split, extra=SHOWN)
    LOG.info("next: %s", next_command(options, "B1.BuildModel.py", TrainOptions), extra=NEXT)
    return options.data.attributions


def _generate(options: QueryOptions, task: tuple[str, ...]) -> None:
    paths = options.data
    table, tags = load_table(paths, options.entry, options.split), load_tags(paths)
    file = QueryFile(paths, task, options.split, options.protocol)
    stage = file.stage(options.num_queries or USUAL)
    if stage.is_done(overwrite=options.overwrite):
        return
    generator = QueryGenerator(table, tags, task, strict=options.protocol == "strict")
    queries = generator.draw(options.num_queries) if options.num_queries else _all_of_few(generator)
    if len(queries) < USUAL and not options.num_queries:
        LOG.warning("%s has %d queries in all, instead of the usual %d", "+".join(task), len(queries), USUAL)
    file.write(stage, as_json(queries), provenance(paths))
    LOG.info("wrote %s: %d queries on %s", stage.outputs[0], len(queries), "+".join(task))


def _all_of_few(generator: QueryGenerator) -> list[Query]:
    """The usual number of queries, or as many as there are.

    Raises:
        TooFewQueriesError: there is none.
    """
    count = USUAL
    while True:
        try:
            return generator.draw(count)
        except TooFewQueriesError as error:
            if not error.possible:
                raise
            count = error.possible
