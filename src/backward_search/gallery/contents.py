"""What the table of a gallery on disk, `gallery.json`, says: its shards, what was removed, and its indexes."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backward_search.errors import DataError
from backward_search.gallery.engines.index import BuildSettings, Segment


@dataclass(frozen=True)
class Shard:
    """Images that came together; paths are relative to the gallery's folder.

    Attributes:
        embeddings: `.npy` of float32 (count, E).
        rows: `.csv` with a column `key`.
        logits: per attribute a `.npy` of float32 (count, K).
        count: images.
    """

    embeddings: str
    rows: str
    logits: dict[str, str]
    count: int


@dataclass(frozen=True)
class IndexRecord:
    """An index that counts.

    Attributes:
        generation: how often it has been built; each has a folder of its own.
        settings: how it is built.
        milvus_uri: the cluster's address, for one that does not lie in the folder.
        segments: the rows it has, in the order they came.
    """

    generation: int
    settings: BuildSettings
    milvus_uri: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Contents:
    """What `gallery.json` says.

    Attributes:
        source: SHA-256 of the weights and the embeddings that the gallery began with.
        classes: the labels of every attribute.
        shards: in the order of their rows.
        removed: rows that no longer count.
        indexes: by engine.
    """

    source: dict[str, str]
    classes: dict[str, list[str]]
    shards: tuple[Shard, ...]
    removed: tuple[int, ...] = ()
    indexes: dict[str, IndexRecord] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Rows, the removed ones included."""
        return sum(shard.count for shard in self.shards)

    @classmethod
    def parsed(cls, content: dict[str, Any]) -> "Contents":
        """What JSON gave back, typed."""
        indexes = {
            engine: IndexRecord(
                record["generation"],
                BuildSettings(**record["settings"]),
                record["milvus_uri"],
                tuple(Segment(**segment) for segment in record["segments"]),
            )
            for engine, record in content["indexes"].items()
        }
        shards = tuple(Shard(**shard) for shard in content["shards"])
        return cls(content["source"], content["classes"], shards, tuple(content["removed"]), indexes)


def read_keys(file: Path) -> list[str]:
    """The keys of a shard's images.

    Raises:
        DataError: the file is missing or is no such list.
    """
    try:
        with file.open(encoding="utf-8", newline="") as rows:
            return [row["key"] for row in csv.DictReader(rows)]
    except (FileNotFoundError, KeyError):
        raise DataError(f"{file} does not list a gallery's images: build the gallery again") from None
