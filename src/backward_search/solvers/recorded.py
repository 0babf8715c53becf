"""A search on a GPU: its step is recorded once as a CUDA graph, and replayed by one launch for all its kernels.

A recording works on tensors of a fixed size that stay where they are. It is kept with the heads, one for each size that
was met, and a search writes its queries into it. Queries that have stopped ride along until so few are left that they
fit into a recording of a quarter of the size.
"""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeGuard, TypeVar, runtime_checkable

import torch
from torch import Tensor

from backward_search.pytorch import stream_aside
from backward_search.solvers.protocol import Objective, SearchResult

LOOK_EVERY = 5
"""Steps between two looks for queries that have stopped and can leave the batch."""
SMALLEST, LARGEST = 16, 4096
"""Recordings are of powers of two between these many queries, and beyond of multiples of the larger one."""
MOST = 24
"""Recordings that are kept with some heads; the one that was made first makes room."""


class Walk(Protocol):
    """The queries under way: a dataclass of tensors with one row per query."""

    row: Tensor
    z: Tensor

    @property
    def moving(self) -> Tensor:
        """Which have not stopped, (B,) bool."""

    def rest(self, count: int) -> None:
        """Let the rows from `count` on have stopped: there is no query in them."""

    def at(self, rows: Tensor) -> Self:
        """Those of some rows, an index or a mask."""


W = TypeVar("W", bound=Walk)


@runtime_checkable
class Recordable(Objective, Protocol):
    """An objective whose `loss_and_gradient` launches the same kernels each time and looks at no value."""

    @property
    def recordings(self) -> "Recordings":
        """Where the steps on its heads are kept."""

    @property
    def kind(self) -> Hashable:
        """What its kernels depend on beside heads, number of queries and precision."""

    def at(self, rows: Tensor) -> Self:
        """See `protocol.Objective`."""

    def room(self, size: int) -> Self:
        """One of the same kind with room for the conditions of so many queries."""

    def take(self, other: Self) -> None:
        """Write the conditions of another of its kind into the first rows of this one."""


def is_recorded(objective: Objective, queries: Tensor, *, trace: bool) -> TypeGuard[Recordable]:
    """Whether a search for queries (B, E) replays a recorded step: on a GPU, where nobody asks for its way."""
    return queries.is_cuda and not trace and isinstance(objective, Recordable)


@dataclass(frozen=True)
class Course(Generic[W]):
    """How a solver walks.

    Attributes:
        key: its settings; two courses of one key differ in nothing but their constants.
        advance: makes a step, called with objective, walk, the constants and the numbers of the step, 0-dimensional
            tensors; it changes the walk in place, launches the same kernels each time and looks at no value.
        finish: takes the walk's queries over into a result as they are after so many steps.
        numbers: what changes from step to step, (S, n) for at most S steps.
        constants: tensors that are the same at every step.
        stops: whether queries stop before the last step.
    """

    key: Hashable
    advance: Callable[..., object]
    finish: Callable[[SearchResult, W, int], None]
    numbers: Tensor
    constants: tuple[Tensor, ...] = ()
    stops: bool = True


