"""E1: evaluate a method on the queries of a task."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backward_search.cli import EvaluateOptions, VisualizeOptions, next_command
from backward_search.cli.console import HEADLINE, LOGGED, NEXT, SHOWN
from backward_search.cli.translation import evaluation, opened_run, run_paths, run_source, task_of
from backward_search.data.guesses import counts_of_guesses
from backward_search.data.provenance import provenance
from backward_search.errors import OptionError
from backward_search.evaluation.intervals import estimates
from backward_search.evaluation.judged import hit_table, in_a_line, sharing
from backward_search.evaluation.measures import measured, per_query_rows
from backward_search.evaluation.result_files import beside, differences_to, hits_of, manifest_of, per_query_of
from backward_search.evaluation.result_tables import depth, difference_table, result_table
from backward_search.evaluation.settings import Evaluation
from backward_search.evaluation.short_tables import heading, short_differences, short_table
from backward_search.evaluation.sweep import write_sweep
from backward_search.gallery.memory import recall
from backward_search.methods.asking import CONTEXT, STUDENT, TRAINING
from backward_search.methods.assembler import Answer, Asked, Assembler
from backward_search.runs.doubts import warn_of
from backward_search.runs.index import index_facts
from backward_search.runs.run import Run
from backward_search.runs.students import StudentChoice, check_range, student_paths
from backward_search.runs.task import Task, check_topk
from backward_search.stages.learn_context import learn_if_missing
from backward_search.storage.atomic import read_json, write_csv, write_json, write_sheet
from backward_search.storage.hashing import file_hash
from backward_search.storage.manifest import Stage
from backward_search.visible import LINES

LOG = logging.getLogger(__name__)
FEW = 16
"""Queries that a GPU answers before the clock starts."""


def evaluate(options: EvaluateOptions) -> Path:
    """Answer the queries by the chosen method, measure, print a table and write the results.

    Returns:
        The file of the results; of a sweep that of its last lambda.
    """
    place = measure(options, warn=True)
    files = [place]
    if len(options.lambdas) > 1:
        paths, each = run_paths(options), _each(options)
        files = [one.place(paths) for one in each]
        from backward_search.drawing.sweep import draw_sweep  # with matplotlib, which other results need not

        rows = [read_json(file) for file in files]
        table = write_sweep(each[-1].sweep_place(paths), rows)
        LOG.info("wrote %s", table)
        LOG.info("wrote %s", draw_sweep(table.with_suffix(".png"), rows))
    _show(files, verbose=options.verbose)
    LOG.info("wrote %s", place)
    LOG.info("next: %s", next_command(options, "E2.Model-Query-Visualization.py", VisualizeOptions), extra=NEXT)
    return place


def measure(options: EvaluateOptions, *, warn: bool = False) -> Path:
    """Answer the queries and write the results, unless they are there already.

    Args:
        options: of E1.
        warn: of classes asked for that the heads recognise poorly.

    Returns:
        The file of the results; of a sweep that of its last lambda.

    Raises:
        MissingError: an earlier stage has not run.
        StaleError: what there is comes from other settings or inputs.
    """
    run, each = opened_run(options), _each(options)
    if CONTEXT in each[0].how.needs:
        learn_if_missing(options)
    source = run_source(options, run, omit_tagless=options.omit_tagless_img)
    task = task_of(options, source, strict=each[0].strict)
    check_topk(options.search_topk, len(task.gallery_rows) - each[0].strict)
    _check(task, each)
    LOG.info("%s", _what_is_used(task, each), extra=LOGGED)
    if warn:
        warn_of(task)
    stages = [(_stage(run, one, save_hits=options.save_result), one) for one in each]
    left = [(stage, one) for stage, one in stages if not stage.is_done(overwrite=options.overwrite)]
    if left:
        answers = _Answers.of(Assembler(source), task, [one for _, one in left])
        for (stage, one), answer, further in zip(left, answers.each, answers.facts, strict=True):
            _write(stage, one, task, answer, further, save_hits=options.save_result)
    return stages[-1][0].outputs[0]


def _each(options: EvaluateOptions) -> list[Evaluation]:
    """What is evaluated, under each lambda."""
    one = evaluation(options)
    return [one.at(value) for value in options.lambdas] if len(options.lambdas) > 1 else [one]


def _check(task: Task, each: list[Evaluation]) -> None:
    """Refuse what the queries do not admit."""
    one, solver = each[0], each[0].config.solver
    if STUDENT in one.how.needs and task.conditioned != one.conditioned:
        known, asked = "+".join(one.conditioned), "+".join(task.conditioned)
        raise OptionError(f"the student was trained on {known}, and --condition names {asked}: use --method teacher")
    if task.knobs is None or not one.how.searches:
        return
    if len(each) > 1:
        raise OptionError("each query of the query file has a lambda of its own: leave --sweep out")
    if not solver.each:
        raise OptionError(f"the query file gives lambdas, which --inverse_solver {solver.name} has not: pass adam")
    choice = one.config.student
    if STUDENT in one.how.needs and isinstance(choice, StudentChoice) and choice.shape.lambda_range is not None:
        check_range(task.knobs.tolist(), choice.shape.lambda_range, "the query file gives the lambda")


def _what_is_used(task: Task, each: list[Evaluation]) -> str:
    """Protocol, method, strength, weights and queries in one line."""
    one, run = each[0], task.source.run
    values = [f"{one.config.solver.knob.word} each query's own" if task.knobs is not None else _strengths(each)]
    strength = f" with {values[0]}" if one.how.searches else ""
    file = run.data.queries(one.conditioned, one.split, strict=one.strict)
    return (
        f"{one.protocol} protocol; {one.method}{strength}; weights {run.paths.weights} "
        f"({file_hash(run.paths.weights)[:8]}); {len(task.queries)} queries of {file} ({file_hash(file)[:8]})"
    )


def _strengths(each: list[Evaluation]) -> str:
    values = ", ".join(f"{one.how.strength(one.config):g}" for one in each if one.how.searches)
    return f"{each[0].config.solver.knob.word} {values}"


def _stage(run: Run, one: Evaluation, *, save_hits: bool) -> Stage:
    place = one.place(run.paths)
    outputs = [place, per_query_of(place), *([hits_of(place)] if save_hits else [])]
    index = {} if one.exact else index_facts(run, one.split, one.engine.engine)
    return Stage("E1", manifest_of(place), one.record(index), _inputs(run, one), outputs)


def _inputs(run: Run, one: Evaluation) -> dict[str, Path]:
    inputs = {
        "weights": run.paths.weights,
        "embeddings": run.paths.embeddings(one.split),
        "queries": run.data.queries(one.conditioned, one.split, strict=one.strict),
        "tags": run.data.tags,
    }
    needs = one.how.asks(one.config)
    if TRAINING in needs:
        inputs["train"] = run.paths.embeddings("train")
        inputs |= {"calibration": run.paths.calibration} if run.paths.calibration.exists() else {}
    inputs |= {"context": run.paths.context.weights} if CONTEXT in needs else {}
    if STUDENT in needs:
        student = student_paths(run, one.conditioned, one.config.solver, one.config.student).weights
        inputs |= {"student": student} if student.exists() else {}
    return inputs


@dataclass(frozen=True)
class _Answers:
    """The answers under each of some settings that differ in lambda alone, made by one search for all of them.

    Attributes:
        each: the answer under each.
        facts: what else is to be said of each.
    """

    each: list[Answer]
    facts: list[dict[str, Any]]

    @classmethod
    def of(cls, assembler: Assembler, task: Task, each: list[Evaluation]) -> "_Answers":
        """Answer the queries, and measure how long it takes."""
        one, times = each[0], len(each)
        queries, conditions, knobs = task.query_embeddings(), task.conditions, task.knobs if one.how.searches else None
        if times > 1:
            queries, conditions = queries.repeat(times, 1), conditions.repeated(times)
            lambdas = [_lambda(each_one) for each_one in each]
            knobs = queries.new_tensor(lambdas).repeat_interleave(len(task.queries))
        asked = assembler.asked(one.method, task.conditioned, queries, conditions, one.config, knobs)
        answer, seconds = _timed(asked, one.asked)
        parts = [answer.part(slice(i * len(task.queries), (i + 1) * len(task.queries))) for i in range(times)]
        facts = {"seconds_per_query": seconds, **_strength_fact(one, asked.ask.config)}
        found: list[dict[str, Any]] = [{}] * times
        if not one.exact:
            exact = asked.exactly(one.asked, answer.moved.embeddings)
            found = _recalls(one, answer.hits.rows, exact.rows, times)
        return cls(parts, [facts | more for more in found])


def _timed(asked: Asked, k: int) -> tuple[Answer, float]:
    """An answer, and the wall-clock seconds of each query, moving and ranking.

    What is known is put together before the clock starts, as by the answer to one query; so is, on a GPU, what the
    first call of a kernel loads, by an answer to a few.
    """
    queries = asked.ask.queries
    asked.first(min(len(queries), FEW) if queries.is_cuda else 1).answer(k)
    _wait(queries)
    start = time.perf_counter()
    answer = asked.answer(k)
    _wait(queries)
    return answer, (time.perf_counter() - start) / len(queries)


def _wait(queries: Tensor) -> None:
    if queries.is_cuda:
        torch.cuda.synchronize(queries.device)


def _lambda(one: Evaluation) -> float:
    value = one.how.strength(one.config)
    assert isinstance(value, float)
    return value


def _strength_fact(one: Evaluation, config: Any) -> dict[str, Any]:
    """The value of the method's own first knob, where it is not 0."""
    value = None if one.how.searches else one.how.strength(config)
    tried = bool(one.how.tried)
    return {"weight": value} if value and tried else {}


