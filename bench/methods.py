"""Compare the methods: curves of precision over the context that is kept, each method over its own strength.

On any prepared sets: --task names a run by the options of E1, without its weight root, and may be given several times;
--weight_roots holds the same runs trained from other seeds, a root for each. Or on built-in sets, of which each seed's
network is trained by B1 and used by C1 and C4 as a user would, below --root; what is finished there is not made again.
They are glyphs, 10,000 images of Fashion-MNIST, and the same items in four drawn styles (`fashion.py`); the last two
need Debian's package dataset-fashion-mnist.

Every method of the registry that has a strength is a curve, the published search is one over lambda, and methods
without a strength are points; one that cannot answer is left out with a line. The measures are E1's, of the paper's
protocol. For each task the tables give

- the whole curves: precision@10, and context by mTS@10 without the conditioned labels, by twins found, and by the
  cosine of the query with its hits;
- how far each curve lies above the published search's: the mean difference (the area between them) and the least one of
  precision at equal context, over the contexts that the lambdas cover, and the mean difference of context at equal
  precision, over the precisions that they cover. `curves.py` says how it counts where a curve ends; `covered` is the
  share of the range to which its own points go: judge by the means where it is near 1;
- the precision of every curve at the context of each lambda.

In brackets stand 95 % bootstrap intervals over queries and over seeds; `curves.py` says how they are drawn.

Reads:  the tasks' runs; or nothing but the package of Fashion-MNIST.
Writes: sets, networks and embeddings below --root; the figure and all numbers as JSON where --figure and --json say.

    python bench/methods.py --task "--dataset_name glyphs --num_condition 2" --weight_roots weight         (two minutes)
    python bench/methods.py --task "--dataset_name glyphs --data_root D/data --num_condition 2" \
        --task "--dataset_name mine --data_root D/data --category_type colour --condition_on colour" \
        --weight_roots D/weight-0 D/weight-1 D/weight-2 --figure fig/methods.png --json D/methods.json
    python bench/methods.py --root methods --figure fig/methods.png --json methods.json      (two hours on two cores)
    python bench/methods.py --root methods --sets glyphs --seeds 1
    python bench/methods.py --measured a.json b.json --figure fig/methods.png          (tasks that are measured already)
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))

import numpy as np
from curve_tables import CONTEXT, PRECISION, PUBLISHED, draw, recorded, tables
from curves import Point, Task
from fashion import fashion, styled
from numbered import run

from backward_search.cli import EvaluateOptions, parse
from backward_search.cli.console import run_script
from backward_search.cli.translation import answer_config, opened_run, run_source, task_of
from backward_search.evaluation.measures import measured
from backward_search.methods.assembler import Assembler
from backward_search.methods.config import AUTO, AnswerConfig
from backward_search.methods.registry import METHODS
from backward_search.progress import progress
from backward_search.solvers.adam import Adam
from backward_search.solvers.manifold import Manifold
from backward_search.storage.atomic import read_json, replacing, write_json

LAMBDAS = (0.05, 0.1, 0.25, 0.5, 1.1, 1.6, 2.2, 3.2, 5.0, 8.0)
PROBABILITIES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
STEPS = 9
"""Values of a knob of a method that names none to try, over the whole of its slider."""
HITS = 10
RERANK = 0.1
"""The weight of the condition beside a search."""
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
    "glyphs": Set(("A1.Data-Preprocessing-glyphs",), [], (ALONE, BOTH)),
    "fashion": Set(("A1.Data-Preprocessing-custom", "--image_size", "28"), SMALL, (ALONE,)),
    "styled": Set(
        ("A1.Data-Preprocessing-custom", "--image_size", "48", "--label_columns", "style,item", *GROUPS),
        ["--category_type", "style,item", *SMALL],
        (ALONE, BOTH),
    ),
}


def prepared(name: str, seed: int, root: Path) -> list[str]:
    """Run A1, A2, B1, C1 and C4 on a set; the options that name the trained network."""
    data = ["--data_root", str(root / "data")]
    script, *words = SETS[name].prepare
    if "custom" in script:
        source = _drawn(name, root)
        words += ["--dataset_name", name, "--source", str(source), "--augment", "False"]
    run(script, *words, *data)
    run("A2", "--dataset_name", name, *data)
    words = ["--dataset_name", name, *data, "--weight_root", str(root / f"weight-{seed}"), *SETS[name].train]
    run("B1", *words, "--seed", str(seed))
    run("C1", *words)
    run("C4", *words)
    return words


def _drawn(name: str, root: Path) -> Path:
    """The images of a set as a file that A1 takes."""
    source = root / f"{name}.npz"
    if not source.exists():
        arrays: dict[str, Any] = {"fashion": fashion, "styled": styled}[name]()
        with replacing(source) as temporary:
            np.savez(temporary.open("wb"), **arrays)
    return source


@dataclass(frozen=True)
class Way:
    """What is measured: a method, how it answers, and the curve and strength that it is called."""

    curve: str
    strength: str
    method: str
    config: AnswerConfig


def ways(usual: AnswerConfig) -> Iterator[Way]:
    """Every point of every curve."""
    for lambda_ in LAMBDAS:
        yield Way(PUBLISHED, f"lambda {lambda_}", "teacher", replace(usual, solver=Adam(lambda_)))
    for p in PROBABILITIES:
        yield Way("manifold", f"probability {p}", "teacher", replace(usual, solver=Manifold(p)))
    for name in METHODS:
        if not (METHODS[name].searches or METHODS[name].at_once):  # a student has its teacher's, a draw no strength
            yield from _of_method(name, usual)
    for lambda_ in LAMBDAS:
        searching = replace(usual, solver=Adam(lambda_), rerank=RERANK)
        yield Way(f"{PUBLISHED}, rerank {RERANK}", f"lambda {lambda_}", "teacher", searching)
    for p in PROBABILITIES:
        yield Way(
            f"manifold, rerank {RERANK}",
            f"probability {p}",
            "teacher",
            replace(usual, solver=Manifold(p), rerank=RERANK),
        )


def _of_method(name: str, usual: AnswerConfig) -> Iterator[Way]:
    """The points of a method that does not search: over its first knob, or one if it has none."""
    how = METHODS[name]
    if not how.knobs:
        yield Way(name, "", name, usual)
        return
    knob = how.knobs[0]
    values = sorted({knob.least, *how.tried}) if how.tried else np.linspace(knob.least, knob.most, STEPS).tolist()
    for value in values:
        yield Way(name, f"{knob.word} {value:g}", name, replace(usual, knobs={knob.option: value}))
    if knob.default == AUTO:
        yield Way(f"{name}, auto", "as chosen", name, replace(usual, knobs={knob.option: AUTO}))


def measure(words: list[str]) -> tuple[str, dict[tuple[str, str], dict[str, np.ndarray]]]:
    """A task's name, and by curve and strength the measures of each query (B,)."""
    options = parse(EvaluateOptions, None, words)
    task = task_of(options, run_source(options, opened_run(options)))
    assembler, names = Assembler(task.source), task.conditioned
    found, refused = {}, {}
    for way in progress(list(ways(answer_config(options, PUBLISHED))), " ".join(names), "point"):
        if words := assembler.refusal(way.method, names, way.config):
            refused[way.curve] = words
            continue
        config = assembler.settled(way.method, names, way.config)
        answer = assembler.answer(way.method, names, task.query_embeddings(), task.conditions, config, HITS)
        values = measured(task, answer.hits.rows.cpu().numpy(), strict=False)
        kept = {measure: values[measure] for measure in (PRECISION, *CONTEXT) if measure in values}
        found[way.curve, way.strength] = kept | {"gradient_evaluations": answer.moved.steps.double().numpy()}
        if config is not way.config:
            chosen = METHODS[way.method]().strength(config)
            found[way.curve, way.strength]["chosen"] = np.full(len(task.queries), chosen)
    for curve, why in refused.items():
        print(f"{curve} is left out: {why}")
    return f"{options.dataset_name} {'+'.join(names)}", found


