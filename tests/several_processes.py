"""Run C1 by several processes, one of which may be killed; a script for a test.

    python several_processes.py PROJECT

Reads lines of JSON: {"size": processes, "kill": images that the last process decodes before it is killed, or 0,
"words": options of C1}. Answers each with one: the state in which each process ended as `waitpid` gives it, and what it
said on its standard error, and how many images all decoded (but for the killed one). This process has imported
everything and computed nothing.
"""

import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(sys.argv[1]) / "src"))

from backward_search.cli import EmbedOptions, parse
from backward_search.cli.console import run_script
from backward_search.images import loading as images
from backward_search.stages.embed import embed

open_picture = images.open_picture
decoded, kill_at = 0, 0


def counted(path, **how):
    global decoded
    decoded += 1
    if decoded == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return open_picture(path, **how)


def free_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def work(folder: Path, rank: int, size: int, port: str, kill: int, words: list[str]) -> None:
    """What a child does, as torchrun would have started it."""
    global kill_at
    kill_at = kill if rank == size - 1 else 0
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    said = os.open(folder / f"{rank}.err", os.O_WRONLY | os.O_CREAT)
    os.dup2(said, 2)
    status = 0
    try:
        run_script(lambda: embed(parse(EmbedOptions, None, words)))
    except SystemExit as stop:
        status = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
        status = 1
    (folder / f"{rank}.count").write_text(str(decoded))
    os._exit(status)


def together(size: int, kill: int, words: list[str]) -> dict[str, object]:
    """Let some processes work, and say how each ended."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        children = []
        for rank in range(size):
            child = os.fork()
            if child == 0:
                work(Path(folder), rank, size, port, kill, words)
            children.append(child)
        states = [os.waitpid(child, 0)[1] for child in children]
        said = [(Path(folder) / f"{rank}.err").read_text() for rank in range(size)]
        counts = [int(file.read_text()) for file in Path(folder).glob("*.count")]
    return {"states": states, "said": said, "decoded": sum(counts)}


if __name__ == "__main__":
    images.open_picture = counted
    for line in sys.stdin:
        print(json.dumps(together(**json.loads(line))), flush=True)
