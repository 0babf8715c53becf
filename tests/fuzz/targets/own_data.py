"""A user's own images and vectors, in every form: from the source as far as the rows of the tables."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from target import Ready, target

from backward_search.data.report import Findings
from backward_search.readers.custom.listing import Reading, Roles
from backward_search.readers.custom.source import Split, source
from backward_search.storage.paths import DataPaths

SPLIT = Split(0.3, 0)
ROWS = 8


def _encoded(row: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 3), (row * 20, 0, 0)).save(file, "PNG")
    return file.getvalue()


def _frame() -> pd.DataFrame:
    names = [f"img/{row}.png" for row in range(ROWS)]
    labels = {"style": ["a", "b"] * (ROWS // 2), "colour": ["red", "red", "blue", "blue"] * (ROWS // 4)}
    return pd.DataFrame({"path": names, **labels, "tags": ["x,y", ""] * (ROWS // 2)})


def _images(folder: Path) -> None:
    (folder / "img").mkdir()
    for row in range(ROWS):
        (folder / "img" / f"{row}.png").write_bytes(_encoded(row))


def _reader(
    folder: Path, file: Path, reading: Reading | None = None, *, vectors: Path | None = None, images: int = 4
) -> Callable[[bytes], None]:
    """Write an input to `vectors`, or else to the source, and read the source as A1 does."""
    paths = DataPaths.of(folder / "data", "own")

    def read(content: bytes) -> None:
        (vectors or file).write_bytes(content)
        found = source(
            paths, file, Roles(), SPLIT, reading=reading or Reading(), image_size=16, augment=False, workers=0
        )
        samples = found.read(Findings())
        samples.classes()

    return read


def _text(separator: str = ",", encoding: str = "utf-8", end: str = "\n") -> bytes:
    return _frame().to_csv(index=False, sep=separator, lineterminator=end).encode(encoding)


@target("custom-csv", text=True)
def custom_csv(folder: Path) -> Ready:
    """A table of paths, in the separators and encodings of spreadsheets."""
    _images(folder)
    seeds = [_text(), _text(";", "utf-8-sig", "\r\n"), _text("\t", "utf-16"), b"sep=|\n" + _text("|")]
    quoted = b'path,label,split\n"img/0.png","a, ""b""",train\nimg/1.png,c,test\nimg/2.png,c,train\n'
    return Ready([*seeds, quoted], _reader(folder, folder / "table.csv"), (b'""', b"path", b"split", b"label", b"test"))


@target("custom-csv-vectors", text=True)
def custom_csv_vectors(folder: Path) -> Ready:
    """A table beside vectors."""
    np.save(folder / "vectors.npy", np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32))
    read = _reader(folder, folder / "table.csv", Reading(vectors=str(folder / "vectors.npy")))
    return Ready([_text(), _text(";")], read)


@target("custom-npy")
def custom_npy(folder: Path) -> Ready:
    """Vectors beside a table."""
    (folder / "table.csv").write_bytes(_text())
    vectors, seeds = folder / "vectors.npy", []
    for kind in (np.float32, np.float16, np.int16):
        np.save(vectors, (10 * np.random.default_rng(0).normal(size=(ROWS, 3))).astype(kind))
        seeds.append(vectors.read_bytes())
    read = _reader(folder, folder / "table.csv", Reading(vectors=str(vectors)), vectors=vectors)
    return Ready(seeds, read, (b"<f4", b">f8", b"|O", b"<U9", b"|V4", b"True", b"(8, 3)", b"<M8[s]", b"<c16"))


def _tables() -> list[pa.Table]:
    frame = _frame()
    pictures = pa.array([{"bytes": _encoded(row), "path": None} for row in range(ROWS)])
    plain = pa.Table.from_pandas(frame, preserve_index=False)
    vectors = pa.array(np.random.default_rng(0).normal(size=(ROWS, 3)).tolist(), pa.list_(pa.float32()))
    numbers = plain.append_column("number", pa.array([1.0, 2.0, None, 2.0] * (ROWS // 4)))
    labels = plain.select(["style", "colour"])
    return [numbers, labels.append_column("image", pictures), labels.append_column("emb", vectors)]


@target("custom-parquet")
def custom_parquet(folder: Path) -> Ready:
    """A Parquet file of paths, of images as bytes, or of vectors."""
    _images(folder)
    file, seeds = folder / "table.parquet", []
    for table, packed in zip(_tables(), ("snappy", "zstd", "none"), strict=True):
        pq.write_table(table, file, compression=packed, row_group_size=5)
        seeds.append(file.read_bytes())
    return Ready(seeds, _reader(folder, file))


@target("custom-arrow")
def custom_arrow(folder: Path) -> Ready:
    """An Arrow file, as a file, a stream and a packed one."""
    _images(folder)
    file, seeds = folder / "table.arrow", []
    new: tuple[Callable[..., Any], ...] = (pa.ipc.new_file, pa.ipc.new_stream, pa.ipc.new_file)
    for table, begin, packed in zip(_tables(), new, (None, None, "zstd"), strict=True):
        options = pa.ipc.IpcWriteOptions(compression=packed)
        with pa.OSFile(str(file), "wb") as sink, begin(sink, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=5)
        seeds.append(file.read_bytes())
    return Ready(seeds, _reader(folder, file))


@target("custom-npz")
def custom_npz(folder: Path) -> Ready:
    """Arrays of images or of vectors."""
    file, seeds = folder / "arrays.npz", []
    images = np.zeros((ROWS, 3, 4, 3), np.uint8)
    labels = np.array([0, 1] * (ROWS // 2))
    parts = {
        f"{split}_{what}": array[:4]
        for split in ("train", "test")
        for what, array in (("images", images), ("labels", labels[:, None]))
    }
    kinds: tuple[dict[str, Any], ...] = (
        {"images": images, "labels": labels, "colour": np.array(["red", "blue"] * (ROWS // 2))},
        parts,
        {"embeddings": np.eye(ROWS, 4, dtype=np.float32) + 1, "labels": labels},
    )
    for number, arrays in enumerate(kinds):
        (np.savez_compressed if number == 1 else np.savez)(file, **arrays)
        seeds.append(file.read_bytes())
    return Ready(seeds, _reader(folder, file), (b"images.npy", b"labels.npy", b"x_train.npy", b"<U4", b"|u1", b"|O"))