def joined(runs: Sequence[list[str]]) -> Task:
    """A task over its seeds, each named by the options of its run; of the points those that every seed has."""
    names, seeds = zip(*(measure(words) for words in runs), strict=True)
    points = []
    for curve, strength in seeds[0]:
        each = [seed.get((curve, strength)) for seed in seeds]
        if all(each):
            values = {name: np.stack([one[name] for one in each]) for name in each[0]}
            points.append(Point(curve, strength, values))
    return Task.of(names[0], points)


def asked(options: argparse.Namespace) -> Iterator[list[list[str]]]:
    """For each task the options of its runs, one for each seed; built-in sets are trained on the way."""
    for task in options.task:
        yield [[*shlex.split(task), "--weight_root", str(root)] for root in options.weight_roots]
    for name in options.sets:
        runs = [prepared(name, seed, options.root) for seed in range(options.seeds)]
        yield from ([[*run, *words] for run in runs] for words in SETS[name].tasks)


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options; without a task and without sets, all sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", action="append", default=[], help="options of E1 that name a run and its condition")
    parser.add_argument(
        "--weight_roots", nargs="+", type=Path, default=[], help="the tasks' runs, a root for each seed"
    )
    parser.add_argument("--root", type=Path, help="folder of the built-in sets and networks")
    parser.add_argument("--sets", nargs="+", choices=SETS, help="built-in sets to compare on")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each built-in set")
    parser.add_argument("--measured", type=Path, nargs="+", default=[], help="files of --json, to draw their tasks too")
    parser.add_argument("--figure", type=Path, help="draw the curves into this file")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    options = parser.parse_args(argv)
    if options.sets is None:
        options.sets = [] if options.task or options.measured else list(SETS)
    if bool(options.task) != bool(options.weight_roots):
        parser.error("--task and --weight_roots belong together")
    if options.sets and options.root is None:
        parser.error("--root says where built-in sets are kept")
    return options


def main(argv: Sequence[str] | None = None) -> Path | None:
    """Train what is missing, measure, print the tables, and return the file of the numbers if one was asked for."""
    options = parsed(argv)
    tasks = [task for file in options.measured for task in read_json(file)]
    for runs in asked(options):
        task = joined(runs)
        tasks.append(recorded(task))
        print(tables(task), end="\n\n", flush=True)
    if options.figure is not None:
        draw(tasks, options.figure)
    if options.json is None:
        return None
    return write_json(options.json, tasks)


if __name__ == "__main__":
    run_script(main)
