"""What a pickle would weigh if nothing in it were shared, found out without running it.

A tuple of twice the same tuple of twice the same tuple is a line a level, and a key that takes twice the time a level:
at forty levels nobody waits for it. Pickles have no jumps, and their stack and memo can be followed instruction by
instruction. (Lists and dictionaries may grow after they were used; they are no keys, and nobody here writes them out.)
"""

import pickle
from collections.abc import Callable

FACTOR, FREE = 100, 2**22
"""How much heavier than its number of instructions a pickle may be, and what any pickle may weigh."""

Cell = list[int]
"""The weight of one thing; a container's grows as things come into it."""


class TooHeavyError(pickle.UnpicklingError):
    """The pickle is made to take up time or memory."""


_ONE_MORE = {  # instructions that push something of their own, by the bytes of their argument
    **dict.fromkeys(b"N\x88\x89)]}\x8f", 0),
    **{ord("K"): 1, ord("M"): 2, ord("J"): 4, ord("G"): 8, 0x82: 1, 0x83: 2, 0x84: 4},
}
_COUNTED = {
    **{ord("U"): 1, 0x8C: 1, ord("C"): 1, 0x8A: 1, ord("T"): 4, ord("X"): 4, ord("B"): 4, 0x8B: 4, 0x8D: 8, 0x8E: 8},
    0x96: 8,
}
_LINES = {**dict.fromkeys(b"ILFSVP", 1), ord("c"): 2}
_TUPLES = {0x85: 1, 0x86: 2, 0x87: 3}
_TAKEN = {ord("R"): 2, 0x81: 2, 0x93: 2, 0x92: 3, ord("Q"): 1}  # so many things become one
_ADDED = {ord("a"): 1, ord("s"): 2, ord("b"): 1}  # so many things come into the one below
_GROUPED = {ord("e"), ord("u"), 0x90}  # all above the mark come into the one below
_MADE = {ord("t"), ord("l"), ord("d"), ord("o"), 0x91}  # all above the mark become one


class _Scales:
    """The stack and the memo of a pickle, of weights."""

    def __init__(self, content: bytes, place: int) -> None:
        self.content, self.place = content, place
        self.stack: list[Cell] = []
        self.marks: list[int] = []
        self.memo: dict[int, Cell] = {}
        self.total = self.steps = 0

    def push(self, weight: int) -> None:
        self.stack.append([weight])
        self.total += weight

    def take(self, count: int) -> int:
        """Take things off; their weight."""
        if count > len(self.stack):
            raise IndexError
        taken = sum(cell[0] for cell in self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return taken

    def above(self) -> int:
        """Take off what stands above the last mark; its weight."""
        return self.take(len(self.stack) - self.marks.pop())

    def number(self, width: int) -> int:
        """The number in the next bytes."""
        self.place += width
        return int.from_bytes(self.content[self.place - width : self.place], "little")

    def line(self) -> bytes:
        """The next line."""
        end = self.content.index(b"\n", self.place)
        start, self.place = self.place, end + 1
        return self.content[start:end]

    def keep(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def fetch(self, cell: Cell) -> None:
        """The same thing once more: whoever looks at it looks at all of it again."""
        self.stack.append(cell)
        self.total += cell[0]


def _mark(scales: _Scales) -> None:
    scales.marks.append(len(scales.stack))


def _pop(scales: _Scales) -> None:
    if scales.marks and scales.marks[-1] == len(scales.stack):
        scales.marks.pop()
    else:
        scales.stack.pop()


def _inst(scales: _Scales) -> None:
    scales.line()
    scales.line()
    scales.push(1 + scales.above())


_OTHERS: dict[int, Callable[[_Scales], object]] = {
    ord("("): _mark,
    ord("0"): _pop,
    ord("1"): lambda scales: scales.above(),
    ord("2"): lambda scales: scales.fetch(scales.stack[-1]),
    ord("i"): _inst,
    ord("h"): lambda scales: scales.fetch(scales.memo[scales.number(1)]),
    ord("j"): lambda scales: scales.fetch(scales.memo[scales.number(4)]),
    ord("g"): lambda scales: scales.fetch(scales.memo[int(scales.line())]),
    ord("q"): lambda scales: scales.keep(scales.number(1)),
    ord("r"): lambda scales: scales.keep(scales.number(4)),
    ord("p"): lambda scales: scales.keep(int(scales.line())),
    0x94: lambda scales: scales.keep(len(scales.memo)),
    0x80: lambda scales: scales.number(1),
    0x95: lambda scales: scales.number(8),
}


def weigh(content: bytes, place: int = 0) -> int:
    """Follow a pickle to its end.

    Args:
        content: it, and perhaps what comes before and after it.
        place: where it begins.

    Returns:
        Where it ends.

    Raises:
        TooHeavyError: it is made to take up time or memory.
        UnpicklingError: it is no pickle.
    """
    scales = _Scales(content, place)
    try:
        while _step(scales):
            scales.steps += 1
            if scales.total > FREE + FACTOR * scales.steps:
                raise TooHeavyError("parts that are used again and again until they fill memory")
    except (IndexError, KeyError, ValueError):
        raise pickle.UnpicklingError("not a whole pickle") from None
    return scales.place


def _step(scales: _Scales) -> bool:
    """Follow one instruction; whether others come."""
    code = scales.content[scales.place]
    scales.place += 1
    if code in _OTHERS:
        _OTHERS[code](scales)
    elif code in _ONE_MORE:
        scales.place += _ONE_MORE[code]
        scales.push(1)
    elif code in _COUNTED:
        length = scales.number(_COUNTED[code])
        scales.place += length
        scales.push(1)
    elif code in _LINES:
        for _ in range(_LINES[code]):
            scales.line()
        scales.push(1)
    elif code in _TUPLES or code in _TAKEN:
        scales.push(1 + scales.take(_TUPLES.get(code) or _TAKEN[code]))
    elif code in _MADE:
        scales.push(1 + scales.above())
    elif code in _ADDED or code in _GROUPED:
        weight = scales.above() if code in _GROUPED else scales.take(_ADDED[code])
        scales.stack[-1][0] += weight
    elif code == ord("."):
        return False
    else:
        raise ValueError(code)
    return True
