"""Arrays that are written piece by piece, memory-mapped, and can be gone on with after the process was killed."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from backward_search.errors import DataError, MissingError
from backward_search.files.atomic import read_json, write_json


class GrowingArrays:
    """Some float32 arrays with one row per item, filled from the first row to the last.

    They lie in hidden files beside their places until `finish` moves them there. What was kept counts after a kill:
    the pages of a memory-mapped file belong to the system, not to the process.

    Attributes:
        done: the rows that are filled.
    """

    def __init__(self, places: Mapping[Path, tuple[int, int]], identity: str) -> None:
        """Open the arrays, as they were last kept or new.

        Args:
            places: the final `.npy` file of each array, and its shape.
            identity: of whatever the rows depend on; rows kept under another are dropped.

        Raises:
            OSError: the disk has no room for them.
        """
        self._hidden = {place: place.with_name(f".{place.stem}.growing.npy") for place in places}
        self._note = next(iter(places)).with_suffix(".growing.json")
        self._note = self._note.with_name(f".{self._note.name}")
        self._identity = identity
        self._note.parent.mkdir(parents=True, exist_ok=True)
        self.done = self._kept_rows(places)
        self._arrays = {
            place: np.lib.format.open_memmap(file, mode="r+") if self.done else _new(file, places[place])
            for place, file in self._hidden.items()
        }

    def _kept_rows(self, places: Mapping[Path, tuple[int, int]]) -> int:
        try:
            note = read_json(self._note)
            same = note["identity"] == self._identity
            arrays = [np.load(file, mmap_mode="r", allow_pickle=False) for file in self._hidden.values()]
        except (MissingError, DataError, OSError, ValueError, KeyError, TypeError):
            return 0
        fits = [array.shape for array in arrays] == list(places.values())
        return int(note["done"]) if same and fits else 0

    def write(self, rows: Mapping[Path, np.ndarray]) -> None:
        """Append the same number of rows to every array."""
        for place, values in rows.items():
            self._arrays[place][self.done : self.done + len(values)] = values
        self.done += len(next(iter(rows.values())))

    def keep(self) -> None:
        """Make what is written so far count after a kill."""
        for array in self._arrays.values():
            array.flush()
        write_json(self._note, {"identity": self._identity, "done": self.done})

    def finish(self) -> None:
        """Move the full arrays to their places."""
        for place, array in self._arrays.items():
            array.flush()
            self._hidden[place].replace(place)
        self._arrays.clear()
        self._note.unlink(missing_ok=True)


def _new(file: Path, shape: tuple[int, int]) -> np.memmap:
    array = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
    if hasattr(os, "posix_fallocate"):  # a mapped page that finds no room would end the process
        with file.open("r+b") as opened:
            _allocate(opened.fileno(), file)
    return array


def _allocate(descriptor: int, file: Path) -> None:
    try:
        os.posix_fallocate(descriptor, 0, file.stat().st_size)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(file)) from None
