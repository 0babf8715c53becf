"""The files of E1's results: what lies beside each, and the results of one task beside one another."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from backward_search.errors import UserError
from backward_search.evaluation.intervals import Estimate, differences
from backward_search.methods.registry import METHODS
from backward_search.storage.atomic import read_json
from backward_search.storage.manifest import read_manifest, refuse_changed

LOG = logging.getLogger(__name__)


def manifest_of(place: Path) -> Path:
    """The record of how a result was made."""
    return place.with_name(f"{place.stem}.manifest.json")


def per_query_of(place: Path) -> Path:
    """The measures of each query, which differences between methods are taken from."""
    return place.with_name(f"{place.stem}.queries.csv")


def hits_of(place: Path) -> Path:
    """The hits of each query, kept on request."""
    return place.with_suffix(".csv")


def beside(place: Path) -> list[Path]:
    """The finished results that fit into one table with this one, itself among them, in the order of a table.

    They have the same inputs, task, split, protocol, condition and number of hits.
    """
    same = ("protocol", "split", "num_queries", "gallery_size", "condition")
    this = read_json(place)
    others = [file for file in sorted(place.parent.glob("*.json")) if not file.name.endswith(".manifest.json")]
    finished = [file for file in others if file != place and manifest_of(file).exists() and per_query_of(file).exists()]
    whole = [file for file in finished if _is_whole(file)]
    rows = [(file, read_json(file)) for file in whole if _inputs_of(file) == _inputs_of(place)]
    k = next(name for name in this if name.startswith("precision_at_"))
    fitting = [(file, row) for file, row in rows if k in row and all(row.get(name) == this.get(name) for name in same)]
    order = {name: number for number, name in enumerate(METHODS)}
    ranked = sorted(
        [*fitting, (place, this)], key=lambda pair: (order.get(pair[1]["method"], len(order)), pair[0].name)
    )
    return [file for file, _ in ranked]


def _is_whole(place: Path) -> bool:
    """Whether a result is as E1 left it; one that is not is named."""
    try:
        refuse_changed(manifest_of(place), [place, per_query_of(place)], "run E1 for it again with --overwrite True")
    except UserError as error:
        LOG.warning("left out of the table: %s", error)
        return False
    return True


def _inputs_of(place: Path) -> dict[str, str]:
    inputs = read_manifest(manifest_of(place))["inputs"]
    return {name: value for name, value in inputs.items() if name not in ("student", "train", "calibration", "context")}


def differences_to(place: Path, others: list[Path]) -> dict[str, dict[str, Estimate]]:
    """By the name of each other result, the paired differences of this one to it."""
    own = _per_query(place)
    return {file.stem: differences(own, _per_query(file)) for file in others if file != place}


def _per_query(place: Path) -> dict[str, np.ndarray]:
    frame = pd.read_csv(per_query_of(place), index_col="query")
    return {str(name): column.to_numpy(np.float64) for name, column in frame.items()}
