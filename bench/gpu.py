"""Measure search, embedding, training and the demo's stages on a GPU, in one table.

Reads:  nothing; images and the demo set are made in a temporary folder.
Writes: the table, as Markdown; the figures with --json FILE.

    bash bench/gpu.sh                              (some three minutes on an H200)
    bash bench/gpu.sh --parts search --json FILE
    bash bench/gpu.sh --parts accuracy             (what --precision costs: trains the demo three times)

Milliseconds of a search are medians, with the published loop as the measure of the ratio. Images a second are those of
the best of two passes; *bare* is the network alone, *memory* ours without decoding, *ours* all of it. Seconds of stages
are from start to exit, PyTorch's import included: a machine that cannot write beside its packages compiles them at each
start, unless PYTHONPYCACHEPREFIX names a folder.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / "bench")]

import search as searches
import torch
import training

from backward_search.cli.console import run_script
from backward_search.errors import OptionError, UserError
from backward_search.methods.config import AnswerConfig
from backward_search.solvers.adam import Adam
from backward_search.solvers.manifold import Manifold
from backward_search.storage.atomic import write_json

GPU = torch.device("cuda")
TASK = ("--dataset_name", "glyphs", "--num_condition", "2")
STAGES = (
    ("A1.Data-Preprocessing-glyphs", ()),
    ("A2.Query-Generating", TASK[:2]),
    ("B1.BuildModel", TASK[:2]),
    ("C1.ModelTest", TASK[:2]),
    ("C4.Learn-Context", TASK[:2]),
    ("D1.Train-KD-Model", TASK),
    ("E1.Model-Evaluation", (*TASK, "--method", "teacher")),
    ("E1.Model-Evaluation", (*TASK, "--method", "best")),
    ("E1.Model-Evaluation", (*TASK, "--method", "best")),
)
"""The demo; the last one is skipped, since nothing has changed."""
NETWORKS = {"C1-bf16": 1, "B1-bf16": 4, "B1-tf32": 8, "B1-fp32": 16}
"""Stages and precisions that are measured, each on a part of the images: the slower, the fewer."""


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        part: what was measured.
        what: which case of it.
        value: the figure.
        unit: its unit.
        note: what it is to be compared with.
    """

    part: str
    what: str
    value: float
    unit: str
    note: str = ""


def of_search(_given: argparse.Namespace) -> Iterator[Figure]:
    """Milliseconds of a query, of one and of 1,000 at once, with two conditions."""
    setting = searches.prepared(searches.TASKS[2], GPU)
    for early in (True, False):
        for batch in (1, 1000):
            yield from _of_batch(setting, early, batch)


def _of_batch(setting: searches.Setting, early: bool, batch: int) -> Iterator[Figure]:
    config = AnswerConfig(Adam(searches.LAMBDA, early_stopping=early), batch_size=1000)
    along = replace(config, solver=Manifold())
    case = f"{'early stopping' if early else 'all 100 steps'}, batch {batch}"

    def median(call: Callable[..., object], times: int) -> float:
        """Milliseconds of a query."""

        def once(turn: int) -> object:
            part = slice(turn * batch % 1000, turn * batch % 1000 + batch)
            return call(setting.queries[part], setting.targets[part])

        found = torch.tensor(searches.seconds_of(once, times, GPU), dtype=torch.float64)
        return float(found.median()) * 1000 / batch

    published = median(lambda *asked: searches.published_style(setting.heads, *asked, early), 2)
    yield Figure("search", f"published loop, {case}", published, "ms a query")
    ways: dict[str, Callable[..., object]] = {"teacher": lambda *asked: setting.moved("teacher", *asked, config)}
    if early:
        ways["manifold"] = lambda *asked: setting.moved("teacher", *asked, along)
        ways["student"] = lambda *asked: setting.moved("student", *asked, config)
    for name, way in ways.items():
        spent = median(way, 30 if batch == 1 else 10)
        yield Figure("search", f"{name}, {case}", spent, "ms a query", f"{published / spent:.0f} times faster")


