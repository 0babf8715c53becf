"""What the paper's experiment on WikiArt costs: every stage at full size, once, and what 30 epochs would take.

Reads:  nothing. A set in WikiArt's form with made-up content is written first: 81,444 images of 256 pixels.
Writes: a table; the figures with --json FILE; the set and what the stages make of it into --work.

    python bench/paper.py                            (an H200: five minutes, of which B1 takes two)
    python bench/paper.py --images 8000              (a tenth: seconds are those of the tenth)
    python bench/paper.py --precision bf16 --json FILE --work DIR

The commands are the paper's, but for one epoch and an encoder that starts from nothing. Seconds are from start to exit.
Images lie in the memory of the system, since they are hard links to a few files: a disk that gives fewer a second than
the table says is the limit then. What other machines would take is computed, not measured: the seconds of B1 and C1 by
the ratio of their datasheets' rates, the others as they are.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / "bench")]

from full_size import WIKIART_IMAGES, write_wikiart

from backward_search.cli.console import run_script
from backward_search.errors import UserError
from backward_search.storage.atomic import write_json

DATASET = "--dataset_name wikiart"
STAGES = (
    ("A1", "A1.Data-Preprocessing-wikiart", ""),
    ("A2, style", "A2.Query-Generating", f"{DATASET} --condition_on style"),
    ("A2, style and genre", "A2.Query-Generating", f"{DATASET} --condition_on style,genre"),
    ("B1, one epoch", "B1.BuildModel", "{model} --pretrained False --precision {precision} --n_workers {workers}"),
    ("C1", "C1.ModelTest", "{model} --n_workers {workers}"),
    ("D1, style", "D1.Train-KD-Model", "{model} --inverse_lambda 1.1"),
    ("D1, style and genre", "D1.Train-KD-Model", "{model} --num_condition 2 --inverse_lambda 3.2"),
    ("E1 teacher, style", "E1.Model-Evaluation", "{model} --inverse_lambda 1.1"),
    ("E1 teacher, style and genre", "E1.Model-Evaluation", "{model} --num_condition 2 --inverse_lambda 3.2"),
    ("E1 student, style", "E1.Model-Evaluation", "{model} --inverse_lambda 1.1 --evaluation_distill True"),
    (
        "E1 student, style and genre",
        "E1.Model-Evaluation",
        "{model} --num_condition 2 --inverse_lambda 3.2 --evaluation_distill True",
    ),
    ("E2", "E2.Model-Query-Visualization", "{model} --inverse_lambda 1.1 --query_key 100"),
)
"""What each is called in the table, its script, its options."""
MODEL = f"{DATASET} --encoder_model {{encoder}} --encoding_size 256 --category_type stylegenre --num_epoch 1"
EPOCHS = 30
RATES = {"RTX 3090": (35.6, 71.0), "H100 or H200": (67.0, 989.0), "laptop without a GPU": (0.8, 0.8)}
"""Datasheets' TFLOP/s in float32 and, dense, in bfloat16; of a laptop what eight cores of 3 GHz do at best."""


@dataclass(frozen=True)
class Measured:
    """One stage.

    Attributes:
        stage: which.
        seconds: from start to exit.
        images: that went through it; 0 where it does not look at them.
        host_mb: the largest resident set of its process, in 10^6 bytes.
        gpu_mb: the most memory of the GPU that was taken meanwhile, in 2^20 bytes; 0 where nobody says.
    """

    stage: str
    seconds: float
    images: int
    host_mb: float
    gpu_mb: float


@contextmanager
def gpu_memory() -> Iterator[list[float]]:
    """The most MiB of the first GPU that are taken meanwhile, as `nvidia-smi` says each second; 0 without it."""
    most = [0.0]
    ask = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0", "--loop=1"]
    try:
        asking = subprocess.Popen(ask, stdout=subprocess.PIPE, text=True)
    except OSError:
        yield most
        return

    def watch() -> None:
        """Read until it ends."""
        assert asking.stdout is not None
        most.extend(float(line) for line in asking.stdout if line.strip().isdigit())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        asking.terminate()
        asking.wait()
        watcher.join()


