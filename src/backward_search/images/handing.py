"""How worker processes hand images over, in shared memory where there is room for it; and how they end."""

import logging
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

from backward_search.errors import UserError
from backward_search.storage.processes import runs

Item = TypeVar("Item")
LOG = logging.getLogger(__name__)
SHARED = Path("/dev/shm")
"""Where Linux keeps shared memory; a container has 64 MB of it unless it is told otherwise."""
SOON, PATIENCE = 60.0, 600.0
"""Seconds without an image after which that is said, and after which a stage gives up."""
STUCK = "the disk that holds the images does not answer, or is very slow; run the same command again when it does"
SPARE = 1.25
"""Room for what else is written there, as a factor."""


def has_room(size: int) -> bool:
    """Whether shared memory holds so many bytes; on systems that do not say, it does.

    Where it does not, a process that writes there is killed in the middle of it.
    """
    try:
        free = shutil.disk_usage(SHARED).free
    except OSError:
        return True
    if free >= size * SPARE:
        return True
    LOG.warning(
        "shared memory has %d MB free and the images under way need %d: they go through pipes, somewhat slower "
        "(a container gets more by --shm-size 1g)",
        free // 2**20,
        size // 2**20 + 1,
    )
    return False


@contextmanager
def watching() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Say it in the log where something is waited for that does not come; yields what is put around each wait."""
    since: list[float] = []
    over = threading.Event()

    def watch() -> None:
        """Look at times whether somebody waits for long."""
        said = 0
        while not over.wait(SOON / 4):
            waited = time.monotonic() - since[0] if since else 0.0
            if waited < SOON:
                said = 0
            elif waited >= SOON * (said + 1):
                said += 1
                LOG.warning("no image has come for %.0f seconds: the disk that holds them may be slow, or gone", waited)

    @contextmanager
    def waiting() -> Iterator[None]:
        since[:] = [time.monotonic()]
        try:
            yield
        finally:
            since.clear()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield waiting
    finally:
        over.set()


def patience(workers: int) -> float:
    """The `timeout` of a `DataLoader` of so many processes."""
    return PATIENCE if workers else 0


def watched(batches: Iterable[Item]) -> Iterator[Item]:
    """The batches of a `DataLoader`; the death of one of its processes, and that none comes any more, are one line.

    Raises:
        UserError: a process was killed, or reads for ever.
    """
    try:
        with watching() as waiting:
            iterator = iter(batches)
            while True:
                with waiting():
                    batch = next(iterator, None)
                if batch is None:
                    return
                yield batch
    except RuntimeError as error:
        if "DataLoader timed out" in str(error):
            raise UserError(f"no image came for {PATIENCE:g} seconds: {STUCK}") from None
        if "DataLoader worker" not in str(error):
            raise
        how = str(error).partition("killed by signal: ")[2].partition(".")[0]
        raise UserError(
            f"a process that decodes images was killed{f' ({how.strip()})' if how else ''}, as happens when memory "
            "runs out: pass a smaller --n_workers or --batch_size"
        ) from None


def end_with_parent(_number: int = 0) -> None:
    """Let this process end within a second or two of the one that started it, however that one ends.

    PyTorch's own processes do not, if the other was killed before they had begun; and of processes that were forked no
    pipe says it, since each of them holds both ends.
    """
    if (parent := multiprocessing.parent_process()) is None or parent.pid is None:
        return
    number = parent.pid

    def follow() -> None:
        while parent.is_alive() and runs(number):
            parent.join(1.0)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
