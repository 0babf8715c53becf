"""The user's own images in Parquet files: as bytes, as the Hugging Face libraries write them, or as paths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import pandas as pd

from backward_search.errors import DataError
from backward_search.readers.custom.cells import cleaned
from backward_search.readers.custom.csv_table import listing_of_paths, named_as_expected
from backward_search.readers.custom.listing import Content, Listing, Reading, Roles
from backward_search.readers.custom.names import column_text, row_keys
from backward_search.readers.custom.shards import incomplete, split_of
from backward_search.readers.parquet_files import class_names, opened_parquet

BATCH = 64
"""Images held in memory at a time."""
IMAGE_COLUMNS = ("image", "img")
"""What a column of images is called, unless it is the only one of bytes."""
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class EncodedImages:
    """Images as bytes in a column of Parquet files.

    Attributes:
        files: the files, one after the other.
        counts: the rows of each.
        column: bytes, or {bytes, path}.
    """

    files: Sequence[Path]
    counts: Sequence[int]
    column: str

    def contents(self, rows: Sequence[int]) -> Iterator[Content]:
        """The images of some rows in ascending order, read as they are asked for."""
        ends = list(accumulate(self.counts))
        for file, count, end in zip(self.files, self.counts, ends, strict=True):
            own = [row - end + count for row in rows if end - count <= row < end]
            if own:
                yield from self._of(file, own)

    def _of(self, source: Path, rows: Sequence[int]) -> Iterator[Content]:
        wanted = iter(rows)
        following = next(wanted, None)
        with opened_parquet(source, "replace it") as file:
            for row, content in enumerate(_images(file, self.column)):
                if following is None:
                    return
                if row == following:
                    yield source.parent / content if isinstance(content, str) else content
                    following = next(wanted, None)


@dataclass(frozen=True)
class _Read:
    """What one file says beside its images.

    Attributes:
        frame: its columns as text.
        columns: the names of all of its columns.
        image: the column of images; "" where it has paths.
        suffix: of the files to write.
        ignored: columns that hold no labels.
    """

    frame: pd.DataFrame
    columns: tuple[str, ...]
    image: str
    suffix: str
    ignored: list[str]


def read_parquet(files: Sequence[Path], roles: Roles, reading: Reading) -> Listing:
    """Read Parquet files with a column of paths, or of images as bytes or as {bytes, path}.

    Several are the shards of one data set; where each says its split by its name, that is the split.

    Raises:
        DataError: one cannot be read, they have no rows or no column of images, or their columns differ.
    """
    parts = [_read(file, roles) for file in files]
    first = parts[0]
    for file, part in zip(files, parts, strict=True):
        if part.columns != first.columns:
            raise DataError(
                f"{file} has the columns {', '.join(part.columns)}, {files[0].name} has {', '.join(first.columns)}: "
                "expected shards of one data set"
            )
    frame = pd.concat([part.frame for part in parts], ignore_index=True)
    if frame.empty and not sum(len(part.frame) for part in parts):
        raise DataError(f"{files[0]} has no rows: expected one for each image")
    splits = [split_of(file) for file in files]
    if roles.split not in frame and all(splits) and len(set(splits)) > 1:
        frame[roles.split] = [split for split, part in zip(splits, parts, strict=True) for _ in range(len(part.frame))]
    return _listing(files, parts, frame, roles, reading)


def _listing(files: Sequence[Path], parts: list[_Read], frame: pd.DataFrame, roles: Roles, reading: Reading) -> Listing:
    first, counts = parts[0], [len(part.frame) for part in parts]
    if not first.image or reading.path_template:
        listing = listing_of_paths("Parquet table of paths", files[0], frame, roles, reading)
    else:
        cells, noted = cleaned(named_as_expected(frame, roles), reading.missing_words)
        listing = Listing(
            f"Parquet file, images in {first.image!r}",
            cells,
            [f"row {row}" for row in range(len(frame))],
            row_keys(len(frame), next((part.suffix for part in parts if part.suffix), ".png")),
            range(len(frame)),
            EncodedImages(files, counts, first.image),
            repaired={"labels written in several ways, taken as one": noted.respelt} if noted.respelt else {},
            facts=noted.facts(),
        )
    listing.inputs.update({file.name if len(files) == 1 else f"{file.parent.name}/{file.name}": file for file in files})
    if len(files) > 1:
        listing.facts["shards"] = (
            f"{len(files)}, of {', '.join(dict.fromkeys(split_of(file) or 'all' for file in files))}"
        )
    if missing := incomplete(files):
        listing.facts["WARNING: shards"] = missing
    if first.ignored:
        listing.left_out["columns that hold no labels"] = first.ignored
    return listing


def _read(source: Path, roles: Roles) -> _Read:
    with opened_parquet(source, "replace it") as file:
        schema = file.schema_arrow
        image = _image_column(source, schema, roles)
        rest = [field for field in schema if field.name != image and not field.name.startswith("__index_level_")]
        ignored = [field.name for field in rest if _holds_bytes(field.type) or "struct<" in str(field.type)]
        plain = [field.name for field in rest if field.name not in ignored]
        table = file.read(columns=plain)
        columns = {name: column_text(pd.Series(table.column(name).to_pylist(), dtype=object)) for name in plain}
        frame = pd.DataFrame(columns, index=range(file.metadata.num_rows))
        suffix = _suffix(file, image) if image else ""
    for column, names in class_names(schema).items():
        if column in frame:
            known = {str(number): label for number, label in enumerate(names)}
            frame[column] = [known.get(number, "") for number in frame[column]]
    return _Read(frame, tuple(field.name for field in schema), image, suffix, ignored)


def _image_column(source: Path, schema: Any, roles: Roles) -> str:
    """The column of bytes; empty text for a file that has paths instead."""
    found = {field.name: _holds_bytes(field.type) for field in schema}
    of_bytes = [name for name, holds in found.items() if holds]
    usual = next((name for name in IMAGE_COLUMNS if name in of_bytes), of_bytes[0] if len(of_bytes) == 1 else "")
    wanted = roles.image or ("" if roles.path in found and roles.path not in of_bytes else usual or "image")
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
