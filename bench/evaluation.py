"""Time E1 after loading: the hits of 1,000 queries, every measure with its intervals, and the files.

The gallery are 16,289 embeddings of 256 numbers, as many as WikiArt's test split has; two conditions, of 27 and 11
classes; each image has eight of 500 tags, and a twin in each of three other groups. The heads are those of the
benchmark of the search, trained on its synthetic set, and so are the points; they stop early, so that there is a row
without early stopping, too: 100 steps are the most that other heads could take. What is timed is what a fresh result
costs between a loaded task and its written files; importing, reading tables and hashing inputs are loading. A second
table has what one query takes alone; the context map of `context` and `best` is one that has learnt nothing.

Reads:  nothing.
Writes: the rows as JSON, with --json FILE.

    python bench/evaluation.py --json evaluation.json     (a minute on two cores)
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "src"), str(Path(__file__).resolve().parent)]

import numpy as np
import torch
from search import LEARNT, TASKS, E, synthetic, trained
from torch import Tensor

from backward_search.context.network import ContextConfig, ContextMap
from backward_search.data.query_generation import Query
from backward_search.data.registry import DatasetEntry
from backward_search.data.tables import Table, Tags
from backward_search.evaluation.intervals import estimates
from backward_search.evaluation.measures import measured, per_query_rows
from backward_search.library.memory import MemorySource
from backward_search.methods.assembler import Assembler
from backward_search.methods.config import AnswerConfig
from backward_search.runs.task import Task
from backward_search.solvers.adam import Adam
from backward_search.storage.atomic import write_csv, write_json
from backward_search.student.network import Student

GALLERY, QUERIES, LAMBDA, TOPK, TAGS, TAGS_EACH, TWINS = 16_289, 1000, 3.2, 10, 500, 8, 4
ATTRIBUTES = ("style", "genre")
Result = TypeVar("Result")
METHODS = ("unchanged", "student", "teacher", "teacher, 100 steps")
ALONE = ("unchanged", "class_shift", "context", "shift_null", "best", "teacher")


@dataclass(frozen=True)
class Row:
    """Seconds of one method in its fastest repetition: wall-clock, of all cores, and the parts by the wall clock."""

    method: str
    seconds: float
    cpu_seconds: float
    hits: float
    measures: float
    intervals_and_files: float
    gradient_evaluations: float


class MadeUp(MemorySource):
    """A split in memory, with the table and the tags that a run's split has; every image is in the gallery."""

    def __init__(self, table: Table, tags: Tags, embeddings: Tensor) -> None:
        """Train the heads; the student stays as it begins."""
        heads = dict(zip(ATTRIBUTES, trained(TASKS[2], *synthetic(TASKS[2], LEARNT)), strict=True))
        context = ContextMap(ContextConfig(E, ATTRIBUTES)).eval().requires_grad_(False)
        students = {ATTRIBUTES: Student(E, TASKS[2])}
        super().__init__(heads, table.classes, embeddings, students=students, context=context)
        self.table, self.tags, self.embeddings, self.rows = table, tags, embeddings, np.arange(len(table))


