"""JSON, arrays, tensors, class vectors, conditions, archives: what stages and users hand over."""

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from target import Ready, target

from backward_search.conditions.language import read_condition
from backward_search.data.class_vectors import ClassVectors
from backward_search.runs.queries import read_queries
from backward_search.runs.run import Run
from backward_search.storage.atomic import read_json
from backward_search.storage.keys import read_keys
from backward_search.storage.manifest import Stage, read_manifest
from backward_search.storage.mapped import mapped
from backward_search.storage.paths import DataPaths
from backward_search.storage.tensors import load_tensors, save_tensors
from backward_search.storage.torch_file import load_state_dict
from backward_search.storage.unpacking import is_archive, unpack


@target("json", text=True)
def json_file(folder: Path) -> Ready:
    """Any JSON file of a stage."""
    file = folder / "some.json"
    seed = json.dumps({"a": [1, 2.5, None, True, "x\u00e4"], "b": {"c": [{"d": -1e-3}]}}, indent=2).encode()

    def read(content: bytes) -> None:
        file.write_bytes(content)
        read_json(file)

    return Ready([seed, b'[["a", 1], {"k": "\\ud83d\\ude00"}]'], read)


@target("manifest", text=True)
def manifest(folder: Path) -> Ready:
    """A stage's manifest, and whether the stage is done by it."""
    (folder / "in.txt").write_text("in")
    (folder / "out.txt").write_text("out")
    file = folder / "manifest-A1.json"
    stage = Stage("A1", file, {"a": 1, "b": ["x"]}, {"in": folder / "in.txt"}, [folder / "out.txt"])
    stage.finish(seed=1)

    def read(content: bytes) -> None:
        file.write_bytes(content)
        read_manifest(file)
        stage.is_done(overwrite=False)

    return Ready([file.read_bytes()], read)


@target("queries", text=True)
def queries(folder: Path) -> Ready:
    """A query file."""
    paths = DataPaths.of(folder, "tiny")
    file = paths.queries(("style",), "test", strict=False)
    file.parent.mkdir(parents=True)
    query = {"candidate": "a/b.jpg", "candidate_tags": "x,y", "condition": {"style": "Rococo"}, "lambda": 1.5}
    content: dict[str, Any] = {"dataset": "tiny", "attributes": ["style"], "split": "test", "queries": [query, query]}
    name = SimpleNamespace(dataset_name="tiny")
    run = cast(Run, SimpleNamespace(name=name, data=paths, left_out=lambda _: frozenset({"a/c.jpg"})))

    def read(content: bytes) -> None:
        file.write_bytes(content)
        read_queries(run, ("style",), "test")

    return Ready([json.dumps(content, indent=1).encode()], read)


@target("keys", text=True)
def keys(folder: Path) -> Ready:
    """The keys of an array's rows."""
    file = folder / "keys.csv"

    def read(content: bytes) -> None:
        file.write_bytes(content)
        read_keys(file, "write it again")

    return Ready([b"key\na/b.jpg\nc/d.jpg\n", b'key,tags\n"a/b.jpg","x,y"\nc/d.jpg,\n'], read)


@target("npy")
def npy(folder: Path) -> Ready:
    """An array, memory-mapped."""
    file = folder / "array.npy"
    seeds = []
    for array in (np.zeros((3, 4), np.float32), np.arange(6).reshape(2, 3), np.array(["a", "bc"])):
        np.save(file, array)
        seeds.append(file.read_bytes())

    def read(content: bytes) -> None:
        file.write_bytes(content)
        float(np.asarray(mapped(file, "again", shape=(None, 4), dtype=np.float32)).sum())

    return Ready(seeds[:1], read, (*seeds[1:], b"<f4", b"|O", b"<U9", b"(3, 4)", b"True", b"(4,)"))


@target("class-vectors")
def class_vectors(folder: Path) -> Ready:
    """Class vectors in an .npz file."""
    file, seeds = folder / "style.npz", []
    arrays: dict[str, Any] = {"names": np.array(["a", "b", "c"]), "vectors": np.eye(3, 4, dtype=np.float32)}
    for save, more in ((np.savez, {}), (np.savez_compressed, {"temperature": 0.02})):
        save(file, **arrays, **more)
        seeds.append(file.read_bytes())

    def read(content: bytes) -> None:
        file.write_bytes(content)
        ClassVectors.read(file).nearest(np.ones((1, 4), np.float32))

    return Ready(seeds, read, (b"names.npy", b"vectors.npy", b"temperature.npy", b"<f4", b"|O", b"(3, 4)"))


