"""Galleries on disk: their table, their keys and arrays, and the files of FAISS."""

import json
from pathlib import Path

import numpy as np
import torch
from target import Ready, target

from backward_search.gallery.contents import Contents, Shard
from backward_search.gallery.engines.index import BuildSettings, EngineSettings
from backward_search.gallery.stored import StoredGallery
from backward_search.storage.atomic import write_array, write_csv

COUNT, SIZE = 40, 8
SEARCH = EngineSettings(shortlist=10)
BUILD = BuildSettings(hnsw_m=4, ivf_lists=2, pq_bytes=4)


def _begin(folder: Path, *engines: str, count: int = COUNT) -> StoredGallery:
    home = folder / "gallery"
    vectors = np.random.default_rng(0).normal(size=(count, SIZE)).astype(np.float32)
    write_array(home / "a.npy", vectors)
    write_array(home / "a-logits.npy", np.zeros((count, 2), np.float32))
    write_csv(home / "a.csv", ["key"], [[f"x/{row}.png"] for row in range(count)])
    shard = Shard("a.npy", "a.csv", {"style": "a-logits.npy"}, count)
    stored = StoredGallery.create(home, Contents({"weights": "0"}, {"style": ["a", "b"]}, (shard,), (3,)))
    for engine in engines:
        stored.build(engine, BUILD, {})
    return stored


def _search(home: Path, kind: str) -> None:
    stored = StoredGallery.open(home)
    if stored.vectors().size != SIZE:  # a run knows the size of its embeddings, and asks no others
        return
    hits = stored.gallery(kind, SEARCH).search(torch.ones(1, SIZE), 3)
    keys = stored.keys
    for row in hits.rows.ravel().tolist():
        if row >= 0:
            keys[row]


def _file(
    folder: Path, name: str, kind: str = "exact", *engines: str, count: int = COUNT, recorded: bool = False
) -> Ready:
    """A file of a gallery, whose hash is recorded, or is not, as in an older one."""
    home = _begin(folder, *engines, count=count).folder
    file, table = home / name, home / "gallery.json"
    if not recorded:
        content = json.loads(table.read_bytes())
        table.write_text(json.dumps({part: content[part] for part in content if part not in ("sha256", "files")}))

    def read(content: bytes) -> None:
        file.write_bytes(content)
        _search(home, kind)

    return Ready([file.read_bytes()], read)


@target("gallery-table", text=True)
def table(folder: Path) -> Ready:
    """`gallery.json`."""
    return _file(folder, "gallery.json", "faiss-flat", "faiss-flat")


@target("gallery-keys", text=True)
def keys(folder: Path) -> Ready:
    """The keys of a shard."""
    return _file(folder, "a.csv", count=6)


@target("gallery-array")
def array(folder: Path) -> Ready:
    """The embeddings of a shard."""
    return _file(folder, "a.npy", count=6)


@target("faiss-flat")
def flat(folder: Path) -> Ready:
    """A flat index."""
    return _file(folder, "faiss-flat-0/rows-0000000000.faiss", "faiss-flat", "faiss-flat", recorded=True)


@target("faiss-hnsw")
def hnsw(folder: Path) -> Ready:
    """An HNSW graph."""
    return _file(folder, "faiss-hnsw-0/rows-0000000000.faiss", "faiss-hnsw", "faiss-hnsw", recorded=True)


@target("faiss-ivfpq")
def ivfpq(folder: Path) -> Ready:
    """An inverted file."""
    return _file(folder, "faiss-ivfpq-0/rows-0000000000.faiss", "faiss-ivfpq", "faiss-ivfpq", count=1100, recorded=True)
