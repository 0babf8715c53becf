"""Let many clients browse, search and upload at once, and see whether each gets its own answers, and how memory goes.

The run is the demo's letters with a small network, one epoch; the explorer is a process of its own, at a loopback
address. Every client has a loopback address of its own too, so that the limits of one are not those of all, and an
open page. It repeats, with pauses as a person has them: hits under a condition and a strength of its own, hits without
a condition, a picture, a step on the page (through Gradio's queue), and now and then an image of its own. An answer
counts as another's where it names another query, condition, strength or image than was asked for.

Reads:  nothing.
Writes: the figures as JSON, with --json FILE; the run in --folder, where it is kept for another time.

    python bench/clients.py                                    (50 clients for a minute, and a minute for the run)
    python bench/clients.py --clients 100 --seconds 30 --pause 0
"""

import argparse
import asyncio
import hashlib
import io
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import httpx
import numpy as np
from PIL import Image

from backward_search.data import registry
from backward_search.data.prepared import load_table
from backward_search.storage.atomic import write_json
from backward_search.storage.paths import DataPaths

NAME = "glyphs"
MARKS = (0, 0.25, 0.5, 1)
"""Parts of the time at which the memory is read."""


class WrongError(Exception):
    """An answer that is none, or another's."""


class Told:
    """What all clients have seen."""

    def __init__(self) -> None:
        """Nothing."""
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.errors: Counter[str] = Counter()
        self.pictures: dict[int, str] = {}

    @asynccontextmanager
    async def timed(self, kind: str) -> AsyncIterator[None]:
        """Count a request, and how long it takes, or its error."""
        start = time.perf_counter()
        try:
            yield
        except (WrongError, httpx.HTTPError) as error:
            self.errors[f"{kind}: {type(error).__name__} {error}"[:120]] += 1
        finally:
            self.seconds[kind].append(time.perf_counter() - start)


class Client:
    """One who uses the page."""

    def __init__(self, number: int, address: str, told: Told, run: "Run") -> None:
        """With an address and a session of its own."""
        own = f"127.1.{number // 250}.{number % 250 + 1}"
        transport = httpx.AsyncHTTPTransport(local_address=own, limits=httpx.Limits(max_connections=6))
        self.http = httpx.AsyncClient(base_url=address, transport=transport, timeout=120)
        self.told, self.run, self.session = told, run, f"client{number}"
        self.draw = random.Random(number)

    async def live(self, until: float, pause: float) -> None:
        """Use the page until then."""
        async with self.http:
            await asyncio.sleep(self.draw.random() * pause)
            async with self.told.timed("page"):
                check("Backward Search" in (await self.get("/")).text, "no page")
            alive = asyncio.create_task(self.heartbeat())
            uses = [
                self.search,
                self.search,
                self.search,
                self.browse,
                self.picture,
                self.picture,
                self.step,
                self.upload,
            ]
            while time.monotonic() < until:
                await self.draw.choices(uses, [3, 3, 3, 3, 5, 5, 3, 1])[0]()
                await asyncio.sleep(self.draw.uniform(0.5, 1.5) * pause)
            alive.cancel()

    async def get(self, path: str) -> httpx.Response:
        """An answer that is one."""
        answer = await self.http.get(path)
        check(answer.status_code == 200, f"{answer.status_code} {answer.text[:60]}")
        return answer

    async def heartbeat(self) -> None:
        """What an open page holds."""
        try:
            async with self.http.stream("GET", f"/gradio_api/heartbeat/{self.session}", timeout=None) as stream:
                async for _ in stream.aiter_bytes():
                    pass
        except httpx.HTTPError as error:
            self.told.errors[f"heartbeat: {type(error).__name__}"] += 1

    async def search(self) -> None:
        """Hits under a condition; the answer repeats condition and strength."""
        row, strength = self.draw.choice(self.run.rows), round(self.draw.uniform(0.01, 1), 3)
        label = self.draw.choice(self.run.labels)
        link = httpx.QueryParams({"query": row, f"is.{self.run.attribute}": label, "strength": strength})
        async with self.told.timed("search"):
            parts = (await self.get(f"/hits?{link}")).json()
            check(f"{self.run.attribute}={label}</b>" in parts["head"], "another condition")
            check(f'data-strength="{strength:g}"' in parts["hits"], "another strength")

    async def browse(self) -> None:
        """Hits without a condition; the first one is the query."""
        row = self.draw.choice(self.run.rows)
        async with self.told.timed("browse"):
            parts = (await self.get(f"/hits?query={row}")).json()
            rows = re.findall(r'data-row="(\d+)"', parts["hits"])
            check(str(row) in rows, "another query")

    async def picture(self) -> None:
        """A picture of the gallery; everybody sees the same."""
        row = self.draw.choice(self.run.rows)
        async with self.told.timed("picture"):
            data = (await self.get(f"/thumbnail/{self.run.name}/{row}.jpg")).content
            found = hashlib.sha256(data).hexdigest()
            check(self.told.pictures.setdefault(row, found) == found, "another picture")

    async def step(self) -> None:
        """Another query on the page; the new link names it."""
        row = self.draw.choice(self.run.rows)
        async with self.told.timed("step"):
            link = await self.call("query", [row])
            check(f"query={row}&" in link and "upload=" not in link, "another query")

    async def upload(self) -> None:
        """An image of its own; the new link has its hash, and its thumbnail its colour."""
        colour = tuple(self.draw.randrange(256) for _ in range(3))
        data = io.BytesIO()
        Image.new("RGB", (64, 64), colour).save(data, "PNG")
        async with self.told.timed("upload"):
            files = {"files": ("own.png", data.getvalue(), "image/png")}
            answer = await self.http.post("/gradio_api/upload", files=files)
            check(answer.status_code == 200, f"{answer.status_code} {answer.text[:60]}")
            file = {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}
            found = re.search(r"upload=([0-9a-f]{64})", await self.call("upload", [file]))
            check(found is not None, "no upload")
            assert found is not None
            small = await self.get(f"/thumbnail/upload/{found[1]}.jpg")
            mean = np.asarray(Image.open(io.BytesIO(small.content)).convert("RGB")).mean((0, 1))
            check(bool(np.abs(mean - colour).max() < 6), "another image")

    async def call(self, name: str, data: list[Any]) -> str:
        """The link of the state that a step of the page leads to."""
        sent = {"data": data, "session_hash": self.session}
        answer = await self.http.post(f"/gradio_api/call/{name}", json=sent)
        check(answer.status_code == 200, f"{answer.status_code} {answer.text[:60]}")
        said = (await self.get(f"/gradio_api/call/{name}/{answer.json()['event_id']}")).text
        check("event: complete" in said, said[:80])
        (outputs,) = (json.loads(line[6:]) for line in said.splitlines() if line.startswith("data: ["))
        return next(str(value) for value in outputs if str(value).startswith("?run="))


