"""A gallery on disk: shards of embeddings and the indexes over them, to which images are added and from which removed.

Files are only ever added; `gallery.json` names those that count. It is replaced in one step after everything else has
been written, so that whatever interrupts a change leaves the gallery and all its indexes as they were before it.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from backward_search.errors import DataError, MissingError, UserError
from backward_search.gallery.contents import Contents, IndexRecord, Shard
from backward_search.gallery.engines.index import EXACT, BuildSettings, EngineSettings, Fields, Index, Place, Segment
from backward_search.gallery.engines.registry import ENGINES
from backward_search.gallery.memory import Engine, ExactEngine, Gallery
from backward_search.gallery.vectors import Vectors, map_array
from backward_search.storage.atomic import read_json, write_array, write_csv, write_json
from backward_search.storage.hashing import file_hash
from backward_search.storage.keys import read_keys
from backward_search.storage.lock import locked

AGAIN = "run C2.Build-Index.py with --overwrite True, or delete gallery.json and begin the gallery anew"

Labels = dict[str, dict[str, str]]
"""Per attribute the label of every key for which it is known."""


class StoredGallery:
    """A gallery as it stood when it was opened; changes go through it to disk and show in it."""

    def __init__(self, folder: Path, contents: Contents) -> None:
        """Hold what `gallery.json` in `folder` says."""
        self.folder, self.contents = folder, contents

    @classmethod
    def create(cls, folder: Path, contents: Contents) -> "StoredGallery":
        """Begin a gallery; what was there before no longer counts."""
        with locked(folder / ".lock", _other(folder)):
            return cls(folder, contents)._committed(contents)

    @classmethod
    def open(cls, folder: Path) -> "StoredGallery":
        """Open a gallery.

        Raises:
            MissingError: there is none.
            DataError: its table is damaged.
        """
        file = folder / "gallery.json"
        if not file.exists():
            raise MissingError(f"no gallery at {file}: run C2.Build-Index.py with the same options")
        try:
            return cls(folder, Contents.parsed(read_json(file)))
        except (KeyError, TypeError, AttributeError, ValueError):
            raise DataError(f"{file} is not a gallery's table: delete it and run C2.Build-Index.py") from None

    def __len__(self) -> int:
        """The number of images that count."""
        return self.contents.total - len(self.contents.removed)

    @cached_property
    def keys(self) -> list[str]:
        """The key of every row, the removed ones included."""
        return [key for shard in self.contents.shards for key in self._keys_of(shard)]

    def _keys_of(self, shard: Shard) -> list[str]:
        keys = read_keys(self._file(shard.rows), AGAIN)
        if len(keys) != shard.count:
            raise DataError(f"{self.folder / shard.rows} has {len(keys)} keys of {shard.count} images: {AGAIN}")
        return keys

    def vectors(self, device: torch.device | None = None) -> Vectors:
        """The embeddings of every row, memory-mapped."""
        found = Vectors.open([self._file(shard.embeddings) for shard in self.contents.shards], device)
        if len(found) != self.contents.total:
            raise DataError(f"{self.folder} holds {len(found)} embeddings of {self.contents.total} images: {AGAIN}")
        return found

    def allowed(self) -> np.ndarray | None:
        """Which rows count, (N,) bool; None for all."""
        if not self.contents.removed:
            return None
        allowed = np.ones(self.contents.total, bool)
        allowed[list(self.contents.removed)] = False
        return allowed

    def gallery(self, kind: str, settings: EngineSettings, device: torch.device | None = None) -> Gallery:
        """The gallery behind an engine; its rows are those of `keys`.

        Args:
            kind: exact, or an engine for which there is an index.
            settings: how an index is searched.
            device: where exact scores are computed.
        """
        vectors, allowed = self.vectors(device), self.allowed()
        if kind == EXACT:
            mask = None if allowed is None else torch.from_numpy(allowed)
            return Gallery(vectors, ExactEngine(len(vectors), mask))
        return Gallery(vectors, self.engine(kind, settings, allowed), settings.shortlist)

    def engine(self, kind: str, settings: EngineSettings, allowed: np.ndarray | None) -> Engine:
        """The engine of an index, which proposes the allowed rows alone.

        Raises:
            MissingError: the index has not been built.
        """
        if kind not in self.contents.indexes:
            raise MissingError(f"no {kind} index in {self.folder}: run C2.Build-Index.py --engine {kind}")
        record = self.contents.indexes[kind]
        self._check_index(kind, record)
        return self._index(kind, record).open(list(record.segments), allowed, settings)

    def has_index(self, kind: str) -> bool:
        """Whether there is an index of this engine, with its folder."""
        record = self.contents.indexes.get(kind)
        return record is not None and self._index_folder(kind, record).is_dir()

    def build(self, kind: str, settings: BuildSettings, labels: Labels, milvus_uri: str = "") -> None:
        """Index every row anew, the removed ones included; an older index of this engine counts until it is done."""
        with self._changing():
            older = self.contents.indexes.get(kind)
            segments = (Segment(0, self.contents.total),)
            record = IndexRecord(older.generation + 1 if older else 0, settings, milvus_uri, segments)
            index = self._index(kind, record)
            index.build(self.vectors(), self._fields(labels))
            index.close()
            self._committed(replace(self.contents, indexes={**self.contents.indexes, kind: record}))
            if older:
                self._discard(kind, older)

    def add(
        self,
        keys: list[str],
        embeddings: np.ndarray,
        logits: dict[str, np.ndarray],
        labels: Labels | None = None,
        leaving: Sequence[str] = (),
    ) -> None:
        """Add images to the gallery and to all its indexes, in one step with the removal of others.

        Args:
            keys: of the images; none may be in the gallery.
            embeddings: float32 (n, E).
            logits: per attribute (n, K) float32.
            labels: where known.
            leaving: keys of images that are removed; they may be among those that come.

        Raises:
            DataError: a key is in the gallery or comes twice, one that leaves is not there, or the embeddings have
                another E.
        """
        with self._changing():
            if embeddings.shape != (len(keys), self.vectors().size):
                raise DataError(f"embeddings {embeddings.shape} of {len(keys)} images do not fit {self.folder}")
            self.check_new(keys, leaving)
            for kind, record in self.contents.indexes.items():
                self._check_index(kind, record)
            remaining = self._without(leaving)
            shard = self._write_shard(keys, embeddings, logits)
            segment = Segment(self.contents.total, shard.count)
            grown = StoredGallery(self.folder, replace(remaining, shards=(*remaining.shards, shard)))
            indexes = {}
            for kind, record in self.contents.indexes.items():
                index = self._index(kind, record)
                index.add(segment, grown.vectors(), grown._fields(labels or {}))
                index.close()
                indexes[kind] = replace(record, segments=(*record.segments, segment))
            self._committed(replace(grown.contents, indexes=indexes))
            if leaving:
                self._drop_removed()

    def check_new(self, keys: list[str], leaving: Sequence[str] = ()) -> None:
        """Refuse keys that cannot be added once others have left.

        Raises:
            DataError: there is none, one is in the gallery already, or one comes twice; one that leaves is not there.
        """
        self._without(leaving)
        live = self._rows_of_live().keys() - set(leaving)
        known = [key for key in keys if key in live]
        if known:
            raise DataError(f"{len(known)} keys are in the gallery already, such as {known[0]}: remove them first")
        if not keys or len(set(keys)) < len(keys):
            raise DataError(f"{len(keys)} images have {len(set(keys))} keys (<folder>/<file>): each needs its own")

    def remove(self, keys: Iterable[str]) -> None:
        """Remove images from the gallery and from all its indexes.

        Raises:
            DataError: a key is not in the gallery.
        """
        with self._changing():
            self._committed(self._without(keys))
            self._drop_removed()

    def _without(self, keys: Iterable[str]) -> Contents:
        leaving, rows = list(keys), self._rows_of_live()
        unknown = [key for key in leaving if key not in rows]
        if unknown:
            raise DataError(f"{len(unknown)} keys are not in the gallery, such as {unknown[0]}")
        return replace(self.contents, removed=tuple(sorted({*self.contents.removed, *(rows[key] for key in leaving)})))

    def _drop_removed(self) -> None:
        """Take out of the indexes what they will not be asked for again."""
        for kind, record in self.contents.indexes.items():
            index = self._index(kind, record)
            index.drop(list(self.contents.removed))
            index.close()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the gallery's lock; what others have changed since it was opened is read first."""
        with locked(self.folder / ".lock", _other(self.folder)):
            self.contents = StoredGallery.open(self.folder).contents
            self.__dict__.pop("keys", None)
            self._drop_leftovers()
            yield

    def tidy(self) -> None:
        """Remove what a killed process left, unless nothing can be written there, or another is changing it."""
        if (self.folder / ".lock").exists():
            with suppress(UserError, OSError), self._changing():
                pass

    def _drop_leftovers(self) -> None:
        """Remove what was half written, and indexes that do not count: of whoever was killed at building one."""
        for left in self.folder.glob(".*.partial*"):
            left.unlink()
        for folder in sorted(self.folder.glob("*-*/")):
            kind, _, number = folder.name.rpartition("-")
            if kind in ENGINES and number.isdecimal() and not self._counts(kind, int(number)):
                record = self.contents.indexes.get(kind)
                if record is not None and record.milvus_uri:
                    self._index(kind, replace(record, generation=int(number))).discard()
                shutil.rmtree(folder)

    def _counts(self, kind: str, generation: int) -> bool:
        record = self.contents.indexes.get(kind)
        return record is not None and record.generation == generation

    def _committed(self, contents: Contents) -> "StoredGallery":
        self.contents = replace(contents, files=self._hashes(contents))
        write_json(self.folder / "gallery.json", self.contents.in_json)
        self.__dict__.pop("keys", None)
        return self

    def _hashes(self, contents: Contents) -> dict[str, str]:
        """By name the hash of what lies in the folder and does not change; a database does."""
        names = [name for shard in contents.shards for name in (shard.embeddings, shard.rows, *shard.logits.values())]
        own = [self.folder / name for name in names if not name.startswith("..")]
        for kind, record in contents.indexes.items():
            own += sorted(self._index_folder(kind, record).glob("*.faiss"))
        return {file.relative_to(self.folder).as_posix(): file_hash(file, noting=True) for file in own if file.exists()}

    def _file(self, name: str) -> Path:
        """A file of the gallery, as it was written.

        Raises:
            DataError: it is another.
            MissingError: it is gone.
        """
        file, recorded = self.folder / name, self.contents.files.get(name)
        if not os.path.isfile(file):  # noqa: PTH113, for it takes names that no disk has
            raise MissingError(f"{self.folder / name[:200]} is no file: {AGAIN}")
        if recorded is not None and file_hash(file, noting=True) != recorded:
            raise DataError(f"{file} is not as it was written (damaged, changed, or another's): {AGAIN}")
        return file

    def _check_index(self, kind: str, record: IndexRecord) -> None:
        """Refuse an index whose files are not as they were written: what reads them trusts them."""
        start = f"{self._index_folder(kind, record).name}/"
        for name in self.contents.files:
            if name.startswith(start):
                self._file(name)

    def _rows_of_live(self) -> dict[str, int]:
        removed = set(self.contents.removed)
        return {key: row for row, key in enumerate(self.keys) if row not in removed}

    def _write_shard(self, keys: list[str], embeddings: np.ndarray, logits: dict[str, np.ndarray]) -> Shard:
        stem = f"shard-{len(self.contents.shards):05d}"
        missing = [name for name in self.contents.classes if name not in logits]
        if missing:
            raise DataError(f"images are added without logits of {', '.join(missing)}")
        files = {name: f"{stem}-logits-{number}.npy" for number, name in enumerate(self.contents.classes)}
        write_array(self.folder / f"{stem}.npy", embeddings.astype(np.float32))
        for name, file in files.items():
            write_array(self.folder / file, logits[name].astype(np.float32))
        write_csv(self.folder / f"{stem}.csv", ["key"], ([key] for key in keys))
        return Shard(f"{stem}.npy", f"{stem}.csv", files, len(keys))

    def _index(self, kind: str, record: IndexRecord) -> Index:
        folder = self._index_folder(kind, record)
        index = ENGINES.find(kind).index(Place(folder, record.settings, self.contents.classes, record.milvus_uri))
        folder.mkdir(exist_ok=True)
        return index

    def _discard(self, kind: str, record: IndexRecord) -> None:
        index = self._index(kind, record)
        index.discard()
        shutil.rmtree(self._index_folder(kind, record))

    def _index_folder(self, kind: str, record: IndexRecord) -> Path:
        return self.folder / f"{kind}-{record.generation}"

    def _fields(self, labels: Labels) -> Callable[[slice], Fields]:
        keys = self.keys
        logits = {
            name: Vectors([map_array(self._file(shard.logits[name])) for shard in self.contents.shards])
            for name in self.contents.classes
        }

        def fields_of(rows: slice) -> Fields:
            """The fields of a slice of the gallery."""
            some = keys[rows]
            return Fields(
                some,
                {name: [labels.get(name, {}).get(key, "") for key in some] for name in logits},
                {name: array.block(rows).softmax(dim=1).numpy() for name, array in logits.items()},
            )

        return fields_of


def _other(folder: Path) -> str:
    """Who holds a gallery's lock."""
    return f"another process is changing {folder}"