@target("safetensors")
def safetensors(folder: Path) -> Ready:
    """Tensors in a safetensors file."""
    file = folder / "some.safetensors"
    save_tensors(file, {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.int64)}, {"x": "y"})

    def read(content: bytes) -> None:
        file.write_bytes(content)
        tensors, _ = load_tensors(file)
        for tensor in tensors.values():
            tensor.double().sum()

    words = (b"F32", b"F64", b"BF16", b"I64", b"BOOL", b"U8", b"F8_E4M3", b"__metadata__", b"data_offsets", b"[0,24]")
    return Ready([file.read_bytes()], read, words)


def _torch(folder: Path, *, old: bool) -> Ready:
    file = folder / "model.pth"
    state = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.count": torch.tensor(3)}
    seeds = []
    for content in ({"model_state_dict": state, "epoch": 3}, state):
        torch.save(content, file, _use_new_zipfile_serialization=not old)
        seeds.append(file.read_bytes())

    def read(content: bytes) -> None:
        file.write_bytes(content)
        for tensor in load_state_dict(file, "model_state_dict").values():
            if not tensor.is_meta:
                tensor.to_dense().double().sum() if tensor.layout != torch.strided else tensor.double().sum()

    words = (
        b"_rebuild_tensor_v2",
        b"FloatStorage",
        b"LongStorage",
        b"torch._utils",
        b"ctorch\nTensor\n",
        b"cos\nsystem\n",
    )
    return Ready(seeds, read, words)


@target("torch-zip")
def torch_zip(folder: Path) -> Ready:
    """A state dict in the zip form."""
    return _torch(folder, old=False)


@target("torch-old")
def torch_old(folder: Path) -> Ready:
    """A state dict in the older form."""
    return _torch(folder, old=True)


def _tar(mode: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{mode}") as tape:
        for name, content in (("set/a.txt", b"one"), ("set/b/c.txt", b"two" * 40), ("d.txt", b"")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tape.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _zip(method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as packed:
        packed.writestr("set/a.txt", b"one")
        packed.writestr("set/b/c.txt", b"two" * 40)
    return file.getvalue()


def _archive(folder: Path, seeds: list[bytes], words: tuple[bytes, ...]) -> Ready:
    inside = folder / "inside"

    def read(content: bytes) -> None:
        shutil.rmtree(inside, ignore_errors=True)
        inside.mkdir()
        archive = inside / "set.archive"
        archive.write_bytes(content)
        try:
            is_archive(archive)
            unpack(archive)
        finally:
            outside = [path for path in folder.iterdir() if path != inside]
            links = [path for path in inside.rglob("*") if path.is_symlink()]
            assert not outside, outside
            assert not links, links

    return Ready(seeds, read, words)


@target("archive-tar")
def archive_tar(folder: Path) -> Ready:
    """A tar archive, plain."""
    return _archive(folder, [_tar("")], (b"../", b"/tmp/x", b"ustar", b"set/b/", b"..", b"C:\\"))


@target("archive-packed")
def archive_packed(folder: Path) -> Ready:
    """A tar archive, packed in each of the ways."""
    return _archive(folder, [_tar("gz"), _tar("bz2"), _tar("xz")], ())


@target("archive-zip")
def archive_zip(folder: Path) -> Ready:
    """A zip archive."""
    seeds = [_zip(zipfile.ZIP_STORED), _zip(zipfile.ZIP_DEFLATED), _zip(zipfile.ZIP_BZIP2), _zip(zipfile.ZIP_LZMA)]
    return _archive(folder, seeds, (b"../../a.txt", b"/tmp/x", b"PK\x01\x02", b"PK\x05\x06", b"set/b/", b"C:\\a"))


@target("conditions", text=True)
def conditions(folder: Path) -> Ready:
    """A condition as people write it."""
    del folder
    classes = {"style": ["Rococo", "Baroque", "a:b", "x;y=z"], "genre": ["portrait", "still life"], "a=b": ["1", "2*3"]}
    seeds = (
        *(
            "style=Rococo",
            "style!=Rococo; genre=portrait",
            "style=0.6*Rococo+0.4*Baroque",
            "style=Rococo:2, genre=portrait",
        ),
        *("style=!Rococo|Baroque:1e-2", "style=a:b;genre=still life"),
    )

    def read(content: bytes) -> None:
        for clause in read_condition(content.decode("utf-8", "replace"), classes).values():
            clause.array(classes["style"])

    return Ready([seed.encode() for seed in seeds], read, (b"style", b"genre", b"!=", b"*", b"+", b":", b"Rococo"))