def check(holds: bool, words: str) -> None:
    """Raise unless it holds."""
    if not holds:
        raise WrongError(words)


class Run:
    """What is asked about."""

    def __init__(self, folder: Path) -> None:
        """The run of a folder, made where there is none."""
        self.folder = folder
        if not list((folder / "weight").glob("*/manifest-C1-test.json")):
            self.make()
        self.name = next((folder / "weight").iterdir()).name
        paths = DataPaths.of(folder / "data", NAME)
        entry = registry.find(NAME, folder / "data")
        self.attribute = entry.attributes[-1]
        table = load_table(paths, entry, "test")
        self.rows, self.labels = range(len(table)), list(table.classes[self.attribute])

    def make(self) -> None:
        """Draw the letters, train for one epoch, embed."""
        data = ["--data_root", str(self.folder / "data")]
        run = ["--dataset_name", NAME, *data, "--weight_root", str(self.folder / "weight")]
        run += ["--encoder_model", "small_cnn", "--num_epoch", "1", "--n_workers", "0"]
        small = ["--image_size", "32"]
        for script, words in (
            ("A1.Data-Preprocessing-glyphs.py", data),
            ("B1.BuildModel.py", [*run, *small]),
            ("C1.ModelTest.py", run),
        ):
            subprocess.run([sys.executable, str(ROOT / script), *words], check=True, stdout=subprocess.DEVNULL)

    def serve(self, port: int) -> subprocess.Popen[bytes]:
        """The explorer."""
        roots = [f"--{kind}_root={self.folder / kind}" for kind in ("data", "weight", "result")]
        words = [sys.executable, str(ROOT / "F1.Search-Explorer.py"), *roots, "--port", str(port), "--device", "cpu"]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL)


def memory(process: int) -> float:
    """Megabytes that a process has in memory."""
    words = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", words)
    assert found is not None
    return int(found[1]) / 1000


async def watched(process: int, seconds: float) -> dict[str, float]:
    """Memory at the marks."""
    start, said = time.monotonic(), {}
    for mark in MARKS:
        await asyncio.sleep(max(0.0, start + mark * seconds - time.monotonic()))
        said[f"{mark * seconds:.0f} s"] = memory(process)
    return said


async def crowd(args: argparse.Namespace, address: str, run: Run, process: int) -> tuple[Told, dict[str, float]]:
    """All clients, and the memory meanwhile."""
    told = Told()
    clients = [Client(number, address, told, run) for number in range(args.clients)]
    until = time.monotonic() + args.seconds
    lives = [client.live(until, args.pause) for client in clients]
    megabytes, *_ = await asyncio.gather(watched(process, args.seconds), *lives)
    return told, megabytes


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until it listens."""
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit("the explorer ended")


def main() -> None:
    """Make the run, serve it, let the clients in, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=1, help="seconds between two uses, on average [1]")
    parser.add_argument("--folder", type=Path, help="where the run is, or is to be [a folder that goes]")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        run = Run((args.folder or Path(folder)).resolve())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = run.serve(port)
        try:
            wait_for(port, process)
            told, megabytes = asyncio.run(crowd(args, f"http://127.0.0.1:{port}", run, process.pid))
        finally:
            process.terminate()
            process.wait(30)
    figures = report(told, megabytes)
    if args.json is not None:
        write_json(args.json, figures)
    sys.exit(1 if told.errors else 0)


def report(told: Told, megabytes: dict[str, float]) -> dict[str, Any]:
    """Print the table."""
    errors = Counter(words.partition(":")[0] for words in told.errors.elements())
    rows = {}
    print(f"{'use':<10}{'requests':>10}{'errors':>8}{'median ms':>11}{'95 % ms':>9}")
    for kind, seconds in told.seconds.items():
        median, most = (1000 * float(np.quantile(seconds, q)) for q in (0.5, 0.95))
        rows[kind] = {"requests": len(seconds), "errors": errors[kind], "p50": median, "p95": most}
        print(f"{kind:<10}{len(seconds):>10}{errors[kind]:>8}{median:>11.0f}{most:>9.0f}")
    for words, count in told.errors.most_common(10):
        print(f"{count} x {words}")
    print("memory: " + ", ".join(f"{each:.0f} MB at {when}" for when, each in megabytes.items()))
    return {"uses": rows, "errors": dict(told.errors), "memory": megabytes}


if __name__ == "__main__":
    main()
