"""Time D1, and see how near the student comes to its teacher, on heads that are trained here.

The set is that of `search.py` (E = 256): 12,000 points to learn from, 3,000 more as gallery, 1,000 of these as queries
with random conditions. Its heads learn the 12,000. D1's own code then trains a student for 49 epochs, with the
teacher's answers for each epoch's pairs; the time of the answers is also given alone. Precision@10 is the share of the
ten nearest points of the gallery that carry every wanted label.

Reads:  nothing.
Writes: the rows as JSON, with --json FILE.

    python bench/distillation.py --json distillation.json     (four minutes on two cores)
    python bench/distillation.py --conditions 1 --students published
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import torch
from search import LAMBDA, SEED, TASKS, E, synthetic, trained
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.gallery.memory import Gallery
from backward_search.model.network import Head
from backward_search.solvers.adam import Adam
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.protocol import GivenGround
from backward_search.storage.atomic import write_json
from backward_search.student.distillation import DistillConfig, Distiller
from backward_search.student.network import Student, StudentConfig

LEARNT, GALLERY, QUERIES, TOPK = 12_000, 3_000, 1_000, 10
STUDENTS = {
    "published": (StudentConfig(), "mse"),
    "residual": (StudentConfig(256, output="residual"), "l1"),
}


@dataclass(frozen=True)
class Row:
    """One student; precision@10 of the queries as they are, moved by the teacher, and moved by the student."""

    conditions: int
    student: str
    seconds: float
    seconds_of_answers: float
    precision_unchanged: float
    precision_teacher: float
    precision_student: float
    cosine_to_teacher: float


class TimedTeacher:
    """The answers of a distiller's teacher, with the time that they took."""

    def __init__(self, distiller: Distiller) -> None:
        """Stand before a distiller's teacher."""
        self._answers, self.seconds = distiller._teacher.answers, 0.0
        distiller._teacher.answers = self  # type: ignore[method-assign, assignment]

    def __call__(self, targets: Tensor, levels: Tensor) -> Tensor:
        """The answers."""
        start = time.perf_counter()
        found = self._answers(targets, levels)
        self.seconds += time.perf_counter() - start
        return found


class Judge:
    """The gallery with its labels, and the queries with what they want."""

    def __init__(self, classes: Sequence[int], points: Tensor, labels: Tensor) -> None:
        """Take the points of the gallery, the first of which are the queries."""
        self._gallery, self._labels = Gallery(points), labels
        self.queries = points[:QUERIES]
        generator = torch.Generator().manual_seed(SEED + 1)
        self.targets = torch.stack([torch.randint(k, (QUERIES,), generator=generator) for k in classes], dim=1)

    def precision(self, moved: Tensor) -> float:
        """Precision@10 of moved queries."""
        rows = self._gallery.search(moved, TOPK).rows
        return (self._labels[rows] == self.targets[:, None]).all(2).double().mean().item()


def measure(heads: Sequence[Head], points: Tensor, judge: Judge, name: str, epochs: int) -> Row:
    """Train one student."""
    ground, solver = GivenGround(FrozenHeads.of(heads, torch.device("cpu"))), Adam(LAMBDA)
    shape, loss = STUDENTS[name]
    torch.manual_seed(SEED)
    student = Student(E, [head[-1].out_features for head in heads], shape)
    start = time.perf_counter()
    distiller = Distiller(student, ground, points, solver, DistillConfig(epochs, loss=loss))
    teacher = TimedTeacher(distiller)
    for epoch in range(epochs):
        distiller.train_epoch(epoch)
    seconds = time.perf_counter() - start
    conditions = Conditions.of_ids(judge.targets, ground.heads.classes, judge.queries.dtype)
    taught = solver.search(ground, judge.queries, conditions).embeddings
    with torch.inference_mode():
        moved = student.move(judge.queries, judge.targets)
    precisions = [judge.precision(found) for found in (judge.queries, taught, moved)]
    cosine = torch.nn.functional.cosine_similarity(moved, taught).mean().item()
    return Row(len(heads), name, seconds, teacher.seconds, *precisions, cosine)


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| conditions | student | seconds | for answers | P@10 unchanged | teacher | student | cosine to teacher |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        precisions = (row.precision_unchanged, row.precision_teacher, row.precision_student, row.cosine_to_teacher)
        lines.append(
            f"| {row.conditions} | {row.student} | {row.seconds:.1f} | {row.seconds_of_answers:.1f} "
            f"| {' | '.join(f'{value:.3f}' for value in precisions)} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> Path | None:
    """Measure, print, and return the file of the rows if one was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--conditions", type=int, nargs="+", choices=TASKS, default=list(TASKS), help="attributes")
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=list(STUDENTS), help="which students")
    parser.add_argument("--epochs", type=int, default=49, help="of D1")
    options = parser.parse_args(argv)
    rows = []
    for conditions in options.conditions:
        points, labels = synthetic(TASKS[conditions], LEARNT + GALLERY)
        heads = trained(TASKS[conditions], points[:LEARNT], labels[:LEARNT])
        judge = Judge(TASKS[conditions], points[LEARNT:], labels[LEARNT:])
        rows += [measure(heads, points[:LEARNT], judge, name, options.epochs) for name in options.students]
    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{table(rows)}\n\n{LEARNT} x {E}, lambda {LAMBDA}, {options.epochs} epochs, {threads}")
    return None if options.json is None else write_json(options.json, [asdict(row) for row in rows])


if __name__ == "__main__":
    main()
