"""A1: bring a data set into the form of the project - tables, class list, tags, images - and report on it."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np

from backward_search.data.prepared import load_table
from backward_search.data.registry import DatasetEntry
from backward_search.data.report import Findings, lines, summary
from backward_search.data.source import Source
from backward_search.data.tables import Samples, write_tables
from backward_search.errors import DataError, MissingError
from backward_search.published.bundle.conversion import convert_bundle, is_prepared
from backward_search.published.bundle.files import find_bundle
from backward_search.storage.atomic import read_json, remove_leftovers, write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import DataPaths

LOG = logging.getLogger(__name__)


def prepare(source: Source, paths: DataPaths, *, overwrite: bool = False, check_only: bool = False) -> Path:
    """Prepare a data set.

    Args:
        source: the data set as its reader offers it.
        paths: where it lies and where the tables go.
        overwrite: replace tables of other settings or inputs.
        check_only: read and report, and write nothing but the report.

    Returns:
        The folder of the tables.

    Raises:
        DataError: the raw data cannot be used.
        StaleError: there are tables of other settings or inputs, and `overwrite` is False.
    """
    outputs = [
        paths.table("train"),
        paths.table("test"),
        paths.classes,
        paths.tags,
        paths.report,
        *source.more.values(),
    ]
    stage = Stage("A1", paths.manifest("A1"), source.settings, source.inputs, outputs)
    if not check_only and stage.is_done(overwrite=overwrite) and not _images_are_missing(source, paths):
        _show(read_json(paths.report))
        return paths.attributions
    if check_only:
        return _checked(source, paths)
    with stage.alone():
        remove_leftovers(paths.folder, below=True)
        findings = Findings(lists_alone=False)
        samples = source.read(findings)
        stage.begin()
        samples = _without(samples, source.make_images(samples, findings))
        report = _reported(paths, samples, findings)
        if source.make_more is not None:
            source.make_more(samples)
        write_tables(paths, samples)
        write_json(paths.report, report)
        names = [paths.vectors(split).with_suffix(".csv") for split in ("train", "test")]
        stage.finish([paths.guessed, paths.description, *names])
    LOG.info("wrote %s", paths.attributions)
    return paths.attributions


def _checked(source: Source, paths: DataPaths) -> Path:
    """Read and report, and write nothing but the report."""
    findings = Findings(lists_alone=True)
    samples = source.read(findings)
    if not source.looks:
        findings.facts["image content"] = "not looked at by --check_only where images have yet to be made"
    if len(samples.missing) < len(samples.paths):  # else the report is of the lists
        samples = _without(samples, samples.missing)
    LOG.info("wrote %s and nothing else", write_json(paths.check, _reported(paths, samples, findings)))
    return paths.attributions


def _reported(paths: DataPaths, samples: Samples, findings: Findings) -> dict[str, Any]:
    """The report of what was found, which is shown.

    Raises:
        DataError: a split would be empty.
    """
    for split, rows in samples.splits.items():
        if len(rows) == 0:
            raise DataError(
                f"the {split} split of {paths.name} would be empty: {len(samples.paths)} images are too few"
            )
    report = summary(paths.name, samples, findings)
    _show(report)
    return report


def prepare_published(
    source: Callable[[], Source], entry: DatasetEntry, paths: DataPaths, *, overwrite: bool, check_only: bool
) -> Path:
    """Prepare a published data set from what its owners publish, or, where that is not there, from the authors' bundle.

    Args:
        source: finds the raw data.
        entry: the data set.
        paths: where it lies and where the tables go.
        overwrite: replace tables of other settings or inputs.
        check_only: read and report, and write nothing but the report.

    Returns:
        The folder of the tables.

    Raises:
        MissingError: there is neither.
        DataError: what is there cannot be used.
        StaleError: there are tables of other settings or inputs, and `overwrite` is False.
    """
    try:
        found = source()
    except MissingError:
        if is_prepared(paths) and find_bundle(paths) is not None:
            LOG.info("%s was converted from the authors' bundle already, nothing to do", paths.attributions)
            _show(read_json(paths.report))
        elif not convert_bundle(paths, entry, check_only=check_only):
            raise
        return paths.attributions
    return prepare(found, paths, overwrite=overwrite, check_only=check_only)


def _images_are_missing(source: Source, paths: DataPaths) -> bool:
    """Whether an image of the finished tables is no longer there, which brings A1 back to work."""
    if source.entry.vectors:  # which can do without
        return False
    tables = [load_table(paths, source.entry, split) for split in ("train", "test")]
    missing = sum(not paths.image(path).exists() for table in tables for path in table.paths)
    if missing:
        LOG.info("%d images of the tables are missing: preparing the data set again", missing)
    return missing > 0


def _show(report: Mapping[str, Any]) -> None:
    for line in lines(report):
        LOG.info("%s", line)


def _without(samples: Samples, missing: Set[int]) -> Samples:
    """The samples with some rows taken out of their splits; the order of the others stays."""
    if not missing:
        return samples
    gone = np.fromiter(missing, np.int64, len(missing))
    kept = {split: np.asarray(rows)[~np.isin(rows, gone)] for split, rows in samples.splits.items()}
    return dataclasses.replace(samples, splits=kept)
