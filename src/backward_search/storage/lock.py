"""One at a time: a lock, which the system lets go of when its holder ends, however it ends."""

import errno
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from backward_search.errors import DataError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOG = logging.getLogger(__name__)
UNKNOWN = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
"""What a disk without locks says."""


@contextmanager
def locked(file: Path, what: str) -> Iterator[None]:
    """Hold a lock, whose file is there as long as it is held.

    Args:
        file: of the lock; its folder is made if need be.
        what: who else holds it, in words, where somebody does.

    Raises:
        DataError: somebody else holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    opened = _taken(file, what)
    try:
        yield
    finally:
        if sys.platform == "win32":  # where an open file cannot be removed
            opened.close()
            with suppress(OSError):
                file.unlink()
        else:
            file.unlink(missing_ok=True)
            opened.close()


def _taken(file: Path, what: str) -> IO[str]:
    """The lock's file, held; one that its holder removed meanwhile is not it."""
    while True:
        opened = file.open("w")
        try:
            _take(opened)
        except (BlockingIOError, PermissionError):
            opened.close()
            raise DataError(f"{what}: wait until it has finished, and run the same command again") from None
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise
            LOG.warning("%s: this disk knows no locks, so nothing keeps a second process out", file.parent)
            return opened
        try:
            if os.fstat(opened.fileno()).st_ino == file.stat().st_ino:
                return opened
        except FileNotFoundError:
            pass
        opened.close()


def _take(opened: IO[str]) -> None:
    if sys.platform == "win32":
        msvcrt.locking(opened.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
