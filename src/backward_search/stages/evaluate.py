"""E1: evaluate a method on the queries of a task."""

import dataclasses
import logging
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from backward_search import metrics
from backward_search.answers import Answer
from backward_search.files.atomic import read_json, write_csv, write_json
from backward_search.files.manifest import Stage, read_manifest
from backward_search.files.paths import RunPaths
from backward_search.options import EvaluateOptions, VisualizeOptions, next_command
from backward_search.run import Run
from backward_search.task import Task, check_topk, search_config, student_folder, student_marks

LOG = logging.getLogger(__name__)
TABLE_ORDER = ("random", "unchanged", "teacher", "student")


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
    answers = _answers(run, task, [one for _, one in left])
    for (stage, one), answer in zip(left, answers, strict=True):
        hits = _hit_rows(task, answer, one.search_topk, strict=strict)
        stage.begin()
        write_json(stage.outputs[0], _results(one, task, answer, hits))
        if one.save_result:
            _write_hits(stage.outputs[1], task, hits)
        stage.finish()
    place = stages[-1][0].outputs[0]
    LOG.info("%s", table(_beside(place)))
    LOG.info("wrote %s; next: %s", place, next_command(options, "E2.Model-Query-Visualization.py", VisualizeOptions))
    return place


def _stage(run: Run, options: EvaluateOptions) -> Stage:
    place = _place(run.paths, options)
    outputs = [place, place.with_suffix(".csv")] if options.save_result else [place]
    return Stage("E1", _manifest_of(place), _settings(options), _inputs(run, options), outputs)


def _answers(run: Run, task: Task, each: list[EvaluateOptions]) -> list[Answer]:
    """The answers under each of the options, which differ in lambda alone: one search for all of them."""
    if not each:
        return []
    method, count = each[0].chosen_method, len(task.queries)
    answerer = task.answerer(run, each[0], with_student=method == "student")
    queries, targets, lambdas = task.query_embeddings(), task.targets(method), task.lambdas
    if len(each) > 1:
        queries = queries.repeat(len(each), 1)
        targets = targets.repeat(len(each), 1) if isinstance(targets, Tensor) else targets.repeated(len(each))
        lambdas = queries.new_tensor([one.inverse_lambda for one in each]).repeat_interleave(count)
    answer = answerer.answer(method, queries, targets, each[0].search_topk + (each[0].protocol == "strict"), lambdas)
    return [answer.part(slice(i * count, (i + 1) * count)) for i in range(len(each))]


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
        name += student_marks(options)
        name += "" if options.student_lambdas is None else "-of{}to{}".format(*options.student_lambdas)
    if name == "random":
        name += "" if options.seed == 0 else f"-seed{options.seed}"
    name += "" if options.search_topk == 10 else f"-top{options.search_topk}"
    name += "" if options.split == "test" else f"-{options.split}"
    name += "" if options.omit_tagless_img else "-tagless"
    name += "-strict" if options.protocol == "strict" else ""
    name += f"-{_file_name(options.condition)}" if options.condition else ""
    return paths.result("-".join(options.conditioned), name)


def _file_name(condition: str) -> str:
    """A condition as part of a file name: its words, and a checksum of the signs between them."""
    words = "_".join(re.findall(r"[\w.-]+", condition))[:60]
    return f"{words}-{zlib.crc32(condition.encode()):08x}"


def _manifest_of(place: Path) -> Path:
    return place.with_name(f"{place.stem}.manifest.json")


def _inputs_of(place: Path) -> dict[str, str]:
    inputs = read_manifest(_manifest_of(place))["inputs"]
    return {name: value for name, value in inputs.items() if name != "student"}


def _beside(place: Path) -> list[Path]:
    """The finished results that fit into one table: same inputs, task, split, protocol and number of hits."""
    same = ("protocol", "split", "num_queries", "gallery_size", "condition")
    this = read_json(place)
    others = [file for file in sorted(place.parent.glob("*.json")) if not file.name.endswith(".manifest.json")]
    finished = [file for file in others if file != place and _manifest_of(file).exists()]
    rows = [(file, read_json(file)) for file in finished if _inputs_of(file) == _inputs_of(place)]
    k = next(name for name in this if name.startswith("precision_at_"))
    fitting = [(file, row) for file, row in rows if k in row and all(row.get(name) == this.get(name) for name in same)]
    ranked = sorted([*fitting, (place, this)], key=lambda pair: (TABLE_ORDER.index(pair[1]["method"]), pair[0].name))
    return [file for file, _ in ranked]


def _settings(options: EvaluateOptions) -> dict[str, Any]:
    method = options.chosen_method
    names = ("search_topk", "split", "protocol", "omit_tagless_img", *(["seed"] if method == "random" else []))
    chosen = {name: getattr(options, name) for name in names} | {"method": method}
    chosen |= {"condition": options.condition} if options.condition else {}
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


