"""A reader that is fuzzed: where its seeds come from, and how one input is given to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ready:
    """A target that can begin.

    Attributes:
        seeds: valid inputs.
        read: gives one input to the reader; it may raise the project's `UserError` and nothing else.
        words: what the format knows.
    """

    seeds: Sequence[bytes]
    read: Callable[[bytes], object]
    words: Sequence[bytes] = ()


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: as TARGET= takes it.
        prepare: makes it ready in a folder, the only one in which it writes.
        text: whether inputs are texts.
    """

    name: str
    prepare: Callable[[Path], Ready]
    text: bool


TARGETS: dict[str, Target] = {}


def target(name: str, *, text: bool = False) -> Callable[[Callable[[Path], Ready]], Callable[[Path], Ready]]:
    """Register what makes a reader ready."""

    def register(prepare: Callable[[Path], Ready]) -> Callable[[Path], Ready]:
        """Keep it by its name."""
        TARGETS[name] = Target(name, prepare, text)
        return prepare

    return register


SEPARATOR = b"\n=====\n"
"""Between the files of an input that stands for several."""


def together(*files: bytes) -> bytes:
    """Several files as one input."""
    return SEPARATOR.join(files)


def apart(content: bytes, places: Sequence[Path]) -> None:
    """Write the files of an input to their places; those that it has lost are empty."""
    parts = content.split(SEPARATOR, len(places) - 1)
    for place, part in zip(places, [*parts, *[b""] * (len(places) - len(parts))], strict=True):
        place.write_bytes(part)
