"""E1: evaluate a method on the queries of a task."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backward_search.answers import Answer, Answerer
from backward_search.datasets.provenance import provenance
from backward_search.evaluation import measured, per_query_rows
from backward_search.files.atomic import read_json, write_csv, write_json
from backward_search.files.manifest import Stage, read_manifest
from backward_search.files.paths import RunPaths
from backward_search.gallery import recall
from backward_search.intervals import differences, estimates
from backward_search.options import EvaluateOptions, VisualizeOptions, next_command
from backward_search.result_tables import depth, difference_table, result_table
from backward_search.run import Run
from backward_search.run_gallery import index_facts
from backward_search.task import Task, check_topk, search_config, student_folder

LOG = logging.getLogger(__name__)
TABLE_ORDER = ("random", "unchanged", "teacher", "student")


def evaluate(options: EvaluateOptions) -> Path:
    """Answer the queries by the chosen method, measure, print a table and write the results.

    Returns:
        The file of the results.
    """
    run, method = Run.open(options), options.chosen_method
    strict = options.protocol == "strict"
    task = Task.load(run, options, options.split, strict=strict, omit_tagless=options.omit_tagless_img)
    check_topk(options.search_topk, len(task.gallery_rows) - strict)
    place = _place(run.paths, options)
    outputs = [place, _per_query(place), *([place.with_suffix(".csv")] if options.save_result else [])]
    stage = Stage("E1", _manifest_of(place), _settings(run, options), _inputs(run, options), outputs)
    if not stage.is_done(overwrite=options.overwrite):
        answerer = task.answerer(run, options, with_student=method == "student")
        answer = answerer.answer(method, task.query_embeddings(), task.target_ids(), options.search_topk + strict)
        hits = _hit_rows(task, answer, options.search_topk, strict=strict)
        values = measured(task, hits, strict=strict)
        found = _engine_recall(options, answerer, task, answer)
        stage.begin()
        write_json(place, _results(options, task, answer, values) | found)
        write_csv(_per_query(place), ("query", *values), per_query_rows(values))
        if options.save_result:
            _write_hits(place.with_suffix(".csv"), task, hits)
        stage.finish()
    files = _beside(place)
    LOG.info("%s", result_table([read_json(file) for file in files]))
    if len(files) > 1:
        LOG.info("%s", _differences(place, files))
    LOG.info("wrote %s; next: %s", place, next_command(options, "E2.Model-Query-Visualization.py", VisualizeOptions))
    return place


def _place(paths: RunPaths, options: EvaluateOptions) -> Path:
    name = options.chosen_method
    if name in ("teacher", "student"):
        name += f"-lambda{options.inverse_lambda}"
    if name.startswith("teacher"):
        name += "" if options.inverse_earlystopping else "-allsteps"
        name += "" if options.inverse_lr == 0.2 else f"-lr{options.inverse_lr}"
        name += "" if options.inverse_max_itr == 100 else f"-itr{options.inverse_max_itr}"
    if name.startswith("student"):
        name += "" if options.student_reg == 0 else f"-reg{options.student_reg}"
        name += "" if options.student_num_epoch == 50 else f"-epoch{options.student_num_epoch - 1}"
    if name == "random":
        name += "" if options.seed == 0 else f"-seed{options.seed}"
    if not options.searches_exactly:
        name += f"-{options.engine}-short{options.shortlist}"
        name += f"-nprobe{options.nprobe}" if options.engine == "faiss-ivfpq" else ""
        name += f"-ef{options.ef_search}" if options.engine in ("faiss-hnsw", "milvus") else ""
    name += "" if options.search_topk == 10 else f"-top{options.search_topk}"
    name += "" if options.split == "test" else f"-{options.split}"
    name += "" if options.omit_tagless_img else "-tagless"
    name += "-strict" if options.protocol == "strict" else ""
    return paths.result("-".join(options.conditioned), name)


def _per_query(place: Path) -> Path:
    return place.with_name(f"{place.stem}.queries.csv")


def _differences(place: Path, files: list[Path]) -> str:
    values = {file: pd.read_csv(_per_query(file), index_col="query") for file in files}
    own = {str(name): column.to_numpy() for name, column in values.pop(place).items()}
    pairs = {
        file.stem: differences(own, {str(name): column.to_numpy() for name, column in frame.items()})
        for file, frame in values.items()
    }
    return difference_table(place.stem, pairs, depth(read_json(place)))


def _manifest_of(place: Path) -> Path:
    return place.with_name(f"{place.stem}.manifest.json")


def _inputs_of(place: Path) -> dict[str, str]:
    inputs = read_manifest(_manifest_of(place))["inputs"]
    return {name: value for name, value in inputs.items() if name != "student"}


def _beside(place: Path) -> list[Path]:
    """The finished results that fit into one table: same inputs, task, split, protocol and number of hits."""
    same = ("protocol", "split", "num_queries", "gallery_size")
    this = read_json(place)
    others = [file for file in sorted(place.parent.glob("*.json")) if not file.name.endswith(".manifest.json")]
    finished = [file for file in others if file != place and _manifest_of(file).exists() and _per_query(file).exists()]
    rows = [(file, read_json(file)) for file in finished if _inputs_of(file) == _inputs_of(place)]
    k = next(name for name in this if name.startswith("precision_at_"))
    fitting = [(file, row) for file, row in rows if k in row and all(row[name] == this[name] for name in same)]
    ranked = sorted([*fitting, (place, this)], key=lambda pair: (TABLE_ORDER.index(pair[1]["method"]), pair[0].name))
    return [file for file, _ in ranked]


def _settings(run: Run, options: EvaluateOptions) -> dict[str, Any]:
    method = options.chosen_method
    names = ("search_topk", "split", "protocol", "omit_tagless_img", *(["seed"] if method == "random" else []))
    chosen = {name: getattr(options, name) for name in names} | {"method": method}
    if not options.searches_exactly:
        chosen |= {name: getattr(options, name) for name in ("engine", "shortlist", "nprobe", "ef_search")}
        chosen["index"] = index_facts(run, options)
    return chosen | (dataclasses.asdict(search_config(options)) if method == "teacher" else {})


def _inputs(run: Run, options: EvaluateOptions) -> dict[str, Path]:
    strict = options.protocol == "strict"
    inputs = {
        "weights": run.paths.weights,
        "embeddings": run.paths.embeddings(options.split),
        "queries": options.data.queries(options.conditioned, options.split, strict=strict),
        "tags": options.data.tags,
    }
    student = student_folder(run, options) / "student.safetensors"
    return inputs | ({"student": student} if options.chosen_method == "student" and student.exists() else {})


def _hit_rows(task: Task, answer: Answer, k: int, *, strict: bool) -> np.ndarray:
    """The gallery rows of the hits (B, k); the strict protocol leaves the query's own image out."""
    rows = answer.hits.rows.cpu().numpy()
    if not strict:
        return np.asarray(rows)
    own = task.gallery_rows[rows] == task.rows[:, None]
    order = np.argsort(own, axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1)[:, :k]


