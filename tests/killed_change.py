"""Add and remove images of galleries, each in a child process that is killed at a line of the package; for a test.

    python killed_change.py GALLERY COPIES POINTS

Copies GALLERY (add.npy lies beside it) POINTS times into COPIES and kills the change of each copy at another line that
runs in the package's files and galleries, evenly spaced from the first to the last. Prints how many lines there are.
This process has imported everything and computed nothing.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np

from backward_search.gallery.stored import StoredGallery

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "backward_search"
ROOMS = tuple(str(PACKAGE / room) + os.sep for room in ("storage", "gallery"))
lines = 0


def change(folder: Path, coming: Path) -> None:
    stored = StoredGallery.open(folder)
    images = np.load(coming)
    keys = [f"coming/{number}.png" for number in range(len(images))]
    stored.add(keys, images, {"style": np.zeros((len(images), 2), np.float32)})
    stored.remove(["folder/0.png", "coming/1.png"])


def tracer(point: int):
    """Counts lines, and kills the process at one of them; 0 for none."""

    def local(frame, event, _):
        global lines
        if event == "line":
            lines += 1
            if lines == point:
                os.kill(os.getpid(), signal.SIGKILL)
        return local

    return lambda frame, event, _: local if frame.f_code.co_filename.startswith(ROOMS) else None


def attempt(folder: Path, coming: Path, point: int) -> tuple[int, int]:
    """Change a copy in a child process: how it ended, and how many lines it ran, where it ended by itself."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        sys.settrace(tracer(point))
        change(folder, coming)
        sys.settrace(None)
        os.write(send, str(lines).encode())
        os._exit(0)
    os.close(send)
    status = os.waitpid(child, 0)[1]
    with os.fdopen(receive) as answer:
        return status, int(answer.read() or 0)


def main(gallery: Path, copies: Path, points: int) -> None:
    from backward_search.gallery.engines import faiss_index  # noqa: F401  needs an extra; not by every child

    coming = gallery.parent / "add.npy"
    status, total = attempt(Path(shutil.copytree(gallery, copies / "whole" / "gallery")), coming, 0)
    assert status == 0
    print(total)
    for number in range(points):
        folder = Path(shutil.copytree(gallery, copies / str(number) / "gallery"))
        status, _ = attempt(folder, coming, 1 + number * (total - 1) // (points - 1))
        assert os.WIFSIGNALED(status), f"not killed: ended with {status}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
