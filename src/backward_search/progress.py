"""The one kind of progress bar, silent where there is no terminal."""

import os
from collections.abc import Iterable
from typing import NoReturn, TypeVar

from tqdm import tqdm

from backward_search.visible import visible

Item = TypeVar("Item")


def is_follower() -> bool:
    """Whether torchrun started this process as another than the first."""
    return os.environ.get("RANK", "0") != "0"


def progress(items: Iterable[Item], what: str, unit: str, total: int | None = None, done: int = 0) -> "tqdm[Item]":
    """Iterate under a progress bar, which stays silent where there is no terminal.

    Args:
        items: what to iterate over.
        what: what is done to them.
        unit: what one of them is called.
        total: their number, those that were done before included.
        done: how many were done before.
    """
    silent = True if is_follower() else None
    return tqdm(
        items, desc=visible(what), unit=unit, total=total, initial=done, disable=silent, dynamic_ncols=True, leave=False
    )


def byte_progress(what: str, total: int | None, done: int = 0) -> "tqdm[NoReturn]":
    """A progress bar in bytes, moved with `update`, which stays silent where there is no terminal."""
    return tqdm(
        desc=visible(what),
        total=total,
        initial=done,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        disable=None,
        dynamic_ncols=True,
        leave=False,
    )
