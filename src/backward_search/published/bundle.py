"""The authors' preprocessed bundle: their tables, pickles and queries, converted once into this project's files."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backward_search.data.query_files import QueryFile
from backward_search.data.registry import DatasetEntry
from backward_search.data.report import Findings, lines, summary
from backward_search.data.tables import SPLITS, Samples, key_of
from backward_search.errors import DataError
from backward_search.published import plain_pickle
from backward_search.storage.atomic import write_csv, write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import DataPaths

LOG = logging.getLogger(__name__)

CLASSES, TAGS = "classes.label2num.pkl", "filename.tag.pkl"
REMEDY = "get the bundle again, or run the data set's A1 script on the raw data"


@dataclass(frozen=True)
class Bundle:
    """The files of a bundle.

    Attributes:
        tables: by split, the table of paths and class ids.
        classes: the pickle of the class list.
        tags: the pickle of the tags.
        queries: the pickles of the queries.
    """

    tables: dict[str, Path]
    classes: Path
    tags: Path
    queries: list[Path]

    @property
    def files(self) -> dict[str, Path]:
        """Every file by its name."""
        return {path.name: path for path in (*self.tables.values(), self.classes, self.tags, *self.queries)}


def find_bundle(paths: DataPaths) -> Bundle | None:
    """The bundle of a data set, in `attributions/` or in `attributes/`; None if there is none.

    Raises:
        DataError: there is one, but one of its files is missing.
    """
    for folder in (paths.attributions, paths.published_attributes):
        if not (folder / CLASSES).exists():
            continue
        bundle = Bundle(
            {split: folder / paths.table(split).name for split in SPLITS},
            folder / CLASSES,
            folder / TAGS,
            sorted(folder.glob(f"query_*_{paths.name}_*_random.pkl")),
        )
        missing = [name for name, path in bundle.files.items() if not path.exists()]
        if missing:
            raise DataError(f"the authors' bundle in {folder} is incomplete, without {', '.join(missing)}: {REMEDY}")
        return bundle
    return None


def is_prepared(paths: DataPaths) -> bool:
    """Whether the files of this project are there, and whole: made by an A1 script, or converted."""
    outputs = _outputs(paths)
    return paths.manifest("A1").exists() and all(path.exists() for path in outputs)


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
    stage.begin()
    _write(content, paths, stage.settings)
    write_json(paths.report, report)
    stage.finish()
    LOG.info("wrote %s: tables, classes, tags and %d query files", paths.attributions, len(content.queries))
    return True


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
    return Content(classes, frames, samples, _read_queries(bundle, samples, classes, entry, findings))


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


def read_classes(file: Path, entry: DatasetEntry) -> dict[str, list[str]]:
    """Read the class list: for each attribute its labels, in the order of their ids.

    Raises:
        DataError: it is not a class list, its ids are not 0..K-1, or an attribute of the data set is not in it.
    """
    content = plain_pickle.load(file)
    expected = f"{file}: expected {{attribute: {{'label2num': {{label: id}}}}}}"
    try:
        labels = {
            str(name): {int(number): str(label) for label, number in lists["label2num"].items()}
            for name, lists in content.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DataError(f"{expected}: {REMEDY}") from None
    missing = [name for name in entry.attributes if name not in labels]
    if missing or any(sorted(numbers) != list(range(len(numbers))) for numbers in labels.values()):
        what = f"found no {', '.join(missing)}" if missing else "found ids that are not 0, 1, 2, ..."
        raise DataError(f"{expected}, {what}: {REMEDY}")
    return {name: [numbers[number] for number in sorted(numbers)] for name, numbers in labels.items()}


def read_bundle_table(
    file: Path, name: str, classes: Mapping[str, Sequence[str]], attributes: Sequence[str]
) -> pd.DataFrame:
    """Read a table, its paths brought into the form `./data/<name>/...`, without an index column that pandas left.

    Args:
        file: the table.
        name: the data set.
        classes: for each attribute its labels.
        attributes: those that have to be there.

    Raises:
        DataError: a column is missing, or a class id or a path is not possible.
    """
    try:
        frame = pd.read_csv(file, dtype={"path": str}, keep_default_na=False)
    except ValueError as error:  # pandas' own parser errors are ValueErrors
        raise DataError(f"{file} is not a CSV file ({error}): {REMEDY}") from None
    found = [str(column) for column in frame.columns]
    if not {"path", *attributes} <= set(found):
        raise DataError(f"{file} has the columns {', '.join(found)}, expected path, {', '.join(classes)}: {REMEDY}")
    table = pd.DataFrame({"path": _logical(frame["path"], name, file)})
    for column in (column for column in found if column in classes):
        ids = pd.to_numeric(frame[column], errors="coerce")
        possible = ids.isin(range(len(classes[column])))
        if not possible.all():
            wrong, last = frame[column][~possible].iloc[0], len(classes[column]) - 1
            raise DataError(f"{file}: {column} has {wrong!r}, expected a class id from 0 to {last}: {REMEDY}")
        table[column] = ids.astype(np.int64)
    return table


def _logical(paths: "pd.Series[str]", name: str, file: Path) -> "pd.Series[str]":
    """Paths from anywhere as `./data/<name>/...`: what follows `data/<name>/`, or the last `<name>/`, counts."""
    slashed = paths.str.replace("\\", "/", regex=False)
    inside = slashed.str.extract(rf"(?:^|/)data/{re.escape(name)}/(.+)$", expand=False)
    inside = inside.fillna(slashed.str.extract(rf"^(?:.*/)?{re.escape(name)}/(.+)$", expand=False))
    if inside.isna().any():
        raise DataError(f"{file} has the path {paths[inside.isna()].iloc[0]!r}, expected ./data/{name}/...: {REMEDY}")
    return f"./data/{name}/" + inside


def _samples(
    frames: Mapping[str, pd.DataFrame], classes: Mapping[str, Sequence[str]], tag_file: Path, findings: Findings
) -> Samples:
    both = pd.concat(list(frames.values()), ignore_index=True)
    cut = len(frames[SPLITS[0]])
    paths: list[str] = both["path"].tolist()
    keys = both["path"].map(key_of)
    for key in keys[keys.duplicated()]:
        findings.repair("images listed twice, both rows kept", key)
    names = [column for column in both.columns if column != "path"]
    labels = {name: np.array(classes[name], dtype=object)[both[name]].tolist() for name in names}
    tags, query_tags = _tags(tag_file, keys.tolist(), classes[names[0]], findings)
    splits = {SPLITS[0]: np.arange(cut), SPLITS[1]: np.arange(cut, len(both))}
    return Samples(paths, labels, splits, tags, query_tags)


def _tags(file: Path, keys: Sequence[str], labels: Sequence[str], findings: Findings) -> tuple[list[str], list[str]]:
    """The tags of every image in both forms; the number of fields says which of the two kinds of pickle it is."""
    content = plain_pickle.load(file)
    if not isinstance(content, dict) or not all(isinstance(fields, (list, tuple)) for fields in content.values()):
        raise DataError(f"{file}: expected {{image: [fields]}}: {REMEDY}")
    widths = {len(fields) for fields in content.values()}
    if widths not in ({2}, {4}):
        raise DataError(f"{file} has entries of {sorted(widths)} fields, expected 2 or 4: {REMEDY}")
    strings = four_fields if widths == {4} else partial(class_and_tags, labels=labels)
    pairs = []
    for key in keys:
        if key not in content:
            findings.repair("images without an entry in the tag table, taken as tagless", key)
        pairs.append(strings(content[key]) if key in content else ("", ""))
    return [tags for tags, _ in pairs], [query_tags for _, query_tags in pairs]


def class_and_tags(fields: Sequence[Any], labels: Sequence[str]) -> tuple[str, str]:
    """Tags of the form [class, "a,b,c"]: those the metrics use, and those query generation uses.

    Args:
        fields: the class, by label or by id, and the comma-separated tags.
        labels: the label of each id.

    >>> class_and_tags([1, "Ear,Vert Cyl"], ["bird", "cat"]), class_and_tags(["005.Auk", ""], [])
    (('Ear,Vert Cyl,cat', 'Ear,Vert Cyl,cat'), ('005.Auk', ',005.Auk'))
    """
    name, tags = fields
    label = labels[int(name)] if isinstance(name, (int, np.integer)) else str(name)
    text = f"{tags if isinstance(tags, str) else ''},{label}"
    return ",".join(tag for tag in text.split(",") if tag), text


def four_fields(fields: Sequence[Any]) -> tuple[str, str]:
    """Tags of the form [genre, style, media, tag], NaN where empty (docs/method.md, 3 and 4).

    >>> four_fields(["portrait", "Ukiyo e", float("nan"), "Male, Hats"])
    ('portrait,ukiyoe,male,hats', 'male,hats,portrait,ukiyoe')
    >>> four_fields([float("nan")] * 4)
    ('', ',,')
    """
    genre, style, media, tag = fields
    text = [value if isinstance(value, str) else "" for value in (genre, style, media, tag)]
    tags = [piece for piece in ",".join(text).replace(" ", "").lower().split(",") if piece]
    query = ",".join(str(value) for value in (tag, media, genre, style))
    return ",".join(tags), query.replace("nan", "").replace(" ", "").replace(",,", ",").lower()


def _read_queries(
    bundle: Bundle, samples: Samples, classes: Mapping[str, Sequence[str]], entry: DatasetEntry, findings: Findings
) -> dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]]:
    """The queries of each task; a pickle that does not fit the tables is left out."""
    found = {}
    for file in bundle.queries:
        split = file.stem.removesuffix("_random").rsplit("_", 1)[-1]
        queries = read_queries(file, entry)
        attributes = list(queries[0]["condition"]) if queries else []
        keys = {key_of(samples.paths[row]) for row in samples.splits.get(split, ())}
        known = all(query["candidate"] in keys and list(query["condition"]) == attributes for query in queries)
        labels = {pair for query in queries for pair in query["condition"].items()}
        if not queries or not known or not all(label in classes.get(name, ()) for name, label in labels):
            findings.drop("query files without queries on these images and labels (run A2)", file.name)
            continue
        found[split, tuple(attributes)] = queries
        findings.facts[f"queries on {'+'.join(attributes)}"] = len(queries)
    return found


def read_queries(file: Path, entry: DatasetEntry) -> list[dict[str, Any]]:
    """The queries of a pickle in the order of their numbers, conditions in the order of the data set's attributes.

    Raises:
        DataError: it does not hold queries.
    """
    content = plain_pickle.load(file)
    order = {name: place for place, name in enumerate(entry.attributes)}

    def query(fields: Mapping[str, Any]) -> dict[str, Any]:
        condition = sorted(fields["condition"].items(), key=lambda pair: order.get(pair[0], len(order)))
        texts = {name: str(fields[name]) for name in ("candidate", "candidate_tags")}
        return {**texts, "condition": {str(name): str(label) for name, label in condition}}

    try:
        return [query(content[number]) for number in sorted(content)]
    except (AttributeError, KeyError, TypeError, IndexError):
        form = "{number: {'candidate', 'candidate_tags', 'condition': {attribute: label}}}"
        raise DataError(f"{file}: expected {form}: {REMEDY}") from None
