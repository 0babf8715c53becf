"""Time A1 and A2 on CUB and WikiArt at full size, each script as a process of its own.

Reads:  nothing. Raw folders of full size with made-up content are written first (bench/full_size.py): CUB's 3,677,856
        attribute lines, WikiArt's 81,444 rows.
Writes: the measured figures as JSON; the raw folders and what A1 and A2 make of them into --work.

    python bench/preprocessing.py                          (half a minute, 120 MB of disk for that time)
    python bench/preprocessing.py --json FILE --work DIR   (DIR, new or empty, keeps what was made)

A1 is timed without image work: WikiArt's images count as resized and are only listed, CUB's are used as they are after
a look at the header of each. Seconds are of the wall clock from start to exit, the start of Python included; CPU
seconds say how much of that was work, where other processes share the cores; the memory is the largest resident set.
Wanted: CUB's tables in 15 s and 1,500 MB, WikiArt's queries on style and genre in 10 s.
"""

import argparse
import dataclasses
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))

from full_size import write_cub, write_wikiart

from backward_search.cli.console import run_script
from backward_search.errors import OptionError, UserError
from backward_search.storage.atomic import read_json, write_json
from backward_search.storage.paths import DataPaths

STEPS = (
    ("A1 CUB, tables", "A1.Data-Preprocessing-CUB.py"),
    ("A2 CUB, birds", "A2.Query-Generating.py --dataset_name CUB"),
    ("A1 WikiArt, tables", "A1.Data-Preprocessing-wikiart.py"),
    ("A2 WikiArt, style", "A2.Query-Generating.py --dataset_name wikiart --condition_on style"),
    ("A2 WikiArt, style+genre", "A2.Query-Generating.py --dataset_name wikiart --condition_on style,genre"),
    ("A2, all of the above", "A2.Query-Generating.py --overwrite True"),
)
"""What is timed, in this order."""


@dataclass(frozen=True)
class Measured:
    """One script as it ran.

    Attributes:
        step: what it did.
        seconds: from start to exit.
        cpu_seconds: of user and system time in it.
        peak_mb: its largest resident set, in 10^6 bytes.
        rows: images in the tables, or queries, that it wrote.
    """

    step: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    rows: int


def main(argv: Sequence[str] | None = None) -> Path:
    """Measure, print the table and return the file of the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=PROJECT / "build" / "bench" / "preprocessing.json")
    parser.add_argument("--work", type=Path, help="a new or empty folder [a temporary one]")
    options = parser.parse_args(argv)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary:
        rows = measure((options.work or Path(temporary)).resolve())
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "load_at_start": round(load, 2)}
    place = write_json(options.json.resolve(), {"machine": machine, "steps": [dataclasses.asdict(row) for row in rows]})
    print("\n".join(table(rows)))
    print(f"wrote {place}")
    return place


def measure(work: Path) -> list[Measured]:
    """Write the raw folders and time every step on them.

    Raises:
        OptionError: the folder holds something.
        UserError: a step failed.
    """
    work.mkdir(parents=True, exist_ok=True)
    if any(work.iterdir()):
        raise OptionError(f"{work} is not empty: name a new or empty folder with --work")
    # in a process of its own: the peak memory of a process counts from that of the one that starts it
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as writer:
        for name, write in (("CUB", write_cub), ("wikiart", write_wikiart)):
            lines = writer.submit(write, work / name).result()
            print(f"{name}: {lines:,} lines written to {work / name}", flush=True)
    return [_timed(step, command, work) for step, command in STEPS]


def _timed(step: str, command: str, work: Path) -> Measured:
    words = [sys.executable, str(PROJECT / command.split()[0]), *command.split()[1:], "--data_root", str(work)]
    begin, start = time.time(), time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(f"{' '.join(words)} failed with exit code {process.returncode}")
    cpu, unit = usage.ru_utime + usage.ru_stime, 1 if sys.platform == "darwin" else 1024
    return Measured(step, round(seconds, 2), round(cpu, 2), round(usage.ru_maxrss * unit / 1e6), _written(work, begin))


def _written(work: Path, since: float) -> int:
    """The rows of all tables and the queries of all query files written since then."""
    count = 0
    for name in ("CUB", "wikiart"):
        paths = DataPaths.of(work, name)
        tables = [file for split in ("train", "test") if _is_new(file := paths.table(split), since)]
        count += sum(len(file.read_text(encoding="utf-8").split("\n")) - 2 for file in tables)
        queries = [file for file in paths.attributions.glob("query_*.json") if _is_new(file, since)]
        count += sum(len(read_json(file)["queries"]) for file in queries)
    return count


def _is_new(file: Path, since: float) -> bool:
    return file.exists() and file.stat().st_mtime >= since


def table(rows: Sequence[Measured]) -> list[str]:
    """The figures as a table in Markdown."""
    head = ["| step | seconds | CPU seconds | peak MB | rows |", "|---|---|---|---|---|"]
    return head + [
        f"| {row.step} | {row.seconds:.1f} | {row.cpu_seconds:.1f} | {row.peak_mb:,.0f} | {row.rows:,} |"
        for row in rows
    ]


if __name__ == "__main__":
    run_script(main)
