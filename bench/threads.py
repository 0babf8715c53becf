"""Time a searcher that one thread asks, and that eight ask, with single queries.

The gallery is random; the head is one linear layer, or the network's own head, untrained. Each method answers the same
queries, in turns by one thread and by all; what several threads ask at once is ranked for in one pass over the gallery.

Reads:  nothing.
Writes: the rows as JSON, with --json FILE.

    python bench/threads.py --json threads.json     (a minute on two cores)
    python bench/threads.py --images 20000 --size 256 --threads 16
"""

import argparse
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import torch
from torch import nn

from backward_search import Searcher
from backward_search.model.network import Head
from backward_search.storage.atomic import write_json

METHODS = ("unchanged", "shift_null", "teacher")
CLASSES = 50


@dataclass(frozen=True)
class Row:
    """Queries per second of one thread and of several, the median of the turns."""

    head: str
    method: str
    one: float
    several: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time a searcher that one thread asks, and that eight ask.")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--queries", type=int, default=80)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    gallery = torch.randn(args.images, args.size)
    rows = []
    print(f"{args.images} x {args.size}, {CLASSES} classes; {torch.get_num_threads()} threads of PyTorch")
    for name, head in (("linear", nn.Linear(args.size, CLASSES)), ("own", Head(args.size, CLASSES).eval())):
        searcher = Searcher({"style": head}, {"style": [str(i) for i in range(CLASSES)]}, gallery)
        for method in METHODS:
            searcher.search(gallery[0], "style=3", method=method)
            rates: dict[int, list[float]] = {1: [], args.threads: []}
            for _ in range(args.turns):
                for count, found in rates.items():
                    found.append(rate(searcher, method, args.queries, count))
            one, several = (sorted(found)[len(found) // 2] for found in rates.values())
            rows.append(Row(name, method, one, several))
            print(f"{name:8}{method:12}{one:8.1f} queries/s by one, {several:8.1f} by all: {several / one:.2f}x")
    if args.json:
        write_json(args.json, [asdict(row) for row in rows])


def rate(searcher: Searcher, method: str, queries: int, threads: int) -> float:
    """Queries per second, all threads together."""

    def ask(first: int) -> None:
        for row in range(first, queries, threads):
            searcher.search(searcher.gallery[row], "style=3", method=method)

    each = [threading.Thread(target=ask, args=(first,)) for first in range(threads)]
    start = time.perf_counter()
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    return queries / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
