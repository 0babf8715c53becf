"""Files that fuzzing found to end in something else than one line."""

import io
import json
import lzma
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import torch

from backward_search.data.class_vectors import ClassVectors
from backward_search.errors import DataError, StaleError
from backward_search.published.plain_pickle import load_npy
from backward_search.storage.manifest import Stage
from backward_search.storage.mapped import mapped
from backward_search.storage.torch_file import load_state_dict
from backward_search.storage.unpacking import is_archive, unpack


def with_header(header):
    """A `.npy` file with any text in the place of its header."""
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64)


HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4L), 'x",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 60 + ", 4), }",
    "[" * 100,
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_of_an_array_that_is_no_header(header, tmp_path):
    file = tmp_path / "array.npy"
    file.write_bytes(with_header(header))
    with pytest.raises(DataError, match=r"array\.npy is damaged .*: do so"):
        mapped(file, "do so")
    with pytest.raises(DataError, match=r"is not a complete \.npy file"):
        load_npy(file)


@pytest.mark.parametrize("header", HEADERS)
def test_the_same_header_in_class_vectors(header, tmp_path):
    file = tmp_path / "style.npz"
    with zipfile.ZipFile(file, "w") as packed:
        for name in ("names", "vectors"):
            packed.writestr(f"{name}.npy", with_header(header))
    with pytest.raises(DataError, match="holds no class vectors"):
        ClassVectors.read(file)


def old_form():
    content = io.BytesIO()
    torch.save({"a": torch.ones(2, 3)}, content, _use_new_zipfile_serialization=False)
    return content.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-45],
        lambda whole: whole[: whole.index(b"little_endian") - 3],
        lambda whole: whole.replace(b"X\x10\0\0\0protocol", b"X\xff\xff\xff\x7fprotocol"),
        lambda whole: whole[: whole.rindex(b"]q\0X") + 8] + b"x" + whole[whole.rindex(b"]q\0X") + 9 :],
        lambda _whole: b"PK\x06\x07" + bytes(4) + b"\xb3\x06" + bytes(6) + b"\1\0\0\x80PK\5\6" + bytes(18),
    ],
)
def test_torch_files_that_are_cut_or_announce_what_is_not_there(damage, tmp_path):
    file = tmp_path / "model.pth"
    file.write_bytes(damage(old_form()))
    with pytest.raises(DataError, match=r"model\.pth"):
        load_state_dict(file)


def test_a_member_of_a_zip_file_without_a_name(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr("a", b"one")
    file = tmp_path / "set.zip"
    file.write_bytes(content.getvalue().replace(b"a", b"\0"))
    with pytest.raises(DataError, match="damaged"):
        unpack(file)
    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]


def test_an_xz_file_whose_dictionary_is_larger_than_a_machine(tmp_path, monkeypatch):
    def read(*_arguments, **_more):
        raise MemoryError

    file = tmp_path / "set.tar.xz"
    with tarfile.open(file, "w:xz") as tape:
        tape.addfile(tarfile.TarInfo("a.txt"))
    monkeypatch.setattr(lzma.LZMAFile, "read", read)
    assert not is_archive(file)
    with pytest.raises(DataError, match="damaged"):
        unpack(file)


@pytest.mark.parametrize("name", [".", "x" * 300])
def test_a_manifest_that_names_what_no_stage_writes(name, tmp_path):
    (tmp_path / "out.txt").write_text("out")
    stage = Stage("A1", tmp_path / "manifest-A1.json", {}, {}, [tmp_path / "out.txt"])
    stage.finish()
    content = json.loads(stage.manifest.read_text())
    stage.manifest.write_text(json.dumps(content | {"outputs": content["outputs"] | {name: "0"}}))
    with pytest.raises(StaleError, match="in another state"):
        stage.is_done(overwrite=False)


def test_an_array_of_another_order_of_bytes_is_no_gallerys(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3), ">f4"))
    with pytest.raises(DataError, match="holds >f4"):
        mapped(tmp_path / "a.npy", "again", dtype=np.float32)
