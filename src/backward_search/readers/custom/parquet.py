"""The user's own images in a Parquet file: as bytes, as the Hugging Face libraries write them, or as paths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from backward_search.errors import DataError
from backward_search.readers.custom.csv_table import listing_of_paths
from backward_search.readers.custom.listing import Content, Listing, Roles
from backward_search.readers.custom.names import column_text, row_keys
from backward_search.readers.parquet_files import class_names, opened_parquet

BATCH = 64
"""Images held in memory at a time."""
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class EncodedImages:
    """Images as bytes in a column of a Parquet file.

    Attributes:
        source: the file.
        column: bytes, or {bytes, path}.
    """

    source: Path
    column: str

    def contents(self, rows: Sequence[int]) -> Iterator[Content]:
        """The images of some rows in ascending order, read as they are asked for."""
        wanted = iter(rows)
        following = next(wanted, None)
        with opened_parquet(self.source, "replace it") as file:
            for row, content in enumerate(_images(file, self.column)):
                if following is None:
                    return
                if row == following:
                    yield self.source.parent / content if isinstance(content, str) else content
                    following = next(wanted, None)


def read_parquet(source: Path, roles: Roles) -> Listing:
    """Read a Parquet file with a column of paths, or of images as bytes or as {bytes, path}.

    Raises:
        DataError: it cannot be read, has no rows, or no column of images.
    """
    with opened_parquet(source, "replace it") as file:
        schema = file.schema_arrow
        image = _image_column(source, schema, roles)
        plain = [field.name for field in schema if field.name != image and not _holds_bytes(field.type)]
        table = file.read(columns=plain)
        frame = pd.DataFrame({name: column_text(pd.Series(table.column(name).to_pylist())) for name in plain})
        count = file.metadata.num_rows
        suffix = _suffix(file, image) if image else ""
    for column, names in class_names(schema).items():
        if column in frame:
            known = {str(number): label for number, label in enumerate(names)}
            frame[column] = [known.get(number, "") for number in frame[column]]
    if not image:
        return listing_of_paths("Parquet table of paths", source, frame, roles)
    return Listing(
        f"Parquet file, images in {image!r}",
        frame,
        [f"row {row}" for row in range(count)],
        row_keys(count, suffix),
        range(count),
        EncodedImages(source, image),
        inputs={source.name: source},
    )


def _image_column(source: Path, schema: Any, roles: Roles) -> str:
    """The column of bytes; empty text for a file that has paths instead."""
    found = {field.name: _holds_bytes(field.type) for field in schema}
    wanted = roles.image or ("" if roles.path in found else "image")
    if wanted and not found.get(wanted, False):
        what = "holds no bytes" if wanted in found else "is not there"
        raise DataError(
            f"{source} has the columns {', '.join(found)}, and {wanted} {what}: name the column of the images with "
            "--image_column, or that of their paths with --path_column"
        )
    return wanted


def _holds_bytes(kind: Any) -> bool:
    text = str(kind)
    return text.startswith(("binary", "large_binary")) or (text.startswith("struct") and "bytes: " in text)


def _suffix(file: Any, image: str) -> str:
    """The kind of files to write: that of the first image, JPEG or else PNG."""
    for content in _images(file, image):
        if isinstance(content, bytes) and content:
            return ".jpg" if content.startswith(_JPEG) else ".png"
    return ".png"


def _images(file: Any, column: str) -> Iterator[bytes | str]:
    for batch in file.iter_batches(BATCH, columns=[column]):
        for value in batch.column(0).to_pylist():
            if isinstance(value, dict):
                value = value.get("bytes") or value.get("path")
            yield value or b""
