"""Time the search and the student beside a loop like the published one, on heads that are trained here.

The heads (E = 256; one condition of 27 classes, or two of 27 and 11) learn a synthetic set with a fixed seed: 4,000
points in (-1, 1)^256, each the tanh of a centre for each label plus noise, for six epochs. Early stopping then
behaves as with the heads of glyphs, some 14 evaluations a query. The published-style loop always makes its 100 steps:
zero_grad, each head under autograd, torch's Adam, then for every query `.item()`, a comparison and a copy of its row.
`teacher` is the search as every script makes it, from class ids to moved queries, `student` the distilled network
likewise; `manifold` is the manifold solver, to p = 0.95, with the covariance of the 4,000 points. `concept_null` moves
nothing: its time is that of ranking a gallery of the 4,000 points.

Reads:  nothing.
Writes: the rows as JSON, with --json FILE.

    python bench/search.py --json search.json     (some five minutes on two cores)
    python bench/search.py --batch 1 --repeats 5
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import torch
from torch import Tensor, nn

from backward_search.conditions.batch import Conditions
from backward_search.library.memory import MemorySource
from backward_search.methods.asking import Moved
from backward_search.methods.assembler import Answer, Assembler
from backward_search.methods.config import AnswerConfig
from backward_search.methods.registry import METHODS
from backward_search.model.network import Head
from backward_search.solvers.adam import Adam
from backward_search.solvers.manifold import Manifold
from backward_search.storage.atomic import write_json
from backward_search.student.network import Student

E, LAMBDA, SEED = 256, 1.1, 0
TASKS = {1: (27,), 2: (27, 11)}
BATCHES = (1, 32, 1000)
LEARNT = 4000
"""Points that the heads learn from."""


@dataclass(frozen=True)
class Row:
    """One measurement; `matmul_share` as in the benchmark's description, None where it has no meaning."""

    device: str
    batch: int
    conditions: int
    early_stopping: bool
    method: str
    ms_per_query: float
    p50_ms: float
    p95_ms: float
    mean_evaluations: float
    matmul_share: float | None


@dataclass(frozen=True)
class Setting:
    """Heads of the conditioned attributes, the most classes of one, queries, and what answers them, on one device."""

    heads: list[Head]
    names: tuple[str, ...]
    classes: int
    assembler: Assembler
    queries: Tensor
    targets: Tensor

    @property
    def weights(self) -> int:
        """The weights of the conditioned heads, without biases."""
        return sum(layer.weight.numel() for head in self.heads for layer in head if isinstance(layer, nn.Linear))

    def moved(self, method: str, queries: Tensor, targets: Tensor, config: AnswerConfig) -> Moved:
        """The queries (B, E) as a method moves them for class ids (B, A), not ranked."""
        ask = self.assembler.asked(method, self.names, queries, self._conditions(targets), config).ask
        return METHODS.find(method)().move(self.assembler.knowledge(self.names), ask)

    def answer(self, method: str, queries: Tensor, targets: Tensor, config: AnswerConfig) -> Answer:
        """The ten hits of each query among the points."""
        return self.assembler.answer(method, self.names, queries, self._conditions(targets), config, 10)

    def _conditions(self, targets: Tensor) -> Conditions:
        return Conditions.of_ids(targets, self.classes, self.queries.dtype)


def synthetic(classes: Sequence[int], count: int) -> tuple[Tensor, Tensor]:
    """Points (count, E) and their labels (count, A)."""
    generator = torch.Generator().manual_seed(SEED)
    labels = torch.stack([torch.randint(k, (count,), generator=generator) for k in classes], dim=1)
    centres = [torch.randn(k, E, generator=generator) * 0.35 for k in classes]
    total = torch.randn(count, E, generator=generator)
    for a, centre in enumerate(centres):
        total += centre[labels[:, a]]
    return torch.tanh(total), labels


def trained(classes: Sequence[int], points: Tensor, labels: Tensor) -> list[Head]:
    """Heads after six epochs on the points of a synthetic set."""
    torch.manual_seed(SEED)
    heads = [Head(E, k) for k in classes]
    adam = torch.optim.Adam([parameter for head in heads for parameter in head.parameters()], lr=1e-3)
    for _ in range(6):
        for rows in torch.randperm(len(points)).split(64):
            adam.zero_grad()
            terms = [nn.functional.cross_entropy(head(points[rows]), labels[rows, a]) for a, head in enumerate(heads)]
            torch.stack(terms).mean().backward()
            adam.step()
    return [head.eval().requires_grad_(False) for head in heads]


def prepared(classes: Sequence[int], device: torch.device) -> Setting:
    """The task on a device: 1,000 points of the synthetic set with random conditions."""
    points, labels = synthetic(classes, LEARNT)
    heads = [head.to(device) for head in trained(classes, points, labels)]
    queries, _ = synthetic(classes, 1000)
    generator = torch.Generator().manual_seed(SEED + 1)
    targets = torch.stack([torch.randint(k, (1000,), generator=generator) for k in classes], dim=1)
    assembler = over(points, labels, heads, Student(E, classes), device)
    names = tuple(assembler.source.classes)
    return Setting(heads, names, max(classes), assembler, queries.to(device), targets.to(device))


def over(points: Tensor, labels: Tensor, heads: Sequence[Head], student: Student, device: torch.device) -> Assembler:
    """What answers over a gallery of labelled points, which are the training images too, as a run's is put together."""
    named = {str(a): head for a, head in enumerate(heads)}
    classes = {name: [str(i) for i in range(head[-1].out_features)] for name, head in named.items()}
    training = points, dict(zip(named, labels.T, strict=True))
    students = {tuple(named): student}
    return Assembler(MemorySource(named, classes, points, training=training, students=students, device=device))


