"""Measure the engines: build time, memory, queries per second and recall@10 on made-up embeddings of 256 numbers.

The embeddings are those of a mixture: 1,000 classes in a space of 32 dimensions, spread over 256 with noise, and tanh.
Queries are images of the gallery moved a little, 100 at a time. Each measurement runs in a process of its own; the
exact search reads a memory-mapped file. Memory is what the process takes beyond the mapped files (RssAnon).

    python bench/gallery.py --counts 10000,100000 --json gallery.json    (minutes on two cores)
    python bench/gallery.py --counts 1000000 --engines exact,faiss-flat
    python bench/gallery.py --counts 10000000 --engines exact,faiss-ivfpq --ivf_lists 1024     (10 GB of disk)
    python bench/gallery.py --counts 1000000 --engines milvus --limit_s 600
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import torch

from backward_search.errors import UserError
from backward_search.gallery.engines.index import BuildSettings, EngineSettings, Fields, Place, Segment
from backward_search.gallery.engines.registry import ENGINES as INDEXED
from backward_search.gallery.memory import SPARE, ExactEngine, Gallery, best_of, recall
from backward_search.gallery.vectors import COARSE_AFTER, Vectors
from backward_search.storage.atomic import write_json

SIZE, CLASSES, DIMENSIONS = 256, 1000, 32
QUERIES, K = 100, 10
ENGINES = ("exact", "faiss-flat", "faiss-ivfpq", "faiss-hnsw", "milvus")
CHUNK = 100_000


def write_embeddings(file: Path, count: int, seed: int = 0) -> None:
    """Write the made-up embeddings (count, 256) float32, piece by piece."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((CLASSES, DIMENSIONS), dtype=np.float32)
    spread = rng.standard_normal((DIMENSIONS, SIZE), dtype=np.float32) / 6
    array = np.lib.format.open_memmap(file, "w+", np.float32, (count, SIZE))
    for start in range(0, count, CHUNK):
        part = min(CHUNK, count - start)
        inner = centres[rng.integers(CLASSES, size=part)] + 0.7 * rng.standard_normal((part, DIMENSIONS), np.float32)
        array[start : start + part] = np.tanh(inner @ spread + 0.3 * rng.standard_normal((part, SIZE), np.float32))
    array.flush()


def queries_of(vectors: Vectors) -> torch.Tensor:
    """100 images of the gallery, moved a little."""
    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(len(vectors), (QUERIES,), generator=generator)
    return vectors.take(rows) + 0.2 * torch.randn(QUERIES, SIZE, generator=generator)


class Memory:
    """The most anonymous memory that this process takes while the body runs, beyond what it had, in MB."""

    def __enter__(self) -> "Memory":
        self._before, self._stop, self.peak = _anonymous(), threading.Event(), 0.0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.005):
            self.peak = max(self.peak, _anonymous() - self._before)


