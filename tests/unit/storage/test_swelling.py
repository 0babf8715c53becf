"""Small files that unpack to a lot are refused before they do."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest
from extras import needs
from PIL import Image

from backward_search.data.class_vectors import ClassVectors
from backward_search.errors import DataError
from backward_search.images.opening import open_picture
from backward_search.readers import columnar
from backward_search.readers.columnar import opened_columnar, opened_parquet, read_columns
from backward_search.readers.custom.forms import read_listing
from backward_search.readers.custom.listing import Reading, Roles
from backward_search.storage import swelling
from backward_search.storage.unpacking import unpack

MB = 2**20


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """What is free here is little, so that the bombs are."""
    monkeypatch.setattr(swelling, "FREE", 4 * MB)


def zipped(file, name: str, head: bytes, size: int):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        packed.writestr(name, head + bytes(size))
    return file


def array_head(shape) -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return head.getvalue()


def test_an_archive_is_stopped_and_leaves_nothing(tmp_path):
    zipped(tmp_path / "a.zip", "a.bin", b"", 32 * MB)
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz", compresslevel=9) as tape:
        entry = tarfile.TarInfo("b.bin")
        entry.size = 32 * MB
        tape.addfile(entry, io.BytesIO(bytes(32 * MB)))
    for archive in (tmp_path / "a.zip", tmp_path / "b.tar.gz"):
        with pytest.raises(DataError, match="unpacks to more than"):
            unpack(archive)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.zip", "b.tar.gz"]


def test_an_archive_that_lies_of_its_size_is_stopped_too(tmp_path):
    whole = zipped(tmp_path / "a.zip", "a.bin", b"", 32 * MB).read_bytes()
    size = (32 * MB).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(whole.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(DataError):
        unpack(tmp_path / "a.zip")


@pytest.mark.parametrize("name", ["images.npy", "vectors.npy"])
def test_arrays_are_stopped(tmp_path, name):
    file = zipped(tmp_path / "a.npz", name, array_head((32, MB)), 32 * MB)
    with pytest.raises(DataError, match="unpacks to more than"):
        read_listing(file, Roles("path", "image", "", "tags", "split", "", "caption"), Reading())
    with pytest.raises(DataError, match="unpacks to more than"):
        ClassVectors.read(file)


def test_what_is_packed_as_data_are_passes(tmp_path):
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "a.npz", names=["x", "y"], vectors=rng.normal(size=(2, 400_000)))
    assert len(ClassVectors.read(tmp_path / "a.npz").names) == 2
    (tmp_path / "b.tar.gz").write_bytes(b"")
    with gzip.open(tmp_path / "c.gz", "wb") as file:
        file.write(rng.bytes(5 * MB))


def test_rows_without_end_are_stopped(tmp_path, monkeypatch):
    needs("parquet", "pyarrow")
    import pyarrow
    import pyarrow.parquet

    from backward_search.readers import columnar

    monkeypatch.setattr(columnar, "FREE_ROWS", 1000)
    pyarrow.parquet.write_table(pyarrow.table({"label": ["a"] * 10**6}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="rows, as no table"), opened_parquet(tmp_path / "a.parquet", "get it again"):
        pass


def test_a_flood_of_empty_entries_is_stopped(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", compresslevel=9) as tape:
        for number in range(12_000):
            tape.addfile(tarfile.TarInfo(f"{number:05d}"))
    with pytest.raises(DataError, match="unpacks to more than"):
        unpack(tmp_path / "a.tar.gz")
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar.gz"]


def test_a_small_picture_of_many_pixels_is_not_decoded(tmp_path):
    for kind in ("png", "gif", "webp", "tiff", "bmp"):
        how = {"compression": "tiff_deflate"} if kind == "tiff" else {"lossless": True} if kind == "webp" else {}
        Image.new("P" if kind == "gif" else "RGB", (2000, 1500)).save(tmp_path / f"a.{kind}", **how)
        small = (tmp_path / f"a.{kind}").stat().st_size < 9 * 10**6 // swelling.RATIO
        assert small == (kind != "bmp")
        for source in (tmp_path / f"a.{kind}", (tmp_path / f"a.{kind}").read_bytes()):
            if small:
                with pytest.raises(DataError, match="unpacks to far more than it holds"):
                    open_picture(source)
            else:
                assert open_picture(source).size == (2000, 1500)


@pytest.mark.parametrize("form", ["parquet", "arrow", "arrow without its values once"])
def test_a_value_that_every_row_repeats_is_not_read_for_each(tmp_path, monkeypatch, form):
    needs("parquet", "pyarrow")
    import pyarrow.ipc
    import pyarrow.parquet

    monkeypatch.setattr(columnar, "AT_ONCE", 4 * MB)
    values = pyarrow.array(["a" * 100_000, "b"]).take(pyarrow.array([0] * 2000))
    plain = form == "arrow without its values once"
    table = pyarrow.table({"label": values if plain or form == "parquet" else values.dictionary_encode()})
    file = tmp_path / f"a.{form.split()[0]}"
    if form == "parquet":
        pyarrow.parquet.write_table(table, file, dictionary_pagesize_limit=10**9)
    else:
        with pyarrow.ipc.new_file(file, table.schema) as stream:
            stream.write_table(table)
    del values, table
    before = pyarrow.total_allocated_bytes()
    with opened_columnar(file, "get it again") as opened:
        if plain:  # the file is as large as what comes out of it
            assert read_columns(opened, file, ["label"]).num_rows == 2000
            return
        with pytest.raises(DataError, match="unpacks to more than"):
            read_columns(opened, file, ["label"])
    assert pyarrow.default_memory_pool().bytes_allocated() - before < 64 * MB


def test_columns_are_read_as_they_are(tmp_path):
    needs("parquet", "pyarrow")
    import pyarrow.parquet

    table = pyarrow.table({"label": [f"{row % 7}" for row in range(1000)], "other": list(range(1000))})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=300)
    with opened_columnar(tmp_path / "a.parquet", "get it again") as opened:
        assert read_columns(opened, tmp_path / "a.parquet", ["label"]).equals(table.select(["label"]))
        assert read_columns(opened, tmp_path / "a.parquet", []).num_columns == 0