def _results(options: EvaluateOptions, task: Task, answer: Answer, hits: np.ndarray) -> dict[str, Any]:
    worth, k = task.worth(), hits.shape[1]
    meets = worth > 0
    if options.protocol == "strict":
        meets &= task.gallery_rows[None] != task.rows[:, None]
    relevant = np.take_along_axis(meets, hits, axis=1)
    method = options.chosen_method
    results: dict[str, Any] = {
        "dataset": options.dataset_name,
        "task": list(task.conditioned),
        "condition": options.condition or None,
        "method": method,
        "lambda": options.inverse_lambda if method in ("teacher", "student") else None,
        "protocol": options.protocol,
        "split": options.split,
        "num_queries": len(task.queries),
        "gallery_size": len(task.gallery_rows),
        f"precision_at_{k}": float(metrics.precision(relevant).mean()),
        f"map_at_{k}": float(metrics.average_precision(relevant, meets.sum(axis=1)).mean()),
    }
    if task.tags.tags:
        tags = task.gallery_tags()
        overlaps = np.array(
            [
                metrics.tag_similarity(task.query_tags(query), [tags[row] for row in rows])
                for query, rows in zip(task.queries, hits.tolist(), strict=True)
            ]
        )
        results |= {f"mts_at_{k}": float(overlaps.mean()), f"mts_at_{k}_std": float(overlaps.std())}
    if task.wishes.mixed:  # of a mixture every class counts as met; how well is what the shares say
        results[f"expected_weight_at_{k}"] = float(np.take_along_axis(worth, hits, axis=1).mean())
    results |= _twin_recall(task, hits)
    if task.lambdas is not None and method == "teacher":
        results["lambda"] = "per query"
    return results | {
        "gradient_evaluations": float(answer.steps.double().mean()),
        "share_stopped_early": float(answer.stopped.double().mean()),
        "seconds_per_query": answer.seconds,
    }


def _twin_recall(task: Task, hits: np.ndarray) -> dict[str, float]:
    """How often a twin is among the hits: of the queries that have one, and of those whose condition is not met yet."""
    twins = task.twins()
    if twins is None or not twins.any():
        return {}
    found = np.asarray(np.take_along_axis(twins, hits, axis=1).any(axis=1))
    exists = np.asarray(twins.any(axis=1))
    elsewhere = exists & ~task.met_before()
    results = {f"twin_recall_at_{hits.shape[1]}": float(found[exists].mean())}
    if elsewhere.any():
        results[f"twin_recall_at_{hits.shape[1]}_unmet"] = float(found[elsewhere].mean())
    return results


def _write_hits(place: Path, task: Task, hits: np.ndarray) -> None:
    keys = task.table.keys
    rows = (
        (index, query.candidate, rank + 1, keys[task.gallery_rows[row]])
        for index, (query, found) in enumerate(zip(task.queries, hits.tolist(), strict=True))
        for rank, row in enumerate(found)
    )
    write_csv(place, ("query", "candidate", "rank", "hit"), rows)


def table(files: list[Path]) -> str:
    """The results of some methods on one task as a Markdown table.

    The paper's mAP@10 is the mean precision@10; the column "rank-aware mAP" is what the field calls mAP@k.
    """
    rows = [read_json(file) for file in files]
    k = next(name for name in rows[0] if name.startswith("precision_at_")).removeprefix("precision_at_")
    columns = {
        f"mAP@{k} of the paper (precision@{k})": f"precision_at_{k}",
        f"rank-aware mAP@{k}": f"map_at_{k}",
        f"expected weight@{k}": f"expected_weight_at_{k}",
        f"mTS@{k}": f"mts_at_{k}",
        "std": f"mts_at_{k}_std",
        f"twin in top {k}": f"twin_recall_at_{k}",
        "twin, condition unmet": f"twin_recall_at_{k}_unmet",
    }
    columns = {title: name for title, name in columns.items() if any(name in row for row in rows)}
    lines = [
        "",
        f"{rows[0]['dataset']} {'+'.join(rows[0]['task'])}: {rows[0]['num_queries']} queries, gallery of "
        f"{rows[0]['gallery_size']}, {rows[0]['protocol']} protocol"
        + (f", condition {rows[0]['condition']}" if rows[0].get("condition") else ""),
        "",
        f"| method | lambda | {' | '.join(columns)} | evaluations | stopped early | ms per query |",
        f"|---|---|{'---|' * len(columns)}---|---|---|",
    ]
    for row in rows:
        values = " | ".join(f"{row[name]:.3f}" if name in row else "-" for name in columns.values())
        strength = "-" if row["lambda"] is None else row["lambda"]
        lines.append(f"| {row['method']} | {strength} | {values} | {_effort(row)} |")
    return "\n".join(lines)


def _effort(row: dict[str, Any]) -> str:
    """Gradient evaluations, share of the queries that stopped early, and milliseconds, each per query."""
    early = f"{row['share_stopped_early']:.0%}" if row["gradient_evaluations"] and "share_stopped_early" in row else "-"
    return f"{row['gradient_evaluations']:.1f} | {early} | {1000 * row['seconds_per_query']:.3f}"