def _recalls(one: Evaluation, found: Tensor, exact: Tensor, times: int) -> list[dict[str, Any]]:
    """For each part of the queries the share of the exact hits that the engine found."""
    name = f"engine_recall_at_{exact.shape[1]}"
    return [
        {"engine": one.engine.engine, name: recall(ours, true)}
        for ours, true in zip(found.chunk(times), exact.chunk(times), strict=True)
    ]


def _write(
    stage: Stage, one: Evaluation, task: Task, answer: Answer, further: dict[str, Any], *, save_hits: bool
) -> None:
    place = stage.outputs[0]
    hits = _hit_rows(task, answer, one)
    values = measured(task, hits, strict=one.strict)
    with stage.alone():
        stage.begin()
        write_json(place, _results(one, task, answer, values) | sharing(task, hits) | further)
        write_csv(per_query_of(place), ("query", *values), per_query_rows(values))
        if save_hits:
            write_sheet(hits_of(place), *hit_table(task, hits))
        stage.finish()


def _hit_rows(task: Task, answer: Answer, one: Evaluation) -> np.ndarray:
    """The gallery rows of the hits (B, k); the strict protocol leaves the query's own image out."""
    rows = answer.hits.rows.cpu().numpy()
    if not one.strict:
        return np.asarray(rows)
    own = task.gallery_rows[rows] == task.rows[:, None]
    order = np.argsort(own, axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1)[:, : one.k]