def _anonymous() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and processor seconds of a call."""
    start, used = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - start, time.process_time() - used


def seconds(action: Callable[[], object], repeats: int) -> float:
    """The least wall-clock seconds of some calls."""
    return min(timed(action)[0] for _ in range(repeats))


def measure(
    engine: str, file: Path, folder: Path, settings: BuildSettings, results: "multiprocessing.Queue[Any]"
) -> None:
    """Measure one engine and hand the numbers over."""
    try:
        vectors = Vectors.open([file])
        queries = queries_of(vectors)
        numbers = _exact(vectors, queries) if engine == "exact" else _index(engine, vectors, queries, folder, settings)
        results.put({"engine": engine, "count": len(vectors), **numbers})
    except UserError as error:
        results.put({"engine": engine, "count": len(vectors), "skipped": str(error)})


def _exact(vectors: Vectors, queries: torch.Tensor) -> dict[str, float]:
    gallery, whole = Gallery(vectors), Gallery(vectors, ExactEngine(len(vectors), coarse_bytes=0))
    with Memory() as memory:
        gallery.search(queries, K)
    rates = []
    for _ in range(7):  # in turn, so that both meet the same load
        rates.append((*timed(lambda: gallery.search(queries, K)), *timed(lambda: _product(vectors, queries))))
    search, search_cpu, product, product_cpu = (min(times) for times in zip(*rates, strict=True))
    with Memory() as copying:
        for _ in range(COARSE_AFTER):
            gallery.search(queries[:1], K)
        copied = timed(lambda: gallery.search(queries[:1], K))[0]
    ways = (gallery.search, whole.search, lambda query, k: _blocks(vectors, query, k))
    each = [[timed(lambda way=way: way(queries[:1], K))[0] for way in ways] for _ in range(9)]  # type: ignore[misc]
    one, plain, blocks = (min(times) for times in zip(*each, strict=True))
    return {
        "one_query_ms_without_copy": 1000 * plain,
        "one_query_ms_in_blocks": 1000 * blocks,
        "copy_s": copied,
        "copy_mb": copying.peak,
        "build_s": 0.0,
        "open_s": 0.0,
        "file_mb": 0.0,
        "memory_mb": memory.peak,
        "queries_per_s": QUERIES / search,
        "one_query_ms": 1000 * one,
        "recall_at_10": 1.0,
        "product_gflops": 2 * QUERIES * SIZE * len(vectors) / product / 1e9,
        "share_of_product": product / search,
        "share_of_product_cpu": product_cpu / search_cpu,
    }


def _product(vectors: Vectors, queries: torch.Tensor) -> None:
    """Nothing but the matrix products of all queries and images, in the block size that is the fastest here."""
    for start in range(0, len(vectors), 65536):
        torch.mm(queries, vectors.block(slice(start, min(start + 65536, len(vectors)))).T)


def _blocks(vectors: Vectors, query: torch.Tensor, k: int) -> torch.Tensor:
    """One query as it used to be searched: it stands before each block of 8,192 images, and each block is ranked."""
    unit = torch.nn.functional.normalize(query, dim=1)

    def scores(rows: slice) -> torch.Tensor:
        return (unit @ vectors.block(rows).T).div_(vectors.lengths(rows))

    return best_of(scores, len(vectors), k + SPARE, 8192).rows[:, :k]


def _index(
    engine: str, vectors: Vectors, queries: torch.Tensor, folder: Path, built: BuildSettings
) -> dict[str, float]:
    place = folder / "run" / "galleries" / "bench" / f"{engine}-0"
    place.mkdir(parents=True, exist_ok=True)
    index = INDEXED.find(engine).index(Place(place, built, {}))
    with Memory() as building:
        start = time.perf_counter()
        index.build(vectors, lambda rows: Fields([str(row) for row in range(rows.start, rows.stop)], {}, {}))
        build = time.perf_counter() - start
    settings = EngineSettings(engine)
    with Memory() as memory:
        start = time.perf_counter()
        gallery = Gallery(vectors, index.open([Segment(0, len(vectors))], None, settings), settings.shortlist)
        gallery.search(queries[:1], K)
        opened = time.perf_counter() - start
        hits = gallery.search(queries, K)
    search = seconds(lambda: gallery.search(queries, K), 3)
    one = seconds(lambda: gallery.search(queries[:1], K), 5)
    return {
        "build_s": build,
        "open_s": opened,
        "build_memory_mb": building.peak,
        "file_mb": sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 2**20,
        "memory_mb": memory.peak,
        "queries_per_s": QUERIES / search,
        "one_query_ms": 1000 * one,
        "recall_at_10": recall(hits.rows, gallery.exact().search(queries, K).rows),
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="10000,100000,1000000", help="vectors, comma-separated")
    parser.add_argument("--engines", default=",".join(ENGINES), help="engines, comma-separated")
    parser.add_argument("--ivf_lists", type=int, default=0, help="cells of faiss-ivfpq (default: by the number)")
    parser.add_argument("--limit_s", type=float, default=float("inf"), help="seconds an engine may take")
    parser.add_argument("--folder", type=Path, help="where the files go (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="write the numbers into this file too")
    options = parser.parse_args()
    rows = []
    print("| vectors | engine | build s | open s | index MB | memory MB | queries/s of 100 | ms of 1 | recall@10 |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for count in map(int, options.counts.split(",")):
            file = Path(folder) / f"{count}.npy"
            write_embeddings(file, count)
            for engine in options.engines.split(","):
                place, settings = Path(folder) / f"{count}-{engine}", BuildSettings(ivf_lists=options.ivf_lists)
                rows.append({"count": count} | _in_a_process((engine, file, place, settings), options.limit_s))
                print(_line(rows[-1]), flush=True)
                if options.json:
                    write_json(options.json, {"machine": _machine(), "results": rows})
            file.unlink()
    print("\n".join(["", *(_of_one(row) for row in rows if "copy_s" in row)]))


def _in_a_process(arguments: tuple[str, Path, Path, BuildSettings], limit: float) -> dict[str, Any]:
    """The numbers of one engine, or why there are none."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[Any] = context.Queue()
    process, start = context.Process(target=measure, args=(*arguments, results)), time.monotonic()
    process.start()
    while process.is_alive() and results.empty() and time.monotonic() - start < limit:
        time.sleep(0.2)
    if results.empty():
        late = process.is_alive()
        process.kill()
        process.join()
        reason = f"not done after {limit:.0f} s" if late else f"ended with exit code {process.exitcode}"
        return {"engine": arguments[0], "skipped": reason}
    numbers: dict[str, Any] = results.get()
    process.join()
    return numbers | {"load": os.getloadavg()[0]}


def _line(row: dict[str, Any]) -> str:
    if "skipped" in row:
        return f"| {row['count']:,} | {row['engine']} | {row['skipped']} | | | | | |"
    share = ""
    if "share_of_product" in row:
        share = (
            f" ({row['share_of_product']:.0%} of the product's speed; by CPU time {row['share_of_product_cpu']:.0%})"
        )
    size = f"{row['build_s']:.1f} | {row['open_s']:.1f} | {row['file_mb']:.0f} | {row['memory_mb']:.0f}"
    speed = f"{row['queries_per_s']:.0f}{share} | {row['one_query_ms']:.1f}"
    return f"| {row['count']:,} | {row['engine']} | {size} | {speed} | {row['recall_at_10']:.3f} |"


def _of_one(row: dict[str, Any]) -> str:
    """How long one query takes by each way, for the exact engine."""
    return (
        f"one query of {row['count']:,}: {row['one_query_ms_in_blocks']:.1f} ms in blocks as it used to be, "
        f"{row['one_query_ms_without_copy']:.1f} ms by all embeddings, {row['one_query_ms']:.1f} ms with the copy in "
        f"8 bits, where there is one ({row['copy_mb']:.0f} MB while made; made and asked in {row['copy_s']:.1f} s)"
    )


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "torch_threads": torch.get_num_threads(), "load": os.getloadavg()}


if __name__ == "__main__":
    main()
