"""Vectors of two attributes that anybody's encoder could have made, in the forms in which people have them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def made_vectors(count: int = 240, width: int = 16) -> tuple[np.ndarray, pd.DataFrame]:
    """Vectors (count, width) of length 1, and their names and labels."""
    rng = np.random.default_rng(0)
    style, colour = rng.integers(3, size=count), rng.integers(2, size=count)
    of_style, of_colour = rng.normal(size=(3, width)), rng.normal(size=(2, width))
    vectors = of_style[style] + of_colour[colour] + 0.5 * rng.normal(size=(count, width))
    labels = {"style": np.array(["Baroque", "Cubism", "Rococo"])[style], "colour": np.array(["red", "blue"])[colour]}
    frame = pd.DataFrame({"id": [f"item-{row}" for row in range(count)], **labels})
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), frame


def beside_table(folder: Path, vectors: np.ndarray, frame: pd.DataFrame) -> list[str]:
    """A CSV with a .npy beside it, as A1 is given them."""
    np.save(folder / "vectors.npy", vectors)
    frame.to_csv(folder / "labels.csv", index=False)
    words = ["--source", str(folder / "labels.csv"), "--vectors", str(folder / "vectors.npy"), "--key_column", "id"]
    return [*words, "--label_columns", "style,colour"]


def class_vectors(folder: Path, vectors: np.ndarray, frame: pd.DataFrame, attribute: str, *further: str) -> Path:
    """The class means as class vectors, and vectors of classes that no image has."""
    names = sorted(set(frame[attribute]))
    means = [vectors[(frame[attribute] == name).to_numpy()].mean(axis=0) for name in names]
    means += [np.random.default_rng(1).normal(size=vectors.shape[1]) for _ in further]
    np.savez(folder / f"{attribute}.npz", names=np.array([*names, *further]), vectors=np.stack(means))
    return folder / f"{attribute}.npz"


def as_lists(folder: Path, vectors: np.ndarray, frame: pd.DataFrame, name: str = "lists.parquet") -> list[str]:
    """A Parquet or Arrow file with a column of lists, of which those of Arrow are of one length."""
    table = pa.Table.from_pandas(frame[["style", "colour"]], preserve_index=False)
    if name.endswith(".parquet"):
        pq.write_table(table.append_column("clip", pa.array(list(vectors))), folder / name, row_group_size=100)
    else:
        fixed = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        whole = table.append_column("clip", fixed)
        new = pa.ipc.new_stream if "stream" in name else pa.ipc.new_file
        with pa.OSFile(str(folder / name), "wb") as sink, new(sink, whole.schema) as writer:
            writer.write_table(whole, max_chunksize=70)
    return ["--source", str(folder / name)]


def as_arrays(folder: Path, vectors: np.ndarray, frame: pd.DataFrame) -> list[str]:
    """An .npz."""
    np.savez(folder / "arrays.npz", embeddings=vectors, **{name: frame[name].to_numpy(str) for name in frame})
    return ["--source", str(folder / "arrays.npz"), "--label_columns", "style,colour"]


def as_clip_retrieval(folder: Path, vectors: np.ndarray, frame: pd.DataFrame) -> list[str]:
    """What clip-retrieval's inference writes, in eleven files, so that 10 comes after 9."""
    place = folder / "clip"
    for name in ("img_emb", "metadata"):
        (place / name).mkdir(parents=True)
    described = frame.assign(image_path=[f"/photos/{name}.jpg" for name in frame["id"]], caption=frame["id"])
    for number, rows in enumerate(np.array_split(np.arange(len(frame)), 11)):
        np.save(place / "img_emb" / f"img_emb_{number}.npy", vectors[rows])
        described.iloc[rows].to_parquet(place / "metadata" / f"metadata_{number}.parquet")
    return ["--source", str(place), "--label_columns", "style,colour"]
