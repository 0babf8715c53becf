"""Many clients of the explorer at once: errors, the time of an answer, whose answer it is, and the server's memory.

    python bench/clients.py --clients 50 --seconds 60 [--weight_root weight --data_root data]

Starts F1 on this machine's loopback address alone. Each client comes from an address of its own (127.0.0.2 and so on).
It loads the page, asks for hits as a drag of the slider does, and for thumbnails, and uploads an image;
of every answer it checks that it is the one to its question. Needs the extra `web`, a trained run, and Linux.
"""

import argparse
import asyncio
import io
import json
import random
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))

import numpy as np
from PIL import Image

from backward_search.runs.run import runs_of
from backward_search.storage.atomic import read_json


@dataclass
class Counted:
    """What came of all requests.

    Attributes:
        seconds: by kind those of each answer.
        wrong: what was no answer, or another's.
        memory: of the server, by seconds since the start, in MB.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    memory: dict[int, float] = field(default_factory=dict)


class Client:
    """One of them."""

    def __init__(self, number: int, port: int, run: str, labels: dict[str, list[str]], images: int) -> None:
        """A client, whose choices depend on its number."""
        self.address, self.port, self.run = f"127.0.0.{2 + number}", port, run
        self.labels, self.images, self.chance = labels, images, random.Random(number)
        self.kinds = {"page": self.page, "hits": self.hits, "thumbnail": self.thumbnail, "upload": self.upload}

    async def ask(self, path: str, method: str = "GET", body: bytes = b"", kind: str = "") -> tuple[int, bytes]:
        """A request over a connection of its own; status and body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.address, 0))
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}"]
        head += [f"Content-Type: {kind}"] if kind else []
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await writer.drain()
        answer = await reader.read(-1)
        writer.close()
        first, _, content = answer.partition(b"\r\n\r\n")
        return int(first.split(b" ")[1]), content

    async def page(self) -> bool:
        """The page itself."""
        status, body = await self.ask("/")
        return status == 200 and b"Backward Search" in body

    async def hits(self) -> bool:
        """Hits under a condition and a strength of its own, by which the answer is known."""
        name = self.chance.choice([*self.labels])
        label, strength = self.chance.choice(self.labels[name]), round(self.chance.uniform(0.05, 1.95), 4)
        query = self.chance.randrange(self.images)
        link = {"run": self.run, "query": query, f"is.{name}": label, "strength": strength, "method": "shift_null"}
        status, body = await self.ask(f"/hits?{urlencode(link)}")
        said = json.loads(_unchunked(body)) if status == 200 else {}
        return f'data-strength="{strength}"' in said.get("hits", "") and f"{name}={label}" in said.get("head", "")

    async def thumbnail(self) -> bool:
        """One of the gallery."""
        status, body = await self.ask(f"/thumbnail/{self.run}/{self.chance.randrange(self.images)}.jpg")
        return status == 200 and b"\xff\xd8" in body[:20]

    async def upload(self) -> bool:
        """An image of noise."""
        data = io.BytesIO()
        noise = np.random.default_rng(self.chance.randrange(2**32)).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(data, "PNG")
        mark = "0123456789abcdef"
        head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
        body = head + data.getvalue() + f"\r\n--{mark}--\r\n".encode()
        status, said = await self.ask("/gradio_api/upload", "POST", body, f"multipart/form-data; boundary={mark}")
        return status == 200 and b"a.png" in said

    async def until(self, end: float, counted: Counted) -> None:
        """Ask one thing after the other, with the pauses of a person who is quick."""
        while time.monotonic() < end:
            (kind,) = self.chance.choices([*self.kinds], (1, 12, 6, 1))
            start = time.monotonic()
            try:
                right = await self.kinds[kind]()
            except (OSError, ValueError, IndexError) as error:
                counted.wrong.append(f"{kind}: {error!r}")
                continue
            counted.seconds.setdefault(kind, []).append(time.monotonic() - start)
            if not right:
                counted.wrong.append(f"{kind}: not its own answer")
            await asyncio.sleep(self.chance.uniform(0.2, 1.0))


def _unchunked(body: bytes) -> bytes:
    """A body without the marks of its chunks, if it came in such."""
    if body[:1] == b"{":
        return body
    found, left = b"", body
    while left:
        size, _, left = left.partition(b"\r\n")
        found, left = found + left[: int(size, 16)], left[int(size, 16) + 2 :]
        if size == b"0":
            break
    return found


def memory_of(process: int) -> float:
    """Resident megabytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def watch(process: int, start: float, end: float, counted: Counted) -> None:
    """Look at the server's memory every five seconds."""
    while time.monotonic() < end:
        counted.memory[round(time.monotonic() - start)] = memory_of(process)
        await asyncio.sleep(5)


async def crowd(clients: list[Client], process: int, seconds: float) -> Counted:
    """All clients at once."""
    counted, start = Counted(), time.monotonic()
    end = start + seconds
    await asyncio.gather(watch(process, start, end, counted), *(client.until(end, counted) for client in clients))
    return counted


def report(counted: Counted, clients: int, seconds: float) -> None:
    """Print the table."""
    print(f"{clients} clients for {seconds:.0f} s")
    for kind, values in sorted(counted.seconds.items()):
        late = statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
        times = f"median {1000 * statistics.median(values):6.0f} ms, 95 % within {1000 * late:6.0f} ms"
        print(f"{kind:10} {len(values):6d} answers, {times}")
    print(f"errors and answers that were another's: {len(counted.wrong)} {counted.wrong[:3] or ''}")
    print("memory: " + ", ".join(f"{size:.0f} MB at {second} s" for second, size in counted.memory.items()))


def main() -> None:
    """Start the server, let the clients in, and end it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--weight_root", default=str(PROJECT / "weight"))
    parser.add_argument("--data_root", default=str(PROJECT / "data"))
    given = parser.parse_args()
    name, paths = next(runs_of(given.weight_root))
    labels = read_json(paths.config)["classes"]
    images = len(np.load(paths.embeddings("test"), mmap_mode="r"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--port", str(port), "--weight_root", given.weight_root, "--data_root", given.data_root]
    script = [sys.executable, str(PROJECT / "F1.Search-Explorer.py")]
    server = subprocess.Popen([*script, *words], stdout=subprocess.DEVNULL)
    try:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if server.poll() is not None:
                raise SystemExit("the explorer did not start")
            time.sleep(0.2)
        clients = [Client(number, port, name.folder, labels, images) for number in range(given.clients)]
        report(asyncio.run(crowd(clients, server.pid, given.seconds)), given.clients, given.seconds)
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    main()
