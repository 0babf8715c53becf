"""Parquet files, as the Hugging Face libraries write them among others."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backward_search.errors import DataError


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
            yield content
    except (OSError, pyarrow.ArrowException) as error:
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
