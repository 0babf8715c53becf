"""What a Parquet or Arrow file of the user's says in columns of plain values, as text."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from backward_search.readers.columnar import class_names, read_columns, vector_columns
from backward_search.readers.custom.names import column_text


def text_columns(file: Any, source: Path, leave: Collection[str]) -> tuple[pd.DataFrame, list[str]]:
    """The columns of a file as text, and the names of those that hold no labels: bytes, records and vectors.

    Class ids whose names stand in the schema's metadata become those names.

    Args:
        file: opened by `columnar.opened_columnar`.
        source: where it lies.
        leave: columns that are of no interest.
    """
    schema = file.schema_arrow
    vectors = vector_columns(schema)
    rest = [field for field in schema if field.name not in leave and not field.name.startswith("__index_level_")]
    ignored = [
        field.name for field in rest if field.name in vectors or holds_bytes(field.type) or "struct<" in str(field.type)
    ]
    plain = [field.name for field in rest if field.name not in ignored]
    table = read_columns(file, source, plain)
    columns = {name: column_text(pd.Series(table.column(name).to_pylist(), dtype=object)) for name in plain}
    frame = pd.DataFrame(columns, index=range(file.metadata.num_rows))
    for column, names in class_names(schema).items():
        if column in frame:
            known = {str(number): label for number, label in enumerate(names)}
            frame[column] = [known.get(number, "") for number in frame[column]]
    return frame, ignored


def holds_bytes(kind: Any) -> bool:
    """Whether a column of this type holds images: bytes, or records with such."""
    text = str(kind)
    return text.startswith(("binary", "large_binary")) or (text.startswith("struct") and "bytes: " in text)
