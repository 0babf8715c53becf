"""The queries of a bundle, task by task."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backward_search.data.registry import DatasetEntry
from backward_search.data.report import Findings
from backward_search.data.tables import Samples, key_of
from backward_search.errors import DataError
from backward_search.published import plain_pickle
from backward_search.published.bundle.files import REMEDY, Bundle, plain_text


def queries_by_task(
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
        texts = {name: plain_text(fields[name]) for name in ("candidate", "candidate_tags")}
        return {**texts, "condition": {plain_text(name): plain_text(label) for name, label in condition}}

    try:
        return [query(content[number]) for number in sorted(content)]
    except (AttributeError, KeyError, TypeError, IndexError):
        form = "{number: {'candidate', 'candidate_tags', 'condition': {attribute: label}}}"
        raise DataError(f"{file}: expected {form}: {REMEDY}") from None
