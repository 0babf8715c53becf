"""Compare the methods: curves of precision over the context that is kept, each method over its own strength.

Three sets: glyphs, 10,000 images of Fashion-MNIST, and the same items in four drawn styles (`fashion.py`); the last two
need Debian's package dataset-fashion-mnist. For each set and seed a small network is trained by B1 and used by C1 as a
user would; what is finished under --root is not made again. Then every method answers the 1,000 queries of each task.

The measures are E1's, of the paper's protocol. A value is the mean over seeds and queries; its interval is the 95 %
bootstrap interval over queries, each query's value averaged over the seeds; `seeds` gives the mean of each seed.

Reads:  nothing but the package of Fashion-MNIST.
Writes: sets, networks and embeddings below --root; the figure and the curves as JSON where --figure and --json say.

    python bench/methods.py --root methods --figure fig/methods.png --json methods.json      (two hours on two cores)
    python bench/methods.py --root methods --sets glyphs --seeds 1
"""

import argparse
import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))

import numpy as np
from fashion import fashion, styled
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backward_search.cli import EvaluateOptions, parse
from backward_search.cli.translation import answer_config, opened_run, run_source, task_of
from backward_search.evaluation.intervals import estimates
from backward_search.evaluation.measures import measured
from backward_search.methods.assembler import Assembler
from backward_search.methods.config import AUTO, AnswerConfig
from backward_search.methods.registry import METHODS
from backward_search.solvers.adam import Adam
from backward_search.solvers.manifold import Manifold
from backward_search.storage.atomic import replacing, write_json

LAMBDAS = (0.05, 0.1, 0.25, 0.5, 1.1, 1.6, 2.2, 3.2, 5.0, 8.0)
PROBABILITIES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
AMOUNTS = (0.25, 0.5, 0.75, 1.0, 1.3, 1.7)
RERANK = 0.1
"""The weight of the condition beside a search."""
CONTEXT = {
    "twin_recall_at_10": "twin in the top 10",
    "mts_at_10": "mTS@10",
    "mts_at_10_without_labels": "mTS@10 without labels",
    "context_at_10": "cosine to the query",
}
POINTS = {
    "unchanged": "kx",
    "class_mean": "ks",
    "predicted_filter": "kv",
    "label_filter": "k^",
    "shift_null, auto": "k*",
}
"""How methods without a strength are drawn."""
SMALL = ["--encoder_model", "small_cnn", "--num_epoch", "10", "--recipe", "modern"]
GROUPS = ("--group_column", "group")
ALONE = ["--num_condition", "1"]
BOTH = ["--num_condition", "2"]


@dataclass(frozen=True)
class Set:
    """A data set: what its A1 is told, how it is trained, and its tasks."""

    prepare: tuple[str, ...]
    train: list[str]
    tasks: tuple[list[str], ...]


SETS = {
    "glyphs": Set(("A1.Data-Preprocessing-glyphs.py",), [], (ALONE, BOTH)),
    "fashion": Set(("A1.Data-Preprocessing-custom.py", "--image_size", "28"), SMALL, (ALONE,)),
    "styled": Set(
        ("A1.Data-Preprocessing-custom.py", "--image_size", "48", "--label_columns", "style,item", *GROUPS),
        ["--category_type", "style,item", *SMALL],
        (ALONE, BOTH),
    ),
}


def prepared(name: str, seed: int, root: Path) -> list[str]:
    """Run A1, A2, B1 and C1 on a set; the options that name the trained network."""
    data = ["--data_root", str(root / "data")]
    script, *words = SETS[name].prepare
    if "custom" in script:
        source = _drawn(name, root)
        words += ["--dataset_name", name, "--source", str(source), "--augment", "False"]
    _script(script, *words, *data)
    _script("A2.Query-Generating.py", "--dataset_name", name, *data)
    run = ["--dataset_name", name, *data, "--weight_root", str(root / f"weight-{seed}"), *SETS[name].train]
    _script("B1.BuildModel.py", *run, "--seed", str(seed))
    _script("C1.ModelTest.py", *run)
    return run


def _drawn(name: str, root: Path) -> Path:
    """The images of a set as a file that A1 takes."""
    source = root / f"{name}.npz"
    if not source.exists():
        arrays: dict[str, Any] = {"fashion": fashion, "styled": styled}[name]()
        with replacing(source) as temporary:
            np.savez(temporary.open("wb"), **arrays)
    return source


def _script(name: str, *words: str) -> None:
    subprocess.run([sys.executable, str(PROJECT / name), *words], check=True)


def settings(usual: AnswerConfig) -> Iterator[tuple[str, str, str, AnswerConfig]]:
    """Every curve and point: its curve, strength, method, and how it answers."""
    for method in ("unchanged", "class_mean", "predicted_filter", "label_filter"):
        yield method, "", method, usual
    for lambda_ in LAMBDAS:
        searching = replace(usual, solver=Adam(lambda_))
        yield "teacher", f"lambda {lambda_}", "teacher", searching
        yield f"teacher, rerank {RERANK}", f"lambda {lambda_}", "teacher", replace(searching, rerank=RERANK)
    for p in PROBABILITIES:
        searching = replace(usual, solver=Manifold(p))
        yield "manifold", f"probability {p}", "teacher", searching
        yield f"manifold, rerank {RERANK}", f"probability {p}", "teacher", replace(searching, rerank=RERANK)
    for amount in AMOUNTS:
        yield "class_shift", f"shift {amount}", "class_shift", replace(usual, knobs={"shift": amount})
    for method in ("concept_null", "shift_null"):
        for value in (0.0, *METHODS.find(method).tried):
            yield method, f"strength {value}", method, replace(usual, knobs={"strength": value})