def of_networks(given: argparse.Namespace) -> Iterator[Figure]:
    """Images a second of C1 and B1."""
    with tempfile.TemporaryDirectory() as folder:
        files = training.write_images(Path(folder), given.images, 256)
        for network in given.networks:
            (stage, precision), share = network.split("-"), NETWORKS[network]
            some = argparse.Namespace(
                stages=[stage],
                loops=["bare forward" if stage == "C1" else "bare step", "memory", "ours"],
                encoder=given.encoder,
                image_size=224,
                batch_size=given.batch_size,
                n_workers=given.n_workers,
                precision=precision,
                repeats=2,
            )
            torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
            torch.cuda.reset_peak_memory_stats()
            rows = training.measure_all(some, GPU, files[: given.images // share])
            bare = next(row.images_per_second for row in rows if row.loop.startswith("bare"))
            for row in rows:
                note = f"{row.images_per_second / bare:.0%} of bare, {row.waiting:.0%} waiting"
                yield Figure(f"{stage}, {precision}", row.loop, row.images_per_second, "images/s", note)
            peak = torch.cuda.max_memory_allocated() / 2**30
            yield Figure(f"{stage}, {precision}", "memory of the GPU", peak, "GiB")
    torch.set_float32_matmul_precision("highest")


def run(script: str, words: Sequence[str], root: Path) -> tuple[float, str]:
    """Run a numbered script on data and runs below a folder; its seconds and what it said.

    Raises:
        UserError: it failed.
    """
    roots = ["--data_root", str(root / "data")]
    roots += [] if script.startswith("A") else ["--weight_root", str(root / "weight")]
    command = [sys.executable, str(PROJECT / f"{script}.py"), *words, *roots]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{script} failed: {done.stderr.strip().splitlines()[-1:]}")
    return time.perf_counter() - start, done.stdout + done.stderr


def of_stages(_given: argparse.Namespace) -> Iterator[Figure]:
    """Seconds of the demo's stages."""
    with tempfile.TemporaryDirectory() as folder:
        seen: set[object] = set()
        for script, words in STAGES:
            seconds, said = run(script, words, Path(folder))
            what = " ".join([script, *words[len(TASK) :]]) + (", again" if (script, words) in seen else "")
            seen.add((script, words))
            found = re.findall(r"finished in ([\d.]+) s", said)
            yield Figure("demo", what, seconds, "s", f"{found[-1]} s behind the imports" if found else "")


def of_accuracy(_given: argparse.Namespace) -> Iterator[Figure]:
    """What a precision costs: the demo's test accuracy, trained by the paper's recipe."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        run(*STAGES[0], root)
        for precision in ("fp32", "tf32", "bf16"):
            words = (*TASK[:2], "--recipe", "paper", "--precision", precision, "--mname", precision)
            seconds, said = run("B1.BuildModel", words, root)
            last = re.findall(r"epoch \d+/\d+: loss [\d.]+, test accuracy: (.+)", said)[-1]
            mean = sum(map(float, re.findall(r"[\d.]+", last))) / len(re.findall(r"[\d.]+", last))
            yield Figure(
                "accuracy", f"B1 of the demo, paper's recipe, {precision}", mean, "mean", f"{last}; {seconds:.1f} s"
            )


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Figure]]] = {
    "search": of_search,
    "networks": of_networks,
    "stages": of_stages,
    "accuracy": of_accuracy,
}


def main(argv: Sequence[str] | None = None) -> Path | None:
    """Measure, print, and return the file of the figures if one was asked for.

    Raises:
        OptionError: there is no GPU.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["search", "networks", "stages"])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--encoder", default="convnext_base")
    parser.add_argument("--images", type=int, default=20_000, help="of C1; B1 takes a part of them")
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--n_workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    if not torch.cuda.is_available():
        raise OptionError("there is no CUDA device: bench/search.py and bench/training.py measure a CPU")
    figures: list[Figure] = []
    name = f"{torch.cuda.get_device_name(GPU)}, {os.cpu_count()} cores, torch {torch.__version__}"
    print(f"{name}\n\n| part | what | value | unit | note |\n|---|---|---|---|---|", flush=True)
    for part in given.parts:
        for figure in PARTS[part](given):
            figures.append(figure)
            print(f"| {figure.part} | {figure.what} | {figure.value:.4g} | {figure.unit} | {figure.note} |", flush=True)
    if given.json is None:
        return None
    return write_json(given.json.absolute(), {"machine": name, "figures": [asdict(figure) for figure in figures]})


if __name__ == "__main__":
    run_script(main)