def _results(one: Evaluation, task: Task, answer: Answer, values: dict[str, np.ndarray]) -> dict[str, Any]:
    run = task.source.run
    results: dict[str, Any] = {
        "dataset": run.name.dataset_name,
        "tables": provenance(run.data),
        "task": list(task.conditioned),
        **one.facts(each_its_own=_each_its_own(one, task)),
        "num_queries": len(task.queries),
        "gallery_size": len(task.gallery_rows),
    }
    for name, estimate in estimates(values, one.config.seed).items():
        results |= {name: estimate.mean, f"{name}_interval": [estimate.low, estimate.high]}
        if estimate.count < len(task.queries):
            results[f"{name}_queries"] = estimate.count
        if name.startswith("mts"):
            results[f"{name}_std"] = float(values[name].std())  # of the population of queries, as published
    guesses = counts_of_guesses(run.data, task.conditioned, task.table.keys)
    results |= {"guessed_labels": guesses} if guesses else {}
    return results | {
        "gradient_evaluations": float(answer.moved.steps.double().mean()),
        "share_stopped_early": float(answer.moved.stopped.double().mean()),
    }


def _each_its_own(one: Evaluation, task: Task) -> bool:
    """Whether the query file's lambdas move the queries: by a search, or a student that takes them."""
    choice = one.config.student
    takes = STUDENT not in one.how.needs or choice.shape.lambda_range is not None
    return task.knobs is not None and one.how.searches and takes


def _show(own: list[Path], *, verbose: bool) -> None:
    """Print the results beside those of the other methods; of a sweep its own alone. The log has every column."""
    place, files = own[-1], own if len(own) > 1 else beside(own[-1])
    rows, names, this = [read_json(file) for file in files], [file.stem for file in files], read_json(place)
    one = len(own) == 1
    differences = differences_to(place, files) if one else {}
    whole = {**LINES} if verbose else {**LINES, **LOGGED}
    LOG.info("%s", result_table(rows, names), extra=whole)
    if differences:
        LOG.info("%s", difference_table(place.stem, differences, depth(this)), extra=whole)
    if not verbose:
        _show_columns([*short_table(rows, names)], heading(rows[0]), files.index(place) if one else None)
        if differences:
            _show_columns(short_differences(place.stem, differences, depth(this)))
    if one:
        LOG.info("", extra=SHOWN)
        LOG.info("%s: %s", place.stem, in_a_line(this), extra=HEADLINE)


def _show_columns(lines: list[str], above: str = "", headline: int | None = None) -> None:
    """Show a table on the console: its head, then its rows, of which one may be what was asked for."""
    for line in ("", above) if above else ("",):
        LOG.info("%s", line, extra=SHOWN)
    for number, line in enumerate(lines, -1):
        LOG.info("%s", line, extra={**LINES, **SHOWN, "headline": number == headline})