class Recordings:
    """The recordings of some heads, made when they are first needed; one search at a time uses them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.RLock()
        self._made: dict[Hashable, _Recording] = {}

    def search(self, course: Course[W], objective: Recordable, walk: W, stopped_by: str) -> SearchResult:
        """Let all queries walk until they have stopped, or to the last step.

        The only wait is for how many were under way at the look before the last one, while the GPU works on.

        Args:
            course: how.
            objective: of the queries.
            walk: where they are; `row` is their place in the batch.
            stopped_by: see `SearchResult`.
        """
        count, made = len(walk.row), len(course.numbers)
        whole = SearchResult.empty(_room(walk.z, _size(count)), 0, trace=False, stopped_by=stopped_by)
        with self._lock, torch.inference_mode():
            now = self._loaded(course, objective, walk, 0)
            look: _Look | None = None
            for step in range(1, made + 1):
                now.replay()
                if not course.stops or step % LOOK_EVERY:
                    continue
                left = len(now.walk.row) if look is None else look.count()
                if not left:
                    made = step
                    break
                if _size(left) <= len(now.walk.row) // 4:
                    course.finish(whole, now.walk, step)
                    rows = now.walk.moving.to(torch.int8).argsort(descending=True)[: _size(left)]
                    now = self._loaded(course, now.objective.at(rows), now.walk.at(rows), step)
                look = _Look(now.walk.moving)
            course.finish(whole, now.walk, made)
        return whole.part(slice(count))

    def _loaded(self, course: Course[W], objective: Recordable, walk: W, step: int) -> "_Recording":
        """The recording for so many queries, with these in it."""
        size = _size(len(walk.row))
        key = (course.key, objective.kind, size, walk.z.dtype, walk.z.device)
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= MOST:
                del self._made[next(iter(self._made))]
            found = self._made[key] = _Recording(course, objective, walk, size)
        found.load(course, objective, walk, step)
        return found


class _Recording:
    """A step on tensors that stay where they are."""

    def __init__(self, course: Course[Any], objective: Recordable, walk: Any, size: int) -> None:
        self.objective = objective.room(size)
        rooms = {id(value): _room(value, size) for value in vars(walk).values()}  # what is one tensor stays one
        self.walk = type(walk)(**{name: rooms[id(value)] for name, value in vars(walk).items()})
        self._constants = [value.clone() for value in course.constants]
        self._numbers = course.numbers.to(walk.z)
        self._step = torch.zeros(1, dtype=torch.int64, device=walk.z.device)
        self._advance = course.advance
        self.replay: Callable[[], object] = self._once
        if walk.z.is_cuda:
            self.replay = self._captured().replay

    def load(self, course: Course[Any], objective: Recordable, walk: Any, step: int) -> None:
        """Write queries into it that have made so many steps."""
        count = len(walk.row)
        for name, value in vars(walk).items():
            getattr(self.walk, name)[:count] = value
        self.walk.row[count:] = torch.arange(count, len(self.walk.row), device=self.walk.row.device)
        self.walk.rest(count)
        self.objective.take(objective)
        for own, value in zip(self._constants, course.constants, strict=True):
            own.copy_(value)
        self._step.fill_(step)

    def _once(self) -> None:
        numbers = self._numbers.index_select(0, self._step)[0].unbind()
        self._step.add_(1)
        self._advance(self.objective, self.walk, *self._constants, *numbers)

    def _captured(self) -> torch.cuda.CUDAGraph:
        """The step as a graph; it runs a few times before, so that libraries set themselves up."""
        here = torch.cuda.current_stream(self.walk.z.device)
        aside = stream_aside(self.walk.z.device, "search")
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(2):
                self._step.zero_()
                self._once()
        here.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # others may go on with theirs
            self._once()
        return graph


class _Look:
    """How many queries are under way, on its way to the CPU."""

    def __init__(self, moving: Tensor) -> None:
        self._arrived: torch.cuda.Event | None = None
        self._count = moving.sum()
        if moving.is_cuda:
            self._count = torch.empty((), dtype=torch.int64, pin_memory=True).copy_(self._count, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record()

    def count(self) -> int:
        """The number; waits until it is there."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return int(self._count)


def _size(count: int) -> int:
    """How many queries the recording for so many is made for.

    >>> [_size(count) for count in (1, 16, 17, 1000, 4097)]
    [16, 16, 32, 1024, 8192]
    """
    if count > LARGEST:
        return -(-count // LARGEST) * LARGEST
    return max(SMALLEST, 1 << (count - 1).bit_length())


def _room(value: Tensor, size: int) -> Tensor:
    """Zeros for so many rows like those of a tensor."""
    return value.new_zeros(size, *value.shape[1:])
