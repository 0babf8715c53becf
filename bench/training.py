"""Measure B1 and C1: images a second, the share of the time spent waiting for data, and processor time.

Reads:  nothing; JPEG files of --side pixels with made-up content are written first.
Writes: a table, and the figures with --json FILE.

    python bench/training.py                                              (three minutes on two cores)
    python bench/training.py --encoder convnext_base --image_size 224 --images 20000 --batch_size 256    (a GPU)

Three loops over the same images, in the same process: *plain*, as one writes it first (decoding in this process,
float32, copies that wait, the loss read at each step); *ours*, the loader and trainer of B1 or C1 with --n_workers;
*memory*, the same without any decoding. The *bare* step of B1, the *bare* forward pass of C1 and the *bare* decoding
are timed alone too. On a CPU C1 may take at most 5 % more processor seconds than decoding and forward pass. Processor
seconds are those of the process and its workers; each figure is the best of --repeats passes, since other work on the
machine only ever adds to it.
"""

import argparse
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the scripts themselves set it, before PyTorch is there

import numpy as np
import torch
from PIL import Image

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))

from backward_search.cli.console import run_script
from backward_search.data.registry import Preprocessing
from backward_search.images.fitting import fit, normalise
from backward_search.images.loading import Batch, ImageLoader, ImageRows
from backward_search.images.opening import open_picture
from backward_search.model.embedding import EmbeddingNetwork, outcomes
from backward_search.model.network import Model, ModelConfig, classification_loss
from backward_search.runs.run import find_device
from backward_search.storage.atomic import write_json
from backward_search.training.trainer import Trainer, TrainingConfig

CLASSES = {"style": 27, "genre": 11}
LOOPS = ("plain", "ours", "memory", "bare decoding", "bare forward", "bare step")


@dataclass(frozen=True)
class Measured:
    """One loop.

    Attributes:
        stage: B1 or C1.
        loop: which.
        images_per_second: by the wall clock.
        waiting: share of the wall time in which the network waited for data.
        processor_seconds: of this process and its workers, for all images once.
    """

    stage: str
    loop: str
    images_per_second: float
    waiting: float
    processor_seconds: float


@dataclass
class Bench:
    """What all loops share."""

    files: list[Path]
    labels: dict[str, np.ndarray]
    look: Preprocessing
    model: Model
    device: torch.device
    batch_size: int
    workers: int
    repeats: int
    precision: str

    def loader(self, seed: int | None) -> "Timed":
        """The loader of B1 (with a seed) or C1."""
        look = self.look if seed is not None else dataclasses.replace(self.look, augment=False)
        options = {"batch_size": self.batch_size, "workers": self.workers, "seed": seed, "keep": False}
        return Timed(ImageLoader(self.files, self.labels, look, **options))

    def trainer(self) -> Trainer:
        """The trainer of B1."""
        return Trainer(self.model, TrainingConfig(1, 1e-3, 0.0, 10, 0.1, True, 0), self.look, self.device)

    def measure(self, loops: dict[tuple[str, str], Callable[[], float]]) -> list[Measured]:
        """Time loops, each of which returns the seconds that it waited for data, in turns; the best pass of each."""
        passes: dict[tuple[str, str], list[tuple[float, float, float]]] = {key: [] for key in loops}
        for _ in range(self.repeats):
            for key, once in loops.items():
                passes[key].append(self._time(once))
        return [self._best(*key, passes[key]) for key in loops]

    def _time(self, once: Callable[[], float]) -> tuple[float, float, float]:
        start, before = time.perf_counter(), _processor_seconds()
        waited = once()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start, _processor_seconds() - before, waited

    def _best(self, stage: str, loop: str, passes: Sequence[tuple[float, float, float]]) -> Measured:
        wall, _, waited = min(passes)
        return Measured(stage, loop, len(self.files) / wall, waited / wall, min(passed[1] for passed in passes))


def _processor_seconds() -> float:
    return sum(os.times()[:4])


class Timed:
    """A loader that notes how long its batches were waited for."""

    def __init__(self, loader: ImageLoader) -> None:
        """Watch a loader."""
        self._loader, self.steps, self.waited = loader, loader.steps, 0.0

    def epoch(self, epoch: int = 0, skip: int = 0) -> Iterator[Batch]:
        """The loader's batches."""
        batches = iter(self._loader.epoch(epoch, skip))
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - start
            if batch is None:
                return
            yield batch


