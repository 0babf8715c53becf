"""E1: evaluate a method on the queries of a task."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from backward_search.cli import EvaluateOptions, VisualizeOptions, next_command
from backward_search.data.provenance import provenance
from backward_search.errors import OptionError
from backward_search.evaluation.intervals import estimates
from backward_search.evaluation.measures import measured, per_query_rows
from backward_search.evaluation.result_files import (
    beside,
    differences_to,
    hits_of,
    manifest_of,
    per_query_of,
    place_of,
    sweep_of,
)
from backward_search.evaluation.result_tables import depth, difference_table, result_table
from backward_search.evaluation.sweep import write_sweep
from backward_search.gallery.memory import recall
from backward_search.methods.answers import Answer, Answerer
from backward_search.methods.registry import AUTO, METHODS
from backward_search.runs.movers import search_config, student_folder
from backward_search.runs.run import Run, run_paths
from backward_search.runs.run_gallery import index_facts
from backward_search.runs.task import Task, check_topk
from backward_search.storage.atomic import file_hash, read_json, write_csv, write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import RunPaths

LOG = logging.getLogger(__name__)


def evaluate(options: EvaluateOptions) -> Path:
    """Answer the queries by the chosen method, measure, print a table and write the results.

    Returns:
        The file of the results; of a sweep that of its last lambda.
    """
    place = measure(options)
    files = [place]
    if len(options.lambdas) > 1:
        files = _places(run_paths(options), options)
        figure = write_sweep(sweep_of(run_paths(options), _each(options)[-1]), [read_json(file) for file in files])
        LOG.info("wrote %s and %s", figure.with_suffix(".csv"), figure)
    _show(files)
    LOG.info("wrote %s; next: %s", place, next_command(options, "E2.Model-Query-Visualization.py", VisualizeOptions))
    return place


def measure(options: EvaluateOptions) -> Path:
    """Answer the queries and write the results, unless they are there already.

    Returns:
        The file of the results; of a sweep that of its last lambda.

    Raises:
        MissingError: an earlier stage has not run.
        StaleError: what there is comes from other settings or inputs.
    """
    run, strict = Run.open(options), options.protocol == "strict"
    task = Task.load(run, options, options.split, strict=strict, omit_tagless=options.omit_tagless_img)
    check_topk(options.search_topk, len(task.gallery_rows) - strict)
    if task.lambdas is not None and len(options.lambdas) > 1:
        raise OptionError("each query of the query file has a lambda of its own: leave --sweep out")
    LOG.info("%s", _what_is_used(run, options, task))
    stages = [(_stage(run, one), one) for one in _each(options)]
    left = [(stage, one) for stage, one in stages if not stage.is_done(overwrite=options.overwrite)]
    if left:
        answerer = task.answerers(run, left[0][1], [options.chosen_method])[options.chosen_method]
        answers = _answers(answerer, task, [one for _, one in left])
        found = _engine_recall(answerer, task, [one for _, one in left], answers)
        for (stage, one), answer, recalled in zip(left, answers, found, strict=True):
            _write(stage, one, task, answer, recalled | ({"weight": answerer.weight} if answerer.weight else {}))
    return stages[-1][0].outputs[0]


def _each(options: EvaluateOptions) -> list[EvaluateOptions]:
    """The options under each lambda."""
    return [dataclasses.replace(options, inverse_lambda=value) for value in options.lambdas]


def _places(paths: RunPaths, options: EvaluateOptions) -> list[Path]:
    return [place_of(paths, one) for one in _each(options)]


def _what_is_used(run: Run, options: EvaluateOptions, task: Task) -> str:
    """Protocol, method, lambda, weights and queries in one line."""
    method = options.chosen_method
    values = "each query's own" if task.lambdas is not None else ", ".join(f"{value:g}" for value in options.lambdas)
    strength = options.strength_in_words if options.inverse_solver == "manifold" else f"lambda {values}"
    strength = f" with {strength}" if METHODS[method].move in ("search", "student") else ""
    file = options.data.queries(options.conditioned, options.split, strict=options.protocol == "strict")
    return (
        f"{options.protocol} protocol; {method}{strength}; weights {run.paths.weights} "
        f"({file_hash(run.paths.weights)[:8]}); {len(task.queries)} queries of {file} ({file_hash(file)[:8]})"
    )


def _stage(run: Run, options: EvaluateOptions) -> Stage:
    place = place_of(run.paths, options)
    outputs = [place, per_query_of(place), *([hits_of(place)] if options.save_result else [])]
    return Stage("E1", manifest_of(place), _settings(run, options), _inputs(run, options), outputs)


def _settings(run: Run, options: EvaluateOptions) -> dict[str, Any]:
    method = options.chosen_method
    names = ("search_topk", "split", "protocol", "omit_tagless_img", *(["seed"] if method == "random" else []))
    chosen = {name: getattr(options, name) for name in names} | {"method": method}
    chosen |= {"condition": options.condition} if options.condition else {}
    if not options.searches_exactly:
        chosen |= {name: getattr(options, name) for name in ("engine", "shortlist", "nprobe", "ef_search")}
        chosen["index"] = index_facts(run, options)
    if METHODS[method].move == "shift":
        chosen["shift"] = options.shift
    weight = options.weight_of(method)
    chosen |= {"weight": weight} if weight else {}
    chosen |= {"rerank": options.rerank} if options.rerank else {}
    if weight == AUTO:
        chosen |= {"aim": options.aim, "seed": options.seed}
    return chosen | (dataclasses.asdict(search_config(options)) if method == "teacher" else {})


def _inputs(run: Run, options: EvaluateOptions) -> dict[str, Path]:
    strict = options.protocol == "strict"
    inputs = {
        "weights": run.paths.weights,
        "embeddings": run.paths.embeddings(options.split),
        "queries": options.data.queries(options.conditioned, options.split, strict=strict),
        "tags": options.data.tags,
    }
    manifold = options.chosen_method == "teacher" and options.inverse_solver == "manifold"
    if METHODS[options.chosen_method].needs_background or options.rerank or manifold:
        inputs["train"] = run.paths.embeddings("train")
        inputs |= {"calibration": run.paths.calibration} if run.paths.calibration.exists() else {}
    student = student_folder(run, options) / "student.safetensors"
    return inputs | ({"student": student} if options.chosen_method == "student" and student.exists() else {})


def _answers(answerer: Answerer, task: Task, each: list[EvaluateOptions]) -> list[Answer]:
    """The answers under each of the options, which differ in lambda alone: one search for all of them."""
    method, count = each[0].chosen_method, len(task.queries)
    queries, targets, lambdas = task.query_embeddings(), task.targets(method), task.lambdas
    if len(each) > 1:
        queries = queries.repeat(len(each), 1)
        targets = targets.repeat(len(each), 1) if isinstance(targets, Tensor) else targets.repeated(len(each))
        lambdas = queries.new_tensor([one.inverse_lambda for one in each]).repeat_interleave(count)
    answer = answerer.answer(method, queries, targets, each[0].search_topk + (each[0].protocol == "strict"), lambdas)
    return [answer.part(slice(i * count, (i + 1) * count)) for i in range(len(each))]


def _engine_recall(
    answerer: Answerer, task: Task, each: list[EvaluateOptions], answers: list[Answer]
) -> list[dict[str, Any]]:
    """For each of the options the share of the exact hits that the engine found; nothing where all are scored."""
    if each[0].searches_exactly:
        return [{}] * len(each)
    exact = _answers(dataclasses.replace(answerer, gallery=answerer.gallery.exact()), task, each)
    k = exact[0].hits.rows.shape[1]
    return [
        {"engine": each[0].engine, f"engine_recall_at_{k}": recall(found.hits.rows, true.hits.rows)}
        for found, true in zip(answers, exact, strict=True)
    ]


def _write(stage: Stage, options: EvaluateOptions, task: Task, answer: Answer, further: dict[str, Any]) -> None:
    strict, place = options.protocol == "strict", stage.outputs[0]
    hits = _hit_rows(task, answer, options.search_topk, strict=strict)
    values = measured(task, hits, strict=strict)
    stage.begin()
    write_json(place, _results(options, task, answer, values) | further)
    write_csv(per_query_of(place), ("query", *values), per_query_rows(values))
    if options.save_result:
        _write_hits(hits_of(place), task, hits)
    stage.finish()


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
    searched, manifold = method in ("teacher", "student"), options.inverse_solver == "manifold"
    strength = options.inverse_lambda if searched and not manifold else None
    solver = {"solver": "manifold", "target_probability": options.target_probability} if manifold else {}
    results: dict[str, Any] = {
        "dataset": options.dataset_name,
        "tables": provenance(options.data),
        "task": list(task.conditioned),
        "condition": options.condition or None,
        "method": method,
        "lambda": "per query" if _each_its_own(options, task) else strength,
        **(solver if searched else {}),
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
    return results | {
        "gradient_evaluations": float(answer.steps.double().mean()),
        "share_stopped_early": float(answer.stopped.double().mean()),
        "seconds_per_query": answer.seconds,
    }


def _each_its_own(options: EvaluateOptions, task: Task) -> bool:
    """Whether the query file's lambdas move the queries: by the teacher, or a student that takes them."""
    takes = options.chosen_method == "student" and options.student_lambdas is not None
    return task.lambdas is not None and (takes or options.chosen_method == "teacher")


def _write_hits(place: Path, task: Task, hits: np.ndarray) -> None:
    keys = task.table.keys
    rows = (
        (index, query.candidate, rank + 1, keys[task.gallery_rows[row]])
        for index, (query, found) in enumerate(zip(task.queries, hits.tolist(), strict=True))
        for rank, row in enumerate(found)
    )
    write_csv(place, ("query", "candidate", "rank", "hit"), rows)


def _show(own: list[Path]) -> None:
    """Print the results beside those of the other methods; of a sweep its own alone."""
    place = own[-1]
    files = own if len(own) > 1 else beside(place)
    LOG.info("%s", result_table([read_json(file) for file in files], [file.stem for file in files]))
    if len(own) == 1 < len(files):
        LOG.info("%s", difference_table(place.stem, differences_to(place, files), depth(read_json(place))))
