"""The one kind of progress bar: drawn on a terminal, and told to the log now and then, also without one."""

import logging
import os
import sys
import time
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from backward_search.visible import visible

LOG = logging.getLogger(__name__)
EVERY = 30.0
"""Seconds between two lines of the log about the same work."""


def is_follower() -> bool:
    """Whether torchrun started this process as another than the first."""
    return os.environ.get("RANK", "0") != "0"


class _Nowhere:
    """Where a bar is drawn that nobody sees."""

    def write(self, _text: str) -> None:
        pass

    def flush(self) -> None:
        pass


class Bar(tqdm):  # type: ignore[misc]
    """A bar that says in the log how far it is."""

    def __init__(self, items: Iterable[Any] | None, what: str, **how: Any) -> None:
        """Begin one over some items, or to be moved by hand."""
        self.shown = sys.stderr is not None and sys.stderr.isatty()
        self._told = time.monotonic()
        if not self.shown:
            how |= {"file": _Nowhere(), "mininterval": 1.0}
        super().__init__(items, desc=visible(what), disable=is_follower(), dynamic_ncols=self.shown, leave=False, **how)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Draw it, and tell."""
        now = time.monotonic()
        if now - self._told >= EVERY:
            self._told = now
            LOG.info("%s", self._words(), extra={"drawn": self.shown})
        return bool(super().display(msg, pos)) if self.shown else True

    def _words(self) -> str:
        state = self.format_dict
        done, total, unit = state["n"], state["total"], state["unit"]
        rate = (done - state["initial"]) / max(state["elapsed"], 1e-9)
        scale = state["unit_scale"]
        numbers = [tqdm.format_sizeof(each, "B", 1024) if scale else f"{each:,}" for each in (done, total) if each]
        text = f"{state['prefix']}: {'' if scale else f'{unit} '}{' of '.join(numbers) or '0'}"
        speed = tqdm.format_sizeof(rate, "B", 1024) if scale else f"{rate:,.1f}"
        left = f", {tqdm.format_interval((total - done) / rate)} left" if total and rate > 0 else ""
        return f"{text}, {speed} a second{left}"


def progress(items: Iterable[Any], what: str, unit: str, total: int | None = None, done: int = 0) -> Bar:
    """Iterate under a progress bar.

    Args:
        items: what to iterate over.
        what: what is done to them.
        unit: what one of them is called.
        total: their number, those that were done before included.
        done: how many were done before.
    """
    return Bar(items, what, unit=unit, total=total, initial=done)


def byte_progress(what: str, total: int | None, done: int = 0) -> Bar:
    """A progress bar in bytes, moved with `update`."""
    return Bar(None, what, total=total, initial=done, unit="B", unit_scale=True, unit_divisor=1024)
