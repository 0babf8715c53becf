"""The query file of a task, as A2 wrote it or as it came with the authors' data."""

import math
from dataclasses import dataclass
from typing import Any

from backward_search.data.query_generation import Query
from backward_search.errors import DataError
from backward_search.runs.run import Run
from backward_search.storage.atomic import read_json
from backward_search.storage.manifest import refuse_changed, refuse_stale
from backward_search.storage.paths import require


@dataclass(frozen=True)
class StoredQueries:
    """The queries of a file.

    Attributes:
        queries: in the file's order, those on images without an embedding left out.
        lambdas: for each its own lambda, None where it has none ("lambda" in its entry).
    """

    queries: list[Query]
    lambdas: list[float | None]

    def knobs(self, default: float) -> list[float] | None:
        """A lambda for each query; None where all have the default one."""
        values = [default if value is None else value for value in self.lambdas]
        return None if set(values) == {default} else values


def read_queries(run: Run, conditioned: tuple[str, ...], split: str, *, strict: bool = False) -> StoredQueries:
    """Read the queries of a task.

    Raises:
        MissingError: A2 has not run.
        StaleError: they were drawn from other tables than there are now.
        DataError: the file is damaged, empty, or that of another task.
    """
    name, file = run.name.dataset_name, run.data.queries(conditioned, split, strict=strict)
    further = ("" if split == "test" else f" --split {split}") + (" --protocol strict" if strict else "")
    draw = f"run A2.Query-Generating.py --dataset_name {name} --condition_on {','.join(conditioned)}{further}"
    require(file, f"queries for {name} {'+'.join(conditioned)}", draw)
    again = f"{draw} --overwrite True"
    manifest = run.data.manifest(file.stem)
    if manifest.exists():  # queries of the authors' bundle have none
        refuse_stale(
            manifest, {"table": run.data.table(split), "classes": run.data.classes, "tags": run.data.tags}, again
        )
        refuse_changed(manifest, [file], f"{again}, or delete {manifest.name} if the change is yours")
    content, left_out = read_json(file), run.left_out(split)
    try:
        same = (content["dataset"], content["attributes"]) == (name, list(conditioned))
        entries = [query for query in content["queries"] if query["candidate"] not in left_out]
        lambdas = [_lambda(query) for query in entries]
        stored = [Query(**query) for query in entries]
        if not all(isinstance(label, str) for query in stored for label in query.condition.values()):
            raise TypeError
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise DataError(f"{file} is not a query file: {again}") from None
    if not same or not stored:
        raise DataError(f"{file} holds {'queries of another task' if stored else 'no queries'}: {again}")
    return StoredQueries(stored, lambdas)


def _lambda(entry: dict[str, Any]) -> float | None:
    """The lambda of an entry, taken out of it."""
    value = entry.pop("lambda", None)
    if value is not None and not 0 <= float(value) < math.inf:
        raise ValueError
    return None if value is None else float(value)