class Memory:
    """Batches of random pixels from memory."""

    def __init__(self, bench: Bench) -> None:
        """Draw one batch, which is then given again and again."""
        count = bench.batch_size
        pixels = torch.randint(256, (count, bench.look.size, bench.look.size, 3), dtype=torch.uint8)
        labels = {name: torch.from_numpy(values[:count]) for name, values in bench.labels.items()}
        batch = Batch(pixels.permute(0, 3, 1, 2), labels, torch.arange(count))
        if bench.device.type == "cuda":
            labels = {name: values.pin_memory() for name, values in labels.items()}
            batch = dataclasses.replace(batch, pixels=pixels.pin_memory().permute(0, 3, 1, 2), labels=labels)
        self._batch, self.steps = batch, max(1, len(bench.files) // count)

    def epoch(self, epoch: int = 0, skip: int = 0) -> Iterator[Batch]:
        """The batch, as often as there are steps."""
        return (self._batch for _ in range(self.steps))


def plain_batches(bench: Bench, generator: np.random.Generator | None) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    """Decode in this process, (B, 3, H, W) float32 in [0, 1] with the rows."""
    for rows in np.split(np.arange(len(bench.files)), range(bench.batch_size, len(bench.files), bench.batch_size)):
        images = [fit(open_picture(bench.files[row]), bench.look, generator) for row in rows]
        yield torch.stack([torch.from_numpy(image).permute(2, 0, 1).float() / 255 for image in images]), rows


def plain_inputs(bench: Bench, pixels: torch.Tensor) -> torch.Tensor:
    """Normalise and move, as one writes it first."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (bench.look.mean, bench.look.std))
    return ((pixels - mean) / std).to(bench.device)


def plain_training(bench: Bench) -> float:
    """A training loop as one writes it first; the seconds it decoded."""
    optimizer = torch.optim.Adam(bench.model.parameters(), lr=1e-3)
    batches, waited = plain_batches(bench, np.random.default_rng(0)), 0.0
    bench.model.train()
    while True:
        start = time.perf_counter()
        pixels, rows = next(batches, (None, None))
        waited += time.perf_counter() - start
        if pixels is None or rows is None:
            return waited
        labels = {name: torch.from_numpy(values[rows]).to(bench.device) for name, values in bench.labels.items()}
        loss = classification_loss(bench.model(plain_inputs(bench, pixels)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()


@torch.no_grad()
def plain_embedding(bench: Bench) -> float:
    """An embedding loop as one writes it first; the seconds it decoded."""
    batches, waited, found = plain_batches(bench, None), 0.0, []
    bench.model.eval()
    while True:
        start = time.perf_counter()
        pixels, _ = next(batches, (None, None))
        waited += time.perf_counter() - start
        if pixels is None:
            return waited
        z = bench.model.embed(plain_inputs(bench, pixels))
        found.append([z.cpu().numpy(), *(logits.cpu().numpy() for logits in bench.model.classify(z).values())])


def our_training(bench: Bench, loader: Timed | Memory) -> float:
    """An epoch of B1."""
    bench.trainer().train_epoch(loader)
    return loader.waited if isinstance(loader, Timed) else 0.0


def our_embedding(bench: Bench, loader: Timed | Memory) -> float:
    """What C1 does with a split, but for the writing."""
    network = EmbeddingNetwork(bench.model.eval(), bench.device, bench.precision)
    for outcome in outcomes(network, loader.epoch(), bench.look, bench.device):
        outcome.numpy()
    return loader.waited if isinstance(loader, Timed) else 0.0


def bare_decoding(bench: Bench) -> float:
    """Decode every image in this process and do nothing with it."""
    rows = ImageRows(bench.files, dataclasses.replace(bench.look, augment=False), None)
    for row in range(len(rows)):
        rows[0, row]
    return 0.0


@torch.inference_mode()
def bare_forward(bench: Bench) -> float:
    """The forward pass alone, over as many images."""
    bench.model.eval()
    for batch in Memory(bench).epoch():
        z = bench.model.embed(normalise(batch.pixels, bench.look, bench.device))
        bench.model.classify(z)
    return 0.0


def bare_step(bench: Bench) -> float:
    """Forward pass, backward pass and Adam alone, over as many images that lie on the device."""
    bench.model.train()
    (batch, *_) = Memory(bench).epoch()
    pixels = normalise(batch.pixels, bench.look, bench.device)
    labels = {name: values.to(bench.device) for name, values in batch.labels.items()}
    optimizer = torch.optim.Adam(bench.model.parameters(), lr=1e-3, fused=bench.device.type == "cuda" or None)
    for _ in range(Memory(bench).steps):
        optimizer.zero_grad(set_to_none=True)
        classification_loss(bench.model(pixels), labels).backward()
        optimizer.step()
    return 0.0


def write_images(folder: Path, count: int, side: int) -> list[Path]:
    """Write smooth noise as JPEG files of `side` pixels; every name is a file of its own, of 64 different contents."""
    rng = np.random.default_rng(0)
    contents = []
    for number in range(min(count, 64)):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"content-{number}.jpg", quality=95)
        contents.append((folder / f"content-{number}.jpg").read_bytes())
    files = [folder / f"{number:06d}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(contents[number % len(contents)])
    return files


def table(rows: Sequence[Measured]) -> str:
    """The figures as a Markdown table."""
    lines = ["| stage | loop | images/s | waiting for data | processor s |", "|---|---|---|---|---|"]
    for row in rows:
        cells = f"{row.images_per_second:.1f} | {row.waiting:.0%} | {row.processor_seconds:.1f}"
        lines.append(f"| {row.stage} | {row.loop} | {cells} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> Path | None:
    """Measure; return the file of the figures, where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", default=["B1", "C1"], choices=["B1", "C1"])
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=LOOPS, help="which loops are timed")
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--image_size", type=int, default=112)
    parser.add_argument("--side", type=int, default=256, help="side of the JPEG files in pixels")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--n_workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "tf32", "bf16"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file of the figures")
    given = parser.parse_args(argv)
    device = find_device(given.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{os.cpu_count()} cores"
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_all(given, device, write_images(Path(folder), given.images, given.side))
    print(f"\n{given.encoder}, {given.image_size} px, batch {given.batch_size}, {name}\n\n{table(rows)}")
    overhead = {}
    if "C1" in given.stages and {"ours", "bare decoding", "bare forward"} <= set(given.loops):
        by_loop = {row.loop: row.processor_seconds for row in rows if row.stage == "C1"}
        overhead["c1_overhead"] = by_loop["ours"] / (by_loop["bare decoding"] + by_loop["bare forward"]) - 1
        print(f"\nC1: {overhead['c1_overhead']:+.1%} processor seconds over bare decoding and forward pass")
    if given.json:
        facts = {"device": name, "torch": torch.__version__, "load": os.getloadavg()[0], **overhead}
        options = {key: str(value) for key, value in vars(given).items()}
        write_json(given.json.absolute(), {**options, **facts, "rows": [dataclasses.asdict(row) for row in rows]})
    return given.json


def measure_all(given: argparse.Namespace, device: torch.device, files: list[Path]) -> list[Measured]:
    """Every loop of both stages."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    labels = {name: rng.integers(count, size=len(files)) for name, count in CLASSES.items()}
    model = Model(ModelConfig(given.encoder, 256, CLASSES, given.image_size)).to(device)
    look = Preprocessing(size=given.image_size)
    bench = Bench(files, labels, look, model, device, given.batch_size, given.n_workers, given.repeats, given.precision)
    plain = {("B1", "plain"): lambda: plain_training(bench), ("C1", "plain"): lambda: plain_embedding(bench)}
    wanted = lambda key: key[0] in given.stages and key[1] in given.loops  # noqa: E731
    rows = bench.measure({key: loop for key, loop in plain.items() if wanted(key)})
    model.mixed_precision = given.precision == "bf16" or (given.precision == "auto" and device.type == "cuda")
    layout = torch.channels_last if device.type == "cuda" else torch.preserve_format
    model.to(memory_format=layout)
    ours = {
        ("B1", "ours"): lambda: our_training(bench, bench.loader(0)),
        ("B1", "memory"): lambda: our_training(bench, Memory(bench)),
        ("B1", "bare step"): lambda: bare_step(bench),
        ("C1", "ours"): lambda: our_embedding(bench, bench.loader(None)),
        ("C1", "bare decoding"): lambda: bare_decoding(bench),
        ("C1", "bare forward"): lambda: bare_forward(bench),
        ("C1", "memory"): lambda: our_embedding(bench, Memory(bench)),
    }
    rows += bench.measure({key: loop for key, loop in ours.items() if wanted(key)})
    return sorted(rows, key=lambda row: row.stage)


if __name__ == "__main__":
    run_script(main)