def made_up(seed: int = 0) -> Task:
    """The task, as `Task.load` puts one together."""
    rng = np.random.default_rng(seed)
    embeddings, labels = synthetic(TASKS[2], GALLERY)
    classes = {name: [f"{name} {i}" for i in range(k)] for name, k in zip(ATTRIBUTES, TASKS[2], strict=True)}
    ids = {name: labels[:, a].numpy() for a, name in enumerate(ATTRIBUTES)}
    paths = [f"./data/made-up/images/all/{row}.jpg" for row in range(GALLERY)]
    table = Table(DatasetEntry("made-up", {"both": ATTRIBUTES}), "test", paths, ids, classes)
    words = rng.integers(TAGS, size=(GALLERY, TAGS_EACH))
    tags = {key: ",".join(f"tag{word}" for word in row) for key, row in zip(table.keys, words.tolist(), strict=True)}
    groups = {key: str(row // TWINS) for row, key in enumerate(table.keys)}
    rows = rng.choice(GALLERY, QUERIES, replace=False)
    wanted = [{name: str(rng.choice(classes[name])) for name in ATTRIBUTES} for _ in rows]
    queries = [
        Query(table.keys[row], tags[table.keys[row]], condition) for row, condition in zip(rows, wanted, strict=True)
    ]
    return Task.of(MadeUp(table, Tags(tags, tags, groups), embeddings), ATTRIBUTES, queries)


def measure(task: Task, assembler: Assembler, method: str, folder: Path) -> Row:
    """One evaluation; what is known of gallery and heads is put together before the clock starts, as E1 does it."""
    name, _, every_step = method.partition(", ")
    config, conditions = AnswerConfig(Adam(LAMBDA, early_stopping=not every_step)), task.conditions
    assembler.answer(name, ATTRIBUTES, task.query_embeddings()[:1], conditions.at(torch.tensor([0])), config, TOPK)
    start = time.process_time()
    hits, answer = _timed(lambda: assembler.answer(name, ATTRIBUTES, task.query_embeddings(), conditions, config, TOPK))
    measures, values = _timed(lambda: measured(task, answer.hits.rows.numpy(), strict=False))
    files, _ = _timed(lambda: _write(values, folder))
    total, cpu = hits + measures + files, time.process_time() - start
    return Row(method, total, cpu, hits, measures, files, float(answer.moved.steps.double().mean()))


def alone(task: Task, assembler: Assembler, method: str, queries: int = 60) -> tuple[float, float]:
    """The median and the 95th percentile of the milliseconds that one query takes by itself, as in the explorer."""
    config, embeddings, times = AnswerConfig(Adam(LAMBDA)), task.query_embeddings(), []
    for row in range(queries + 1):
        conditions = task.conditions.at(torch.tensor([row]))
        query = embeddings[row : row + 1]
        times.append(_timed(partial(assembler.answer, method, ATTRIBUTES, query, conditions, config, TOPK))[0])
    low, high = np.quantile(times[1:], (0.5, 0.95)) * 1000  # the first one finds nothing prepared
    return float(low), float(high)


def _timed(call: Callable[[], Result]) -> tuple[float, Result]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _write(values: dict[str, np.ndarray], folder: Path) -> None:
    write_json(folder / "results.json", {name: asdict(each) for name, each in estimates(values).items()})
    write_csv(folder / "results.queries.csv", ("query", *values), per_query_rows(values))


def main(argv: Sequence[str] | None = None) -> Path | None:
    """Measure, print, and return the file of the rows if one was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--repeats", type=int, default=3, help="evaluations of each method")
    options = parser.parse_args(argv)
    task = made_up()
    assembler = Assembler(task.source)
    with tempfile.TemporaryDirectory() as folder:
        each = [[measure(task, assembler, method, Path(folder)) for _ in range(options.repeats)] for method in METHODS]
        rows = [min(own, key=lambda row: row.seconds) for own in each]
    single = {method: alone(task, assembler, method) for method in ALONE}
    print("| method | seconds | CPU seconds | hits | measures | intervals and files | evaluations |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        parts = (row.seconds, row.cpu_seconds, row.hits, row.measures, row.intervals_and_files)
        print(f"| {row.method} | {' | '.join(f'{part:.2f}' for part in parts)} | {row.gradient_evaluations:.1f} |")
    print("\n| method | one query alone, ms p50 | p95 |\n|---|---|---|")
    for method, (low, high) in single.items():
        print(f"| {method} | {low:.1f} | {high:.1f} |")
    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"\n{GALLERY} x {E}, {QUERIES} queries, lambda {LAMBDA}, {threads}, torch {torch.__version__}")
    return None if options.json is None else write_json(options.json, [asdict(row) for row in rows])


if __name__ == "__main__":
    main()
