"""What the authors of the paper publish: pickles, their embeddings, their preprocessed tables."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import published_files as published
from target import Ready, apart, target, together

from backward_search.data import registry
from backward_search.data.report import Findings
from backward_search.data.tables import Table
from backward_search.published import plain_pickle
from backward_search.published.bundle.conversion import read as read_bundle
from backward_search.published.bundle.files import find_bundle
from backward_search.published.embeddings import read_embeddings
from backward_search.storage.paths import DataPaths

WORDS = (
    *(
        b"cos\nsystem\n",
        b"c__builtin__\neval\n",
        b"cnumpy.core.multiarray\n_reconstruct\n",
        b"cnumpy\nndarray\n",
        b"R",
        b"b.",
    ),
    *(
        b"cnumpy\ndtype\n",
        b"cnumpy.core.multiarray\nscalar\n",
        b"ccollections\nOrderedDict\n",
        b"\x8c\x03",
        b"\x93",
        b"(",
        b"t",
    ),
    *(
        b"c_codecs\nencode\n",
        b"cbuiltins\nset\n",
        b"]",
        b"}",
        b"e",
        b"u",
        b"s",
        b"0",
        b"2",
        b"\x86",
        b"\x94",
        b"h\0",
        b"q\0",
        b".",
    ),
)


def _values() -> list[Any]:
    plain: dict[str, Any] = {"a": [1, 2.5, None, True], "b": ("x", b"y", {1, 2}), "c": {"d": frozenset({3})}}
    arrays = {"f": np.arange(3.0), "n": np.float32(1.5), "t": np.array(["a", None], object), "u": np.array(["ab"])}
    return [plain, arrays, [{"path": "a/b.jpg", "feature": np.ones(4, np.float32)}] * 2]


@target("pickle")
def plain(folder: Path) -> Ready:
    """A pickle, in each of the protocols."""
    file = folder / "some.pkl"

    def read(content: bytes) -> None:
        file.write_bytes(content)
        plain_pickle.load(file)

    return Ready([pickle.dumps(value, protocol) for value in _values() for protocol in range(5)], read, WORDS)


@target("pickle-npy")
def pickled_npy(folder: Path) -> Ready:
    """A `.npy` file, also one of objects."""
    file, seeds = folder / "some.npy", []
    for array in (np.array(_values()[0], object), np.arange(6.0).reshape(2, 3), np.array(["a", 1, None], object)):
        np.save(file, array, allow_pickle=True)
        seeds.append(file.read_bytes())

    def read(content: bytes) -> None:
        file.write_bytes(content)
        plain_pickle.load_npy(file)

    return Ready(seeds, read, (*WORDS, b"|O", b"<f8", b"(2, 3)", b"True", b"'descr'"))


@target("embeddings")
def embeddings(folder: Path) -> Ready:
    """The authors' embeddings, joined to a table."""
    some = published.entries("train")[:6]
    file = published.write_embeddings(folder / "embeddings.npy", some)
    ids = {name: np.array([int(entry[f"{name}_id"]) for entry in some]) for name in ("style", "genre")}
    entry = registry.find("wikiart", folder)
    table = Table(entry, "train", [entry["path"] for entry in some], ids, dict(published.LABELS))

    def read(content: bytes) -> None:
        file.write_bytes(content)
        read_embeddings(file, table, ("style", "genre"), published.SIZE)

    return Ready([file.read_bytes()], read, WORDS)


@target("bundle")
def bundle(folder: Path) -> Ready:
    """The authors' preprocessed tables with their pickles, all of them together."""
    home = published.write_tables(folder / "data")
    for split in ("train", "test"):
        table = home / f"preprocessed_wikiart_{split}.csv"
        table.write_text("\n".join(table.read_text().splitlines()[:8]) + "\n")
    for file in home.glob("*.pkl"):
        content = pickle.loads(file.read_bytes())
        short = content if "classes" in file.name else dict(list(content.items())[:8])
        file.write_bytes(pickle.dumps(short, 4))
    paths, entry = DataPaths.of(folder / "data", "wikiart"), registry.find("wikiart", folder)
    found = find_bundle(paths)
    assert found is not None
    files = list(found.files.values())
    seed = together(*(file.read_bytes() for file in files))

    def read(content: bytes) -> None:
        apart(content, files)
        read_bundle(found, paths, entry, Findings())

    return Ready([seed], read, WORDS)
