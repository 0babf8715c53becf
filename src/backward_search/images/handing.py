"""How worker processes hand images over: in shared memory where there is room for it, else through pipes."""

import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from backward_search.errors import UserError

Item = TypeVar("Item")
LOG = logging.getLogger(__name__)
SHARED = Path("/dev/shm")
"""Where Linux keeps shared memory; a container has 64 MB of it unless it is told otherwise."""
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


def watched(batches: Iterable[Item]) -> Iterator[Item]:
    """The batches of a `DataLoader`; the death of one of its processes is one line.

    Raises:
        UserError: a process was killed.
    """
    try:
        yield from batches
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        how = str(error).partition("killed by signal: ")[2].partition(".")[0]
        raise UserError(
            f"a process that decodes images was killed{f' ({how.strip()})' if how else ''}, as happens when memory "
            "runs out: pass a smaller --n_workers or --batch_size"
        ) from None
