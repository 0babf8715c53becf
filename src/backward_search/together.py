"""What several threads ask at the same moment, done in one piece of work that costs little more than one of them."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ticket(Generic[Item, Result]):
    """An item that waits for its result.

    Attributes:
        done: whether it has its result, or its error.
    """

    def __init__(self, item: Item) -> None:
        """Begin to wait."""
        self.item, self.done = item, False
        self.result: Result | None = None
        self.error: Exception | None = None


class Together(Generic[Item, Result]):
    """Work that one thread does at a time, for all threads that wait with items of the same kind."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        alike: Callable[[Item, Item], bool],
        most: int = 64,
    ) -> None:
        """Nothing waits yet.

        Args:
            work: makes the results of some items, in their order; those of one item must not depend on the others.
            alike: whether two items may be worked on in one piece.
            most: items of one piece.
        """
        self._work, self._alike, self._most = work, alike, most
        self._turn, self._lock = threading.Lock(), threading.Lock()
        self._waiting: list[Ticket[Item, Result]] = []

    def __call__(self, item: Item) -> Result:
        """The result of an item, made by this thread or by the one whose turn it was.

        Raises:
            Exception: what the work raises for it.
        """
        own: Ticket[Item, Result] = Ticket(item)
        with self._lock:
            self._waiting.append(own)
        with self._turn:
            if not own.done:
                self._do(self._taken(own))
        if own.error is not None:
            raise own.error
        assert own.result is not None
        return own.result

    def _taken(self, own: Ticket[Item, Result]) -> list[Ticket[Item, Result]]:
        """The ticket and those like it, which wait no longer."""
        with self._lock:
            others = [each for each in self._waiting if each is not own and self._alike(own.item, each.item)]
            taken = [own, *others[: self._most - 1]]
            self._waiting = [each for each in self._waiting if each not in taken]
        return taken

    def _do(self, tickets: list[Ticket[Item, Result]]) -> None:
        try:
            results = self._work([each.item for each in tickets])
            for ticket, result in zip(tickets, results, strict=True):
                ticket.result = result
        except Exception as error:
            if len(tickets) > 1:  # one of them is at fault: the others get their results
                for ticket in tickets:
                    self._do([ticket])
            else:
                tickets[0].error = error
        for ticket in tickets:
            ticket.done = True
