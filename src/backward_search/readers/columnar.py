"""Parquet and Arrow files, as the Hugging Face libraries write them among others."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backward_search.errors import DataError
from backward_search.storage.swelling import refuse_swollen

FREE_ROWS, DENSEST = 10**7, 10
"""Rows that any Parquet file may have, and how many a larger one has in a byte at most: each image has a name."""
AT_ONCE, MOST_ROWS = 2**28, 65536
"""Bytes, and rows, that are read at once."""
ARROW = (".arrow", ".feather", ".ipc")
"""How the names of Arrow files end."""
_DAMAGE = (UnicodeDecodeError, MemoryError, OverflowError)
"""What damaged files raise beside Arrow's own errors, also while they are read on."""


@dataclass(frozen=True)
class _Size:
    num_rows: int


class _ArrowFile:
    """An Arrow file, mapped into memory, with what is used here of a ParquetFile."""

    def __init__(self, table: Any) -> None:
        self._table, self.schema_arrow, self.metadata = table, table.schema, _Size(table.num_rows)

    def iter_batches(self, batch_size: int, columns: Sequence[str]) -> Iterator[Any]:
        """Some columns, batch by batch; for a part of a record, as `image.path`, all of it, which is not copied."""
        there = self._table.schema.names
        whole = [name if name in there else name.rpartition(".")[0] for name in columns]
        yield from self._table.select(whole).to_batches(max_chunksize=batch_size)


@contextmanager
def opened_columnar(file: Path, remedy: str) -> Iterator[Any]:
    """A Parquet file, or by its ending an Arrow file (IPC file or stream, Feather), open for reading.

    Raises:
        DataError: it cannot be read; the message ends with the remedy.
    """
    if file.suffix.lower() not in ARROW:
        with opened_parquet(file, remedy) as content:
            yield content
        return
    import pyarrow
    import pyarrow.ipc

    try:
        with pyarrow.memory_map(str(file)) as mapped:
            try:
                table = pyarrow.ipc.open_file(mapped).read_all()
            except pyarrow.ArrowInvalid:  # the other form that Arrow files have
                mapped.seek(0)
                table = pyarrow.ipc.open_stream(mapped).read_all()
            table.validate(full=True)
            yield _ArrowFile(table)
    except (OSError, pyarrow.ArrowException, *_DAMAGE) as error:
        raise DataError(f"{file} cannot be read as an Arrow file ({error}): {remedy}") from None


def read_columns(file: Any, source: Path, columns: Sequence[str]) -> Any:
    """Some columns as a table, read piece by piece: a value that is stored once can stand in every row.

    Args:
        file: opened by `opened_columnar`.
        source: where it lies.
        columns: of plain values.

    Raises:
        DataError: they unpack to far more than the file holds.
    """
    import pyarrow

    pieces, unpacked = [], 0
    for piece in file.iter_batches(_rows_at_once(file.metadata, columns), columns=list(columns)):
        unpacked += sum(_size_of(values) for values in piece.columns)
        refuse_swollen(source, unpacked)
        pieces.append(piece)
    wanted = pyarrow.schema([file.schema_arrow.field(name) for name in columns])
    return pyarrow.Table.from_batches(pieces, wanted)


def _rows_at_once(metadata: Any, columns: Sequence[str]) -> int:
    """So many rows that they take at most `AT_ONCE` bytes even if each repeats all that is stored of a column."""
    if isinstance(metadata, _Size):
        return MOST_ROWS
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    chunks = (group.column(number) for group in groups for number in range(group.num_columns))
    stored = [chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns]
    return max(1, min(MOST_ROWS, AT_ONCE // max(1, *stored))) if stored else MOST_ROWS


def _size_of(values: Any) -> int:
    """The bytes of an Arrow array once it is written out."""
    import pyarrow
    import pyarrow.compute

    if not isinstance(values, pyarrow.DictionaryArray):
        return int(values.nbytes)
    kinds = values.dictionary
    if not (pyarrow.types.is_string(kinds.type) or pyarrow.types.is_large_string(kinds.type)):
        return int(values.nbytes)
    each = pyarrow.compute.binary_length(kinds).cast("int64").take(values.indices)
    return int(pyarrow.compute.sum(each).as_py() or 0)


def vector_columns(schema: Any) -> list[str]:
    """The columns of lists of numbers with a fraction: vectors."""
    import pyarrow.types

    def holds(kind: Any) -> bool:
        """Whether a type is such a list, of one length or of any."""
        kind = kind.storage_type if hasattr(kind, "storage_type") else kind
        lists = (pyarrow.types.is_list, pyarrow.types.is_large_list, pyarrow.types.is_fixed_size_list)
        return any(each(kind) for each in lists) and pyarrow.types.is_floating(kind.value_type)

    return [field.name for field in schema if holds(field.type)]


@contextmanager
def opened_parquet(file: Path, remedy: str) -> Iterator[Any]:
    """A Parquet file, open for reading.

    Raises:
        DataError: it cannot be read; the message ends with the remedy.
    """
    import pyarrow  # half a second, and every command that names a data set imports its reader
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file, buffer_size=2**20) as content:  # unbuffered, it holds whole row groups
            rows, size = content.metadata.num_rows, file.stat().st_size
            if rows > FREE_ROWS and rows > DENSEST * size:
                raise DataError(f"{file} has {size} bytes for {rows} rows, as no table of images has: {remedy}")
            yield content
    except (OSError, pyarrow.ArrowException, *_DAMAGE) as error:
        raise DataError(f"{file} cannot be read as a Parquet file ({error}): {remedy}") from None


def class_names(schema: Any) -> dict[str, list[str]]:
    """By column of class ids the names of its classes, which stand in the metadata of the schema; else nothing."""
    metadata: Mapping[bytes, bytes] = schema.metadata or {}
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {
            column: [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict) and "names" in feature
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
