"""The files of E1's results: their names carry the settings, and those of one task are found beside one another."""

import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from backward_search.cli import EvaluateOptions
from backward_search.evaluation.intervals import Estimate, differences
from backward_search.methods.registry import AIM, AUTO, METHODS
from backward_search.runs.movers import student_marks
from backward_search.storage.atomic import read_json
from backward_search.storage.manifest import read_manifest
from backward_search.storage.paths import RunPaths

TABLE_ORDER = tuple(METHODS)


def place_of(paths: RunPaths, options: EvaluateOptions) -> Path:
    """Where the results of these options go: `results/<task>/<method>[-lambda0.5][-...].json`."""
    name = options.chosen_method
    if name in ("teacher", "student"):
        name += f"-{options.strength_mark}"
    if name.startswith("teacher-lambda"):
        name += "" if options.inverse_earlystopping else "-allsteps"
        name += "" if options.inverse_lr == 0.2 else f"-lr{options.inverse_lr}"
        name += "" if options.inverse_max_itr == 100 else f"-itr{options.inverse_max_itr}"
    if name.startswith("student"):
        name += "" if options.student_reg == 0 else f"-reg{options.student_reg}"
        name += "" if options.student_num_epoch == 50 else f"-epoch{options.student_num_epoch - 1}"
        name += student_marks(options)
        name += "" if options.student_lambdas is None else "-of{}to{}".format(*options.student_lambdas)
    if name == "random":
        name += "" if options.seed == 0 else f"-seed{options.seed}"
    if METHODS[options.chosen_method].move == "shift":
        name += "" if options.shift == 1 else f"-shift{options.shift}"
    name += f"-rerank{options.rerank}" if options.rerank else ""
    name += f"-strength{options.strength}" if options.strength else ""
    if options.weight_of(options.chosen_method) == AUTO:
        name += "" if options.aim == AIM else f"-{options.aim.replace('=', '')}"
    if not options.searches_exactly:
        name += f"-{options.engine}-short{options.shortlist}"
        name += f"-nprobe{options.nprobe}" if options.engine == "faiss-ivfpq" else ""
        name += f"-ef{options.ef_search}" if options.engine in ("faiss-hnsw", "milvus") else ""
    name += "" if options.search_topk == 10 else f"-top{options.search_topk}"
    name += "" if options.split == "test" else f"-{options.split}"
    name += "" if options.omit_tagless_img else "-tagless"
    name += "-strict" if options.protocol == "strict" else ""
    name += f"-{_in_a_name(options.condition)}" if options.condition else ""
    return paths.result("-".join(options.conditioned), name)


def sweep_of(paths: RunPaths, options: EvaluateOptions) -> Path:
    """Where the measures over lambda go: `results/<task>/sweep[-...].csv`; the figure lies beside it."""
    place = place_of(paths, options)
    return place.with_name(place.name.replace(f"teacher-lambda{options.inverse_lambda}", "sweep", 1)).with_suffix(
        ".csv"
    )


def _in_a_name(condition: str) -> str:
    """A condition as part of a file name: its words, and a checksum of the signs between them."""
    words = "_".join(re.findall(r"[\w.-]+", condition))[:60]
    return f"{words}-{zlib.crc32(condition.encode()):08x}"


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
    rows = [(file, read_json(file)) for file in finished if _inputs_of(file) == _inputs_of(place)]
    k = next(name for name in this if name.startswith("precision_at_"))
    fitting = [(file, row) for file, row in rows if k in row and all(row.get(name) == this.get(name) for name in same)]
    ranked = sorted([*fitting, (place, this)], key=lambda pair: (TABLE_ORDER.index(pair[1]["method"]), pair[0].name))
    return [file for file, _ in ranked]


def _inputs_of(place: Path) -> dict[str, str]:
    inputs = read_manifest(manifest_of(place))["inputs"]
    return {name: value for name, value in inputs.items() if name not in ("student", "train", "calibration")}


def differences_to(place: Path, others: list[Path]) -> dict[str, dict[str, Estimate]]:
    """By the name of each other result, the paired differences of this one to it."""
    own = _per_query(place)
    return {file.stem: differences(own, _per_query(file)) for file in others if file != place}


def _per_query(place: Path) -> dict[str, np.ndarray]:
    frame = pd.read_csv(per_query_of(place), index_col="query")
    return {str(name): column.to_numpy(np.float64) for name, column in frame.items()}