def _results(options: EvaluateOptions, task: Task, answer: Answer, values: dict[str, np.ndarray]) -> dict[str, Any]:
    method = options.chosen_method
    results: dict[str, Any] = {
        "dataset": options.dataset_name,
        "tables": provenance(options.data),
        "task": list(options.conditioned),
        "method": method,
        "lambda": options.inverse_lambda if method in ("teacher", "student") else None,
        "protocol": options.protocol,
        "split": options.split,
        "num_queries": len(task.queries),
        "gallery_size": len(task.gallery_rows),
    }
    for name, estimate in estimates(values, options.seed).items():
        results |= {name: estimate.mean, f"{name}_interval": [estimate.low, estimate.high]}
        if estimate.count < len(task.queries):
            results[f"{name}_queries"] = estimate.count
        if name.startswith("mts"):
            results[f"{name}_std"] = float(values[name].std())  # of the population of queries, as published
    return results | {"gradient_evaluations": answer.steps, "seconds_per_query": answer.seconds}


def _engine_recall(options: EvaluateOptions, answerer: Answerer, task: Task, answer: Answer) -> dict[str, Any]:
    """The share of the exact hits that the engine found; nothing where every image was scored."""
    if options.searches_exactly:
        return {}
    whole = dataclasses.replace(answerer, gallery=answerer.gallery.exact())
    k = answer.hits.rows.shape[1]
    exact = whole.answer(options.chosen_method, task.query_embeddings(), task.target_ids(), k)
    return {"engine": options.engine, f"engine_recall_at_{k}": recall(answer.hits.rows, exact.hits.rows)}


def _write_hits(place: Path, task: Task, hits: np.ndarray) -> None:
    keys = task.table.keys
    rows = (
        (index, query.candidate, rank + 1, keys[task.gallery_rows[row]])
        for index, (query, found) in enumerate(zip(task.queries, hits.tolist(), strict=True))
        for rank, row in enumerate(found)
    )
    write_csv(place, ("query", "candidate", "rank", "hit"), rows)
