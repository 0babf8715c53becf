"""What a child tells its parent while it works, in memory that both map, so that it outlives the child."""

import mmap
import struct
import time
from pathlib import Path
from typing import NamedTuple

from mutation import MOST

_FORM = struct.Struct("<qqqqqdq")
_SIZE = _FORM.size + 8 + MOST


class Seen(NamedTuple):
    """What a state says: inputs begun and counted, the input at work (its length), and the child's seconds then."""

    done: int
    refused: int
    accepted: int
    found: int
    busy: int
    began: float
    length: int


class State:
    """Counters, and the input at work."""

    def __init__(self, file: Path, *, fresh: bool = False) -> None:
        """Map a file, which the parent makes."""
        if fresh:
            file.write_bytes(bytes(_SIZE))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), _SIZE)
        self.done = self.refused = self.accepted = self.found = 0

    def begin(self, content: bytes) -> None:
        """An input is going to be read."""
        self._memory[_FORM.size + 8 : _FORM.size + 8 + len(content)] = content
        self._write(1, len(content))

    def end(self) -> None:
        """It has been read."""
        self.done += 1
        self._write(0, 0)

    def _write(self, busy: int, length: int) -> None:
        seconds = time.process_time()
        _FORM.pack_into(self._memory, 0, self.done, self.refused, self.accepted, self.found, busy, seconds, length)

    def seen(self) -> Seen:
        """What it says now."""
        return Seen(*_FORM.unpack_from(self._memory, 0))

    def content(self) -> bytes:
        """The input at work."""
        return bytes(self._memory[_FORM.size + 8 : _FORM.size + 8 + self.seen().length])