def published_style(heads: Sequence[Head], queries: Tensor, targets: Tensor, early_stopping: bool) -> Tensor:
    """The published loop, from its description; the kept rows (B, E) on the CPU."""
    z = queries.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=0.2)
    best = [float("inf")] * len(z)
    failures = [0] * len(z)
    kept: list[Tensor] = [row.cpu() for row in queries]
    for _ in range(100):
        adam.zero_grad()
        terms = [nn.functional.cross_entropy(head(z), targets[:, a], reduction="none") for a, head in enumerate(heads)]
        losses = torch.stack(terms).mean(0) + LAMBDA * (z - queries).abs().mean(1)
        losses.sum().backward()
        adam.step()
        for row in range(len(z)):
            loss = losses[row].item()
            if early_stopping and failures[row] > 10:
                continue
            if not early_stopping or loss <= best[row]:
                best[row], failures[row] = loss, 0
                kept[row] = z[row].detach().cpu().clone()
            else:
                failures[row] += 1
    return torch.stack(kept)


def seconds_of(call: Callable[[int], object], repeats: int, device: torch.device) -> list[float]:
    """Wall-clock seconds of each repetition, after one that does not count."""
    call(0)
    found = []
    for repetition in range(repeats):
        _wait(device)
        start = time.perf_counter()
        call(repetition)
        _wait(device)
        found.append(time.perf_counter() - start)
    return found


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matmul_speed(device: torch.device) -> float:
    """Floating-point operations per second of torch.mm of 512x256 by 256x256."""
    left, right = torch.randn(512, 256, device=device), torch.randn(256, 256, device=device)
    best = min(seconds_of(lambda _: [torch.mm(left, right) for _ in range(50)], 10, device))
    return 50 * 2 * 512 * 256 * 256 / best


def measure(setting: Setting, batch: int, early_stopping: bool, repeats: int) -> Iterator[Row]:
    """The rows of one task, batch and stopping rule."""
    device = setting.queries.device
    config = AnswerConfig(Adam(LAMBDA, early_stopping=early_stopping), batch_size=1000)
    along = replace(config, solver=Manifold())

    def part(repetition: int, size: int = batch) -> tuple[Tensor, Tensor]:
        start = repetition * size % 1000
        return setting.queries[start : start + size], setting.targets[start : start + size]

    every = (setting.moved("teacher", *part(0, 1000), each).steps for each in (config, along))
    steps, arrived = (each.double().mean().item() for each in every)
    calls: dict[str, tuple[Callable[[int], object], float]] = {
        "published": (lambda i: published_style(setting.heads, *part(i), early_stopping), 100.0),
        "teacher": (lambda i: setting.moved("teacher", *part(i), config), steps),
        "manifold": (lambda i: setting.moved("teacher", *part(i), along), arrived),
        "concept_null": (lambda i: setting.answer("concept_null", *part(i), config), 0.0),
        "student": (lambda i: setting.moved("student", *part(i), config), 0.0),
    }
    for method, (call, evaluations) in calls.items():
        speed = matmul_speed(device)
        times = seconds_of(call, repeats if method == "published" else 10 * repeats, device)
        yield _row(setting, batch, early_stopping, method, times, evaluations, speed)


def _row(
    setting: Setting,
    batch: int,
    early_stopping: bool,
    method: str,
    times: list[float],
    evaluations: float,
    speed: float,
) -> Row:
    per_query = torch.tensor(times, dtype=torch.float64) * 1000 / batch
    p50, p95 = (per_query.quantile(q).item() for q in (0.5, 0.95))
    share = 4 * setting.weights * evaluations / (p50 / 1000) / speed if method.startswith("teacher") else None
    conditions = len(setting.heads)
    device = setting.queries.device.type
    mean = per_query.mean().item()
    return Row(device, batch, conditions, early_stopping, method, mean, p50, p95, evaluations, share)


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, with the published-style loop's time as a multiple of each."""
    lines = [
        "| device | batch | conditions | early stop | method | ms a query | p50 | p95 | evaluations | matmul | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    key = lambda row: (row.device, row.batch, row.conditions, row.early_stopping)  # noqa: E731
    base = {key(row): row.p50_ms for row in rows if row.method == "published"}
    for row in rows:
        share = "-" if row.matmul_share is None else f"{row.matmul_share:.0%}"
        lines.append(
            f"| {row.device} | {row.batch} | {row.conditions} | {row.early_stopping} | {row.method} "
            f"| {row.ms_per_query:.3f} | {row.p50_ms:.3f} | {row.p95_ms:.3f} | {row.mean_evaluations:.1f} | {share} "
            f"| {base[key(row)] / row.p50_ms:.1f} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> Path | None:
    """Measure, print, and return the file of the rows if one was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--batch", type=int, nargs="+", default=BATCHES, help="queries at once")
    parser.add_argument("--conditions", type=int, nargs="+", choices=TASKS, default=list(TASKS), help="attributes")
    parser.add_argument(
        "--repeats", type=int, default=3, help="of the published-style loop; the others ten times as many"
    )
    options = parser.parse_args(argv)
    rows: list[Row] = []
    for name in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for conditions in options.conditions:
            setting = prepared(TASKS[conditions], torch.device(name))
            for batch in options.batch:
                for early_stopping in (True, False):
                    rows += measure(setting, batch, early_stopping, options.repeats)
    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{table(rows)}\n\nlambda {LAMBDA}, {threads}, torch {torch.__version__}")
    if options.json is None:
        return None
    return write_json(options.json, [asdict(row) for row in rows])


if __name__ == "__main__":
    main()
