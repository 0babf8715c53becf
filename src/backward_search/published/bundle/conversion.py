"""The authors' preprocessed bundle, converted once into this project's files."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backward_search.data.query_files import QueryFile
from backward_search.data.registry import DatasetEntry
from backward_search.data.report import Findings, lines, summary
from backward_search.data.tables import SPLITS, Samples, key_of
from backward_search.errors import DataError
from backward_search.published.bundle.files import REMEDY, Bundle, find_bundle
from backward_search.published.bundle.queries import queries_by_task
from backward_search.published.bundle.tables import read_bundle_table, read_classes
from backward_search.published.bundle.tags import read_tags
from backward_search.storage.atomic import write_csv, write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import DataPaths

LOG = logging.getLogger(__name__)


def convert_bundle(paths: DataPaths, entry: DatasetEntry, *, check_only: bool = False) -> bool:
    """Convert the bundle of a data set, unless that has been done or the data set was prepared from its raw data.

    Args:
        paths: where the bundle lies and where the converted files go.
        entry: the data set.
        check_only: report on the bundle and write nothing but the report.

    Returns:
        Whether there was something to convert.

    Raises:
        DataError: the bundle is damaged, or holds something other than data.
    """
    if is_prepared(paths):
        return False
    bundle = find_bundle(paths)
    if bundle is None:
        return False
    folder = bundle.classes.parent
    LOG.info("found the authors' preprocessed bundle in %s%s", folder, "" if check_only else ": converting it, once")
    findings = Findings(facts={"layout": "the authors' preprocessed bundle", "folder": folder.name})
    content = read(bundle, paths, entry, findings)
    report = summary(paths.name, content.samples, findings)
    for line in lines(report):
        LOG.info("%s", line)
    if check_only:
        LOG.info("wrote %s and nothing else", write_json(paths.check, report))
        return True
    stage = Stage("A1", paths.manifest("A1"), {"bundle": True, "folder": folder.name}, bundle.files, _outputs(paths))
    with stage.alone():
        if is_prepared(paths):  # by another process, meanwhile
            return False
        stage.begin()
        _write(content, paths, stage.settings)
        write_json(paths.report, report)
        stage.finish()
    LOG.info("wrote %s: tables, classes, tags and %d query files", paths.attributions, len(content.queries))
    return True


def is_prepared(paths: DataPaths) -> bool:
    """Whether the files of this project are there, and whole: made by an A1 script, or converted."""
    outputs = _outputs(paths)
    return paths.manifest("A1").exists() and all(path.exists() for path in outputs)


def _outputs(paths: DataPaths) -> list[Path]:
    return [*(paths.table(split) for split in SPLITS), paths.classes, paths.tags, paths.report]


@dataclass(frozen=True)
class Content:
    """What a bundle says.

    Attributes:
        classes: for each attribute its labels, in the order of their ids.
        frames: by split, paths and class ids.
        samples: the rows of both splits.
        queries: of each task, by its split and attributes.
    """

    classes: dict[str, list[str]]
    frames: dict[str, pd.DataFrame]
    samples: Samples
    queries: dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]]


def read(bundle: Bundle, paths: DataPaths, entry: DatasetEntry, findings: Findings) -> Content:
    """Read a bundle.

    Raises:
        DataError: it is damaged, or holds something other than data.
    """
    classes = read_classes(bundle.classes, entry)
    frames = {
        split: read_bundle_table(file, paths.name, classes, entry.attributes) for split, file in bundle.tables.items()
    }
    samples = _samples(frames, classes, bundle.tags, findings)
    return Content(classes, frames, samples, queries_by_task(bundle, samples, classes, entry, findings))


def _samples(
    frames: Mapping[str, pd.DataFrame], classes: Mapping[str, Sequence[str]], tag_file: Path, findings: Findings
) -> Samples:
    columns = {split: sorted(frame.columns) for split, frame in frames.items()}
    if columns[SPLITS[0]] != columns[SPLITS[1]]:
        raise DataError(f"the authors' tables beside {tag_file} have different columns, {columns}: {REMEDY}")
    both = pd.concat(list(frames.values()), ignore_index=True)
    cut = len(frames[SPLITS[0]])
    paths: list[str] = both["path"].tolist()
    keys = both["path"].map(key_of)
    for key in keys[keys.duplicated()]:
        findings.repair("images listed twice, both rows kept", key)
    names = [column for column in both.columns if column != "path"]
    labels = {name: np.array(classes[name], dtype=object)[both[name]].tolist() for name in names}
    tags, query_tags = read_tags(tag_file, keys.tolist(), classes[names[0]], findings)
    splits = {SPLITS[0]: np.arange(cut), SPLITS[1]: np.arange(cut, len(both))}
    return Samples(paths, labels, splits, tags, query_tags)


def _write(content: Content, paths: DataPaths, settings: Mapping[str, Any]) -> None:
    samples = content.samples
    write_json(paths.classes, content.classes)
    for split, frame in content.frames.items():
        write_csv(paths.table(split), tuple(frame.columns), frame.itertuples(index=False, name=None))
    tags = zip([key_of(path) for path in samples.paths], samples.tags or (), samples.query_tags or (), strict=True)
    write_csv(paths.tags, ("key", "tags", "query_tags"), tags)
    for (split, attributes), queries in content.queries.items():
        file = QueryFile(paths, attributes, split)
        file.write(file.stage(len(queries)), queries, settings)
