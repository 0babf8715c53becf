"""Time the context map: learning it from many images, and ranking by it among many more.

Learning: 80,000 embeddings of 256 numbers around 2,000 places, each image with up to eight of 3,000 tags that its place
has, a group of four, and two attributes; 1,500 steps, as C4 makes them, without reading and writing files. Ranking:
10^6 such embeddings in memory, two conditions of 27 and 11 classes; the time of a search after the first, which puts
together what is known, the least of some. Both are on the CPU.

Reads:  nothing.
Writes: the rows as JSON, with --json FILE.

    python bench/context.py --json context.json     (ten minutes on two cores, 5 GB of memory)
    python bench/context.py --images 2000 --gallery 20000
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import torch
from torch import Tensor, nn

from backward_search import Searcher
from backward_search.context.learning import Learner, LearningConfig
from backward_search.context.relation import ByBest, ByImages
from backward_search.context.shared import Shared
from backward_search.storage.atomic import write_json

SIZE, PLACES, TAGS, GROUP = 256, 2000, 3000, 4
CLASSES = {"style": 27, "genre": 11}
LABELS = {name: [f"{name} {number}" for number in range(count)] for name, count in CLASSES.items()}
METHODS: dict[str, dict[str, Any]] = {
    "unchanged": {},
    "context": {"strength": 1.0},
    "best": {"strength": 1.0},
    "shift_null": {"strength": 1.0},
}
BATCHES = (1, 32, 512)


def embeddings(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Embeddings (N, 256) in (-1, 1), and the place that each lies about (N,)."""
    centres = torch.randn(PLACES, SIZE, generator=generator)
    place = torch.randint(PLACES, (count,), generator=generator)
    found = torch.empty(count, SIZE)
    for rows in torch.arange(count).split(100_000):
        found[rows] = (centres[place[rows]] + 0.7 * torch.randn(len(rows), SIZE, generator=generator)).tanh_()
    return found, place


def learning(images: int) -> float:
    """Seconds that a map takes to be learnt."""
    generator, draw = torch.Generator().manual_seed(0), np.random.default_rng(0)
    vectors, place = embeddings(images, generator)
    of_place = [[f"tag {tag}" for tag in set(draw.zipf(1.3, 8) % TAGS)] for _ in range(PLACES)]
    ids = torch.stack([torch.randint(count, (images,), generator=generator) for count in CLASSES.values()])
    start = time.perf_counter()
    tokens = {"tags": [of_place[one] for one in place.tolist()], "groups": [[f"{i // GROUP}"] for i in range(images)]}
    relation = ByBest(Shared.gathered(tokens, LABELS), ByImages(vectors, ids, torch.arange(images)))
    config = LearningConfig()
    learner = Learner(vectors, relation, list(CLASSES), config)
    for _ in range(config.steps):
        learner.advance()
    return time.perf_counter() - start


def ranking(gallery: int) -> list[dict[str, Any]]:
    """Milliseconds of a search by each method, for each size of a batch of queries."""
    generator = torch.Generator().manual_seed(1)
    vectors, _ = embeddings(gallery, generator)
    torch.manual_seed(0)
    heads = {name: nn.Linear(SIZE, count) for name, count in CLASSES.items()}
    known = {name: torch.randint(count, (5000,), generator=generator) for name, count in CLASSES.items()}
    searcher = Searcher(heads, LABELS, vectors, training=(vectors[:5000], known))
    condition = {name: labels[0] for name, labels in LABELS.items()}
    rows = []
    for count in BATCHES:
        queries = vectors[:count] + 0.2 * torch.randn(count, SIZE, generator=generator)
        times = {
            method: _seconds(lambda m=method, s=settings, q=queries: searcher.search(q, condition, method=m, **s))
            for method, settings in METHODS.items()
        }
        rows += [{"queries": count, "method": name, "ms": 1000 * each} for name, each in times.items()]
        for name, each in times.items():
            print(f"{count:4} queries, {name}: {1000 * each:.1f} ms, {each / times['unchanged']:.2f} of unchanged")
    return rows


def _seconds(search: Callable[[], object], times: int = 5) -> float:
    """The least of some searches after a first."""
    search()
    found = []
    for _ in range(times):
        start = time.perf_counter()
        search()
        found.append(time.perf_counter() - start)
    return min(found)


def main(argv: Sequence[str] | None = None) -> Path | None:
    """Measure and print; the file of the rows if one was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=80_000, help="that a map is learnt from")
    parser.add_argument("--gallery", type=int, default=1_000_000, help="images that are ranked")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args(argv)
    seconds = learning(options.images)
    print(f"learning from {options.images} images: {seconds:.1f} s")
    rows = ranking(options.gallery)
    return options.json and write_json(options.json, {"learning_s": seconds, "ranking": rows})


if __name__ == "__main__":
    main()
