"""Values that are made when they are first asked for, once, whichever thread asks."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")
_NONE = object()


class Once:
    """A store of such values. What makes a value may ask for others."""

    def __init__(self, most: int | None = None) -> None:
        """Begin an empty one; of more than `most` values the one that was made first is forgotten."""
        self._lock, self._most = threading.RLock(), most
        self._made: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made now if it is the first time; other threads wait for it meanwhile."""
        found = self._made.get(key, _NONE)
        if found is _NONE:
            with self._lock:
                found = self._made.get(key, _NONE)
                if found is _NONE:
                    found = self._made[key] = make()
                    self._forget_first()
        value: Value = found
        return value

    def _forget_first(self) -> None:
        if self._most is not None and len(self._made) > self._most:
            del self._made[next(iter(self._made))]

    def made(self) -> dict[Hashable, Any]:
        """What has been made so far."""
        with self._lock:
            return dict(self._made)