def measure(words: list[str]) -> tuple[str, dict[tuple[str, str], dict[str, np.ndarray]]]:
    """A task's name, and by curve and strength every measure of each query (B,)."""
    options = parse(EvaluateOptions, None, words)
    task = task_of(options, run_source(options, opened_run(options)))
    assembler, usual = Assembler(task.source), answer_config(options, "teacher")
    chosen = assembler.settled("shift_null", task.conditioned, replace(usual, knobs={"strength": AUTO}))
    found = {}
    auto = ("shift_null, auto", "the chosen weight", "shift_null", chosen)
    for curve, strength, method, config in [*settings(usual), auto]:
        answer = assembler.answer(method, task.conditioned, task.query_embeddings(), task.conditions, config, 10)
        values = measured(task, answer.hits.rows.numpy(), strict=False)
        found[curve, strength] = values | {"gradient_evaluations": answer.moved.steps.double().numpy()}
    weight = float(chosen.knobs["strength"])
    found["shift_null, auto", "the chosen weight"]["weight"] = np.full(len(task.queries), weight)
    return f"{options.dataset_name} {'+'.join(task.conditioned)}", found


def summarised(seeds: Sequence[dict[tuple[str, str], dict[str, np.ndarray]]]) -> list[dict[str, Any]]:
    """The points of a task over its seeds."""
    points = []
    for curve, strength in seeds[0]:
        each = [seed[curve, strength] for seed in seeds]
        values = {name: np.mean([one[name] for one in each], axis=0) for name in each[0]}
        point: dict[str, Any] = {"curve": curve, "strength": strength}
        for name, estimate in estimates(values).items():
            point[name] = estimate.mean
            point[f"{name}_interval"] = [estimate.low, estimate.high]
            point[f"{name}_seeds"] = [float(np.nanmean(one[name])) for one in each]
        points.append(point)
    return points


def attained(points: Sequence[dict[str, Any]], curve: str, context: str, wanted: float) -> float | None:
    """The highest precision on a curve at some context, between two strengths in a straight line; None beyond its ends.

    A curve that keeps more context at every strength has its highest precision to offer.
    """
    own = [(point[context], point["precision_at_10"]) for point in points if point["curve"] == curve]
    reached = [precision for kept, precision in own if kept >= wanted]
    for (left, low), (right, high) in itertools.pairwise(own):
        if min(left, right) < wanted < max(left, right):
            reached.append(low + (high - low) * (wanted - left) / (right - left))
    return max(reached, default=None)


def table(name: str, points: Sequence[dict[str, Any]]) -> str:
    """For each lambda of the published search the precision of every curve at the same context, in Markdown."""
    curves = ["manifold", "class_shift", "concept_null", "shift_null"]
    lines = []
    for context, title in CONTEXT.items():
        if context not in points[0]:
            continue
        lines += [
            f"\n{name}, by {title}",
            "",
            f"| published search | {title} | P@10 | {' | '.join(curves)} |",
            "|---|---|---|" + "---|" * len(curves),
        ]
        for point in points:
            if point["curve"] == "teacher":
                others = [attained(points, curve, context, point[context]) for curve in curves]
                cells = " | ".join("-" if value is None else f"{value:.3f}" for value in others)
                lines.append(
                    f"| {point['strength']} | {point[context]:.3f} | {point['precision_at_10']:.3f} | {cells} |"
                )
    return "\n".join(lines)


def draw(tasks: dict[str, list[dict[str, Any]]], place: Path) -> None:
    """A row of curves for each task, a column for each measure of context."""
    figure = Figure(figsize=(4 * len(CONTEXT), 3.4 * len(tasks)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(tasks), len(CONTEXT), squeeze=False)
    for row, (name, points) in zip(grid, tasks.items(), strict=True):
        for axes, (context, title) in zip(row, CONTEXT.items(), strict=True):
            if context not in points[0]:
                axes.axis("off")
                continue
            _curves(axes, points, context)
            axes.set(title=name, xlabel=title, ylabel="precision@10")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    with replacing(place) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _curves(axes: Axes, points: Sequence[dict[str, Any]], context: str) -> None:
    for curve in dict.fromkeys(point["curve"] for point in points):
        own = [point for point in points if point["curve"] == curve]
        across, up = [point[context] for point in own], [point["precision_at_10"] for point in own]
        spread = np.abs(np.array([point["precision_at_10_interval"] for point in own]).T - up)
        style = POINTS.get(curve, ".--" if "rerank" in curve else "o-")
        axes.errorbar(across, up, yerr=spread, fmt=style, markersize=6 if len(own) == 1 else 3, lw=1, label=curve)
    axes.grid(alpha=0.3)


def main(argv: Sequence[str] | None = None) -> Path | None:
    """Train what is missing, measure, print the tables, and return the file of the curves if one was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of sets and networks")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="what to compare on")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each set")
    parser.add_argument("--figure", type=Path, help="draw the curves into this file")
    parser.add_argument("--json", type=Path, help="write the curves to this file")
    options = parser.parse_args(argv)
    tasks: dict[str, list[dict[str, Any]]] = {}
    for name in options.sets:
        runs = [prepared(name, seed, options.root) for seed in range(options.seeds)]
        for words in SETS[name].tasks:
            seeds = [measure([*run, *words]) for run in runs]
            title = seeds[0][0]
            tasks[title] = summarised([found for _, found in seeds])
            print(table(title, tasks[title]))
    if options.figure is not None:
        draw(tasks, options.figure)
    return None if options.json is None else write_json(options.json, tasks)


if __name__ == "__main__":
    main()
