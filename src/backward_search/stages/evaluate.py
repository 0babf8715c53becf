"""E1: evaluate a method on the queries of a task."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from backward_search.answers import Answer, Answerer
from backward_search.datasets.provenance import provenance
from backward_search.evaluation import measured, per_query_rows
from backward_search.files.atomic import read_json, write_csv, write_json
from backward_search.files.manifest import Stage
from backward_search.intervals import estimates
from backward_search.methods import AUTO, METHODS
from backward_search.options import EvaluateOptions, VisualizeOptions, next_command
from backward_search.result_files import beside, differences_to, hits_of, manifest_of, per_query_of, place_of
from backward_search.result_tables import depth, difference_table, result_table
from backward_search.run import Run
from backward_search.task import Task, check_topk, search_config, student_folder

LOG = logging.getLogger(__name__)


def evaluate(options: EvaluateOptions) -> Path:
    """Answer the queries by the chosen method, measure, print a table and write the results.

    Returns:
        The file of the results; of a sweep that of its last lambda.
    """
    run, strict = Run.open(options), options.protocol == "strict"
    task = Task.load(run, options, options.split, strict=strict, omit_tagless=options.omit_tagless_img)
    check_topk(options.search_topk, len(task.gallery_rows) - strict)
    each = [dataclasses.replace(options, inverse_lambda=value) for value in options.lambdas]
    stages = [(_stage(run, one), one) for one in each]
    left = [(stage, one) for stage, one in stages if not stage.is_done(overwrite=options.overwrite)]
    if left:
        answerer = task.answerers(run, left[0][1], [options.chosen_method])[options.chosen_method]
        answers = _answers(answerer, task, [one for _, one in left])
        for (stage, one), answer in zip(left, answers, strict=True):
            _write(stage, one, task, answer, answerer.weight)
    place = stages[-1][0].outputs[0]
    _show(place)
    LOG.info("wrote %s; next: %s", place, next_command(options, "E2.Model-Query-Visualization.py", VisualizeOptions))
    return place


def _stage(run: Run, options: EvaluateOptions) -> Stage:
    place = place_of(run.paths, options)
    outputs = [place, per_query_of(place), *([hits_of(place)] if options.save_result else [])]
    return Stage("E1", manifest_of(place), _settings(options), _inputs(run, options), outputs)


def _settings(options: EvaluateOptions) -> dict[str, Any]:
    method = options.chosen_method
    names = ("search_topk", "split", "protocol", "omit_tagless_img", *(["seed"] if method == "random" else []))
    chosen = {name: getattr(options, name) for name in names} | {"method": method}
    chosen |= {"condition": options.condition} if options.condition else {}
    if METHODS[method].move == "shift":
        chosen["shift"] = options.shift
    weight = options.weight_of(method)
    if weight:
        chosen["weight"] = weight
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


def _write(stage: Stage, options: EvaluateOptions, task: Task, answer: Answer, weight: float | None) -> None:
    strict, place = options.protocol == "strict", stage.outputs[0]
    hits = _hit_rows(task, answer, options.search_topk, strict=strict)
    values = measured(task, hits, strict=strict)
    stage.begin()
    write_json(place, _results(options, task, answer, values) | ({"weight": weight} if weight else {}))
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
        "lambda": "per query" if task.lambdas is not None and method == "teacher" else strength,
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


def _write_hits(place: Path, task: Task, hits: np.ndarray) -> None:
    keys = task.table.keys
    rows = (
        (index, query.candidate, rank + 1, keys[task.gallery_rows[row]])
        for index, (query, found) in enumerate(zip(task.queries, hits.tolist(), strict=True))
        for rank, row in enumerate(found)
    )
    write_csv(place, ("query", "candidate", "rank", "hit"), rows)


def _show(place: Path) -> None:
    files = beside(place)
    LOG.info("%s", result_table([read_json(file) for file in files]))
    if len(files) > 1:
        LOG.info("%s", difference_table(place.stem, differences_to(place, files), depth(read_json(place))))
