"""A gate for threads: more than there are cores only take the interpreter from each other, and all are slower."""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue


class Gate:
    """At most so many threads at once are behind it; one that is already, may enter again."""

    def __init__(self, places: int) -> None:
        """With room for some threads."""
        self._places = places
        self._open()
        _GATES.add(self)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Wait for a place, and keep it for the body."""
        free, own = self._free, self._own
        if getattr(own, "inside", False):
            yield
            return
        place = free.get()
        own.inside = True
        try:
            yield
        finally:
            own.inside = False
            free.put(place)

    def _open(self) -> None:
        self._free, self._own = SimpleQueue[int](), threading.local()  # a semaphore of Python's is slower
        for place in range(self._places):
            self._free.put(place)


_GATES: "weakref.WeakSet[Gate]" = weakref.WeakSet()


def _open_all() -> None:
    """In a forked process no other thread is behind a gate, whatever the first process's were."""
    for gate in _GATES:
        gate._open()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_open_all)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
