"""A matrix that several processes write in shards, each a file of its own, and that is cut into arrays in the end."""

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from backward_search.errors import DataError, MissingError
from backward_search.storage.atomic import read_json, write_json
from backward_search.storage.mapped import mapped

MOST_ROWS = 65_536
"""Rows of a shard at most, but for a batch that is larger: what one process may have to do alone in the end."""

MANY = 256
"""Shards of a smaller matrix, where there are as many batches; half as many at least, for as many processes."""

BLOCK = 8_192
"""Rows that are copied at once."""


def rows_of_a_shard(rows: int, batch: int) -> int:
    """How many rows a shard has: whole batches, whatever the number of processes.

    >>> [rows_of_a_shard(rows, 256) for rows in (1000, 65_536, 1_000_000, 100_000_000)]
    [256, 256, 4096, 65536]
    """
    batches = -(-rows // batch)
    return batch * max(1, min(-(-batches // MANY), MOST_ROWS // batch))


class Shard:
    """Some rows of the matrix, written from the first to the last by one process.

    They lie in a hidden file until all are there. What was kept counts after a kill.

    Attributes:
        rows: which rows of the matrix.
        done: how many of them are written.
    """

    def __init__(self, place: Path, rows: range, width: int) -> None:
        """Go on from what was kept, or from nothing.

        Args:
            place: the file of the finished shard.
            rows: which rows of the matrix.
            width: their length.
        """
        self.rows = rows
        self._place = place
        self._width = width
        self._growing = place.with_name(f".{place.stem}.growing.npy")
        self._note = place.with_name(f".{place.stem}.growing.json")
        self._file: BinaryIO | None = None
        self.done = self._kept()

    def _kept(self) -> int:
        try:
            done = read_json(self._note)["done"]
            there = self._growing.stat().st_size
        except (MissingError, DataError, OSError, KeyError, TypeError):
            return 0
        fits = isinstance(done, int) and 0 < done <= len(self.rows) and there > done * self._width * 4
        return done if fits else 0

    @property
    def left(self) -> range:
        """The rows that are still to be written."""
        return self.rows[self.done :]

    def write(self, values: np.ndarray) -> None:
        """Append some rows, (n, width) float32.

        Raises:
            OSError: the disk has no room for them.
        """
        if self._file is None:
            self._file = self._opened()
        self._file.write(np.ascontiguousarray(values, "<f4").data)
        self.done += len(values)

    def _opened(self) -> BinaryIO:
        """The file at its next row; nothing in it is cut off, since another process could be writing the same rows."""
        file = os.fdopen(os.open(self._growing, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        _write_header(file, (len(self.rows), self._width))
        file.seek(self.done * self._width * 4, os.SEEK_CUR)
        return file

    def keep(self) -> None:
        """Make what is written so far count after a kill."""
        self._flush()
        write_json(self._note, {"done": self.done})

    def finish(self) -> None:
        """Move the full shard to its place."""
        self._flush()
        if self._file is not None:
            self._file.close()
        self._growing.replace(self._place)
        self._note.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())


class Shards:
    """All shards of a matrix, in a folder that every process can reach."""

    def __init__(self, folder: Path, shape: tuple[int, int], batch: int) -> None:
        """Cut a matrix into shards.

        Args:
            folder: of the shards alone.
            shape: of the whole matrix, (N, width).
            batch: rows that are made at once; a shard holds whole batches.
        """
        self._folder = folder
        self._count, self._width = shape
        self._each = rows_of_a_shard(self._count, batch)

    def __len__(self) -> int:
        """The number of shards."""
        return -(-self._count // self._each)

    def claim(self, identity: str) -> None:
        """Keep the shards that were written under this identity and drop all others; for one process alone.

        Args:
            identity: of whatever the rows depend on.

        Raises:
            OSError: the disk has no room for the shards that are missing and the arrays that they are cut into.
        """
        note = self._folder / "identity.json"
        wanted = {"identity": identity, "rows": self._count, "width": self._width, "rows_of_a_shard": self._each}
        try:
            same = read_json(note) == wanted
        except (MissingError, DataError):
            same = False
        if not same:
            remove(self._folder)
            write_json(note, wanted)
        missing = sum(len(self._rows(index)) for index in self.unfinished())
        if (missing + self._count) * self._width * 4 > shutil.disk_usage(self._folder).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))

    def unfinished(self) -> list[int]:
        """The numbers of the shards that are not there yet.

        The folder is listed, since a network drive goes on missing for a while a file that was asked for in vain.
        """
        there = {file.name for file in self._folder.iterdir()}
        return [index for index in range(len(self)) if self._place(index).name not in there]

    def shard(self, index: int) -> Shard:
        """One shard, to be written."""
        return Shard(self._place(index), self._rows(index), self._width)

    def cut(self, places: Mapping[Path, int]) -> None:
        """Cut the finished matrix into arrays of its columns, all shards in order, and move them to their places.

        Args:
            places: the final `.npy` file of each array, and its number of columns, in the order of the columns.

        Raises:
            MissingError: a shard is missing.
            DataError: one is damaged.
        """
        hidden = {place: place.with_name(f".{place.stem}.joining.npy") for place in places}
        for place, file in hidden.items():
            with file.open("wb") as opened:
                _write_header(opened, (self._count, places[place]))
        for index in range(len(self)):
            self._append(index, list(hidden.values()), list(places.values()))
        for place, file in hidden.items():
            file.replace(place)

    def _append(self, index: int, files: Sequence[Path], widths: Sequence[int]) -> None:
        """Append the columns of one shard to the files, block by block."""
        shard = self._load(index)
        ends = np.cumsum(widths)
        for file, end, width in zip(files, ends.tolist(), widths, strict=True):
            with file.open("ab") as opened:
                for start in range(0, len(shard), BLOCK):
                    opened.write(np.ascontiguousarray(shard[start : start + BLOCK, end - width : end]).data)

    def _load(self, index: int) -> np.ndarray:
        remedy = "delete it, if it is there, and run the same command again, on machines that share this folder"
        return mapped(self._place(index), remedy, shape=(len(self._rows(index)), self._width), dtype=np.float32)

    def _place(self, index: int) -> Path:
        return self._folder / f"{index:06d}.npy"

    def _rows(self, index: int) -> range:
        return range(self._count)[index * self._each : (index + 1) * self._each]


def remove(folder: Path) -> None:
    """Delete the folder of some shards, where there is one."""
    if folder.exists():
        shutil.rmtree(folder)


def _write_header(file: BinaryIO, shape: tuple[int, int]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
