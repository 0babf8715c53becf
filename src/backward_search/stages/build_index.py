"""C2: build an engine's index over the gallery of a split."""

import logging
from pathlib import Path

from backward_search.cli import EvaluateOptions, IndexOptions, next_command
from backward_search.cli.console import NEXT
from backward_search.cli.translation import opened_run
from backward_search.data.tables import Table
from backward_search.errors import UserError
from backward_search.gallery.engines.index import EXACT, BuildSettings
from backward_search.gallery.engines.registry import ENGINES
from backward_search.gallery.stored import Labels, StoredGallery
from backward_search.runs.index import begin_gallery
from backward_search.runs.run import Run
from backward_search.storage.manifest import Stage

LOG = logging.getLogger(__name__)


def build_index(options: IndexOptions) -> Path:
    """Begin the gallery if need be, and index all its images.

    Returns:
        The folder of the gallery.
    """
    LOG.info("next: %s", next_command(options, "E1.Model-Evaluation.py", EvaluateOptions), extra=NEXT)
    run, engine = opened_run(options), options.engine
    table = run.load_table(options.split)
    run.load_embeddings(options.split, table.keys)
    built_with = () if engine == EXACT else ENGINES.find(engine).built_with
    settings = {name: getattr(options, name) for name in built_with}
    inputs = {"weights": run.paths.weights, "embeddings": run.paths.embeddings(options.split)}
    stage, stands = (
        Stage("C2", run.paths.index_manifest(options.split, engine), settings, inputs, []),
        _stands(run, options),
    )
    if stands and stage.is_done(overwrite=options.overwrite):
        StoredGallery.open(run.paths.gallery(options.split)).tidy()
        return run.paths.gallery(options.split)
    with stage.alone():
        if not stands:
            stage.begin()
        stored = begin_gallery(run, options.split, len(table), overwrite=options.overwrite)
        if engine != EXACT:  # an older index and its manifest stand until this one is done
            stored.build(engine, _build_settings(options), _labels(table), options.milvus_uri)
        stage.finish(images=len(stored))
    LOG.info("wrote %s", stored.folder)
    return stored.folder


def _stands(run: Run, options: IndexOptions) -> bool:
    """Whether the gallery can be read, and has what this engine needs."""
    try:
        stored = StoredGallery.open(run.paths.gallery(options.split))
    except UserError:
        return False
    return options.engine == EXACT or stored.has_index(options.engine)


def _build_settings(options: IndexOptions) -> BuildSettings:
    return BuildSettings(
        options.hnsw_m, options.hnsw_ef_construction, options.ivf_lists, options.pq_bytes, options.seed
    )


def _labels(table: Table) -> Labels:
    return {name: dict(zip(table.keys, table.labels(name), strict=True)) for name in table.ids}
