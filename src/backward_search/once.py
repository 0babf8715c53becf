"""Values that are made when they are first asked for, once, whichever thread asks."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")


class Once:
    """A store of such values. What makes a value may ask for others."""

    def __init__(self) -> None:
        """Begin an empty one."""
        self._lock = threading.RLock()
        self._made: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made now if it is the first time; other threads wait for it meanwhile."""
        if key not in self._made:
            with self._lock:
                if key not in self._made:
                    self._made[key] = make()
        value: Value = self._made[key]
        return value

    def made(self) -> dict[Hashable, Any]:
        """What has been made so far."""
        with self._lock:
            return dict(self._made)