def timed(stage: str, script: str, words: Sequence[str], images: int) -> Measured:
    """Run a stage.

    Raises:
        UserError: it failed.
    """
    command = [sys.executable, str(PROJECT / f"{script}.py"), *words]
    with gpu_memory() as taken:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(f"{' '.join(command)} failed with exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(stage, round(seconds, 1), images, round(usage.ru_maxrss * unit / 1e6), max(taken))


def measure(given: argparse.Namespace, work: Path) -> Iterator[Measured]:
    """Write the set, and run every stage on it."""
    start = time.perf_counter()
    count = write_wikiart(work / "data" / "wikiart", images=given.images, side=256)
    yield Measured("the set, made up", round(time.perf_counter() - start, 1), count, 0, 0)
    model = MODEL.format(encoder=given.encoder)
    for stage, script, words in STAGES:
        if given.stages and stage[:2] not in given.stages:
            continue
        filled = words.format(model=model, precision=given.precision, workers=given.n_workers).split()
        roots = ["--data_root", str(work / "data")]
        roots += [] if script.startswith("A") else ["--weight_root", str(work / "weight")]
        roots += ["--result_root", str(work / "result")] if script.startswith("E2") else []
        yield timed(stage, script, [*filled, *roots], count if script[:2] in ("A1", "B1", "C1") else 0)


def line(row: Measured) -> str:
    """A row of the table."""
    rate = f"{row.images / row.seconds:,.0f}" if row.images else ""
    host, gpu = (f"{value:,.0f}" if value else "" for value in (row.host_mb, row.gpu_mb))
    whole = f"{row.seconds * (EPOCHS if row.stage.startswith('B1') else 1) / 60:,.1f}"
    return f"| {row.stage} | {row.seconds:,.1f} | {rate} | {host} | {gpu} | {whole} |"


def computed(rows: Sequence[Measured], precision: str) -> list[str]:
    """What other machines would take, by their rates."""
    column = int(precision == "bf16")
    here = RATES["H100 or H200"][column]
    lines = []
    for name, rates in RATES.items():
        minutes = 0.0
        for row in rows[1:]:
            factor = here / rates[column] if row.stage[:2] in ("B1", "C1") else 1.0
            minutes += row.seconds * factor * (EPOCHS if row.stage.startswith("B1") else 1) / 60
        lines.append(f"| {name} | {rates[column]:g} | {minutes / 60:,.1f} |")
    return lines


def device() -> str:
    """What PyTorch computes on; asked in a process of its own, since what this one holds counts for those it starts."""
    ask = "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU')"
    return subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


def main(argv: Sequence[str] | None = None) -> Path | None:
    """Measure, print, and return the file of the figures if one was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=WIKIART_IMAGES)
    parser.add_argument("--encoder", default="convnext_base")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "tf32", "bf16"), help="of B1")
    parser.add_argument("--stages", nargs="+", help="these alone, such as A1 B1 C1 [all]")
    parser.add_argument("--n_workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--work", type=Path, help="a new or empty folder [a temporary one]")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    name = device()
    print(f"{name}, {os.cpu_count()} cores, {given.images:,} images, B1 in {given.precision}\n")
    print(
        f"| stage | seconds | images/s | host MB | GPU MiB | minutes, {EPOCHS} epochs |\n|---|---|---|---|---|---|",
        flush=True,
    )
    rows: list[Measured] = []
    with tempfile.TemporaryDirectory() as temporary:
        for row in measure(given, (given.work or Path(temporary)).resolve()):
            rows.append(row)
            print(line(row), flush=True)
    if "H100" in name or "H200" in name:
        print("\ncomputed, by TFLOP/s:\n\n| machine | TFLOP/s | hours in all |\n|---|---|---|")
        print("\n".join(computed(rows, given.precision)))
    if given.json is None:
        return None
    return write_json(given.json.absolute(), {"machine": name, "rows": [asdict(row) for row in rows]})


if __name__ == "__main__":
    run_script(main)
