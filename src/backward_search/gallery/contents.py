"""What the table of a gallery on disk, `gallery.json`, says: its shards, what was removed, and its indexes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

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
        files: by name, relative to the gallery's folder, the SHA-256 of what lies there and does not change.
    """

    source: dict[str, str]
    classes: dict[str, list[str]]
    shards: tuple[Shard, ...]
    removed: tuple[int, ...] = ()
    indexes: dict[str, IndexRecord] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Rows, the removed ones included."""
        return sum(shard.count for shard in self.shards)

    @classmethod
    def parsed(cls, content: dict[str, Any]) -> "Contents":
        """What JSON gave back, typed.

        Raises:
            ValueError: it has been changed since it was written.
            KeyError: it says less than this.
            TypeError: it says something else.
        """
        if content.pop("sha256", None) not in (None, _digest(content)):
            raise ValueError
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
        removed, files = tuple(content["removed"]), dict(content.get("files", {}))
        contents = cls(content["source"], content["classes"], shards, removed, indexes, files)
        contents._check()
        return contents

    def _check(self) -> None:
        """Refuse numbers and names that no gallery has: an older table has no hash, and what reads rows trusts them.

        Raises:
            ValueError: there are such.
        """
        records = list(self.indexes.values())
        numbers = [number for record in records for number in (record.generation, *vars(record.settings).values())]
        names = [each for shard in self.shards for each in (shard.embeddings, shard.rows, *shard.logits.values())]
        names += [*self.classes, *(label for labels in self.classes.values() for label in labels)]
        names += [*self.files.values(), *(record.milvus_uri for record in records)]
        right = (
            all(type(number) is int and number >= 0 for number in (*numbers, *(shard.count for shard in self.shards)))
            and all(isinstance(name, str) and "\0" not in name for name in names)
            and all(isinstance(labels, list) for labels in self.classes.values())
            and all(shard.logits.keys() == self.classes.keys() for shard in self.shards)
            and all(type(row) is int and 0 <= row < self.total for row in self.removed)
            and all(_follow(record.segments, self.total) for record in records)
        )
        if not right or not self.shards:
            raise ValueError

    @property
    def in_json(self) -> dict[str, Any]:
        """As `gallery.json` has it, with a hash of the rest."""
        content = asdict(self)
        return content | {"sha256": _digest(content)}


def _follow(segments: Sequence[Segment], total: int) -> bool:
    """Whether segments follow one another and hold all rows."""
    ends = [0]
    for segment in segments:
        if type(segment.first) is not int or type(segment.count) is not int or segment.count < 1:
            return False
        if segment.first != ends[-1]:
            return False
        ends.append(segment.first + segment.count)
    return ends[-1] == total


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
