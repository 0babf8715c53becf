"""The user's own images in Parquet or Arrow files: as bytes, as the Hugging Face libraries write them, or as paths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backward_search.errors import DataError
from backward_search.readers.columnar import opened_columnar, vector_columns
from backward_search.readers.custom.cells import cleaned
from backward_search.readers.custom.columnar_frame import holds_bytes, text_columns
from backward_search.readers.custom.csv_table import listing_of_paths
from backward_search.readers.custom.embedded import listing_of_vectors
from backward_search.readers.custom.listing import Content, Listing, Reading, Roles
from backward_search.readers.custom.names import row_keys
from backward_search.readers.custom.roles import named_as_expected
from backward_search.readers.custom.shards import incomplete, split_of
from backward_search.readers.custom.vectors import BLOCK, column_vectors, stacked
from backward_search.readers.outside import Bounds, is_there, refuse_these

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
        with opened_columnar(source, "replace it") as file:
            for row, content in enumerate(_images(file, self.column)):
                if following is None:
                    return
                if row == following:
                    yield source.parent / content if isinstance(content, str) else content
                    following = next(wanted, None)

    def outside(self, home: Path) -> list[int]:
        """The rows that have no bytes, and name a file outside of a folder."""
        bounds, start, found = Bounds(home), 0, []
        for file, count in zip(self.files, self.counts, strict=True):
            with opened_columnar(file, "replace it") as opened:
                places = [(row, file.parent / path) for row, path in enumerate(_named(opened, self.column)) if path]
            rows = [row for row, place in places if is_there(place) and not bounds.holds(place)]
            contents = self._of(file, rows) if rows else ()  # where there are bytes, the path says nothing
            found += [start + row for row, content in zip(rows, contents, strict=True) if isinstance(content, Path)]
            start += count
        return found


@dataclass(frozen=True)
class _Read:
    """What one file says beside its images.

    Attributes:
        frame: its columns as text.
        columns: the names of all of its columns.
        image: the column of images; "" where it has paths.
        suffix: of the files to write.
        ignored: columns that hold no labels.
        vectors: those of the rows (N, d); None where the images count.
    """

    frame: pd.DataFrame
    columns: tuple[str, ...]
    image: str
    suffix: str
    ignored: list[str]
    vectors: np.ndarray | None = None


def read_parquet(files: Sequence[Path], roles: Roles, reading: Reading, home: Path | None = None) -> Listing:
    """Read Parquet files with a column of paths, or of images as bytes or as {bytes, path}.

    Several are the shards of one data set; where each says its split by its name, that is the split.

    Args:
        files: the files, in order.
        roles: which column says what.
        reading: how they are read.
        home: the folder out of which no path may lead; that of the first file, where none is given.

    Raises:
        DataError: one cannot be read, they have no rows or no column of images, their columns differ, or a path leads
            out.
    """
    parts = [_read(file, roles, reading) for file in files]
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
    return _listing(files, parts, frame, roles, reading, home or files[0].parent)


def _listing(
    files: Sequence[Path], parts: list[_Read], frame: pd.DataFrame, roles: Roles, reading: Reading, home: Path
) -> Listing:
    first, counts = parts[0], [len(part.frame) for part in parts]
    encoded = EncodedImages(files, counts, first.image) if first.image and not reading.path_template else None
    away = [f"that of row {row}" for row in encoded.outside(home)] if encoded else []
    outside = refuse_these(files[0], home, away, len(frame), allowed=reading.allow_outside)
    arrays = [part.vectors for part in parts if part.vectors is not None]
    if arrays:
        images = EncodedImages(files, counts, first.image) if first.image else None
        suffix = next((part.suffix for part in parts if part.suffix), ".png") if images else ""
        vectors = stacked(arrays, [str(file) for file in files])
        listing = listing_of_vectors("columns", files[0], frame, vectors, roles, reading, images=images, suffix=suffix)
    elif not first.image or reading.path_template:
        listing = listing_of_paths("Parquet table of paths", files[0], frame, roles, reading, home)
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
    listing.facts.update(outside)
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


def _read(source: Path, roles: Roles, reading: Reading) -> _Read:
    with opened_columnar(source, "replace it") as file:
        schema = file.schema_arrow
        column = _vector_column(source, schema, roles, reading)
        image = _image_column(source, schema, roles, needed=not column)
        frame, ignored = text_columns(file, source, leave=(image, column))
        suffix = _suffix(file, image) if image else ""
        vectors = column_vectors(source, file, column) if column else None
    return _Read(frame, tuple(field.name for field in schema), image, suffix, ignored, vectors)


def _vector_column(source: Path, schema: Any, roles: Roles, reading: Reading) -> str:
    """The column of vectors that stand for the images; empty text where the images count."""
    found = vector_columns(schema)
    if reading.vector_column == "-" or (not reading.vector_column and roles.image):
        return ""
    if reading.vector_column:
        if reading.vector_column not in found:
            raise DataError(
                f"--vector_column {reading.vector_column}: {source} has no such column of lists of numbers: "
                f"found {', '.join(found) or 'none'}"
            )
        return reading.vector_column
    if any(holds_bytes(field.type) for field in schema):
        return ""
    if len(found) > 1:
        raise DataError(f"{source} has several columns of vectors, {', '.join(found)}: name one with --vector_column")
    return found[0] if found else ""


def _image_column(source: Path, schema: Any, roles: Roles, *, needed: bool) -> str:
    """The column of bytes; empty text for a file that has paths instead, or no images where none are needed."""
    found = {field.name: holds_bytes(field.type) for field in schema}
    of_bytes = [name for name, holds in found.items() if holds]
    usual = next((name for name in IMAGE_COLUMNS if name in of_bytes), of_bytes[0] if len(of_bytes) == 1 else "")
    usual = usual or ("image" if needed else "")
    wanted = roles.image or ("" if roles.path in found and roles.path not in of_bytes else usual)
    if wanted and not found.get(wanted, False):
        what = "holds no bytes" if wanted in found else "is not there"
        raise DataError(
            f"{source} has the columns {', '.join(found)}, and {wanted} {what}: name the column of the images with "
            "--image_column, or that of their paths with --path_column"
        )
    return wanted


def _suffix(file: Any, image: str) -> str:
    """The kind of files to write: that of the first image, JPEG or else PNG."""
    for content in _images(file, image):
        if isinstance(content, bytes) and content:
            return ".jpg" if content.startswith(_JPEG) else ".png"
    return ".png"


def _named(file: Any, column: str) -> Iterator[str]:
    """The path in each record of a column of {bytes, path}, without its bytes; "" where there is none."""
    kind = file.schema_arrow.field(column).type
    if not str(kind).startswith("struct") or kind.get_field_index("path") < 0:
        return
    for batch in file.iter_batches(BLOCK, columns=[f"{column}.path"]):
        yield from (path or "" for path in batch.column(0).field("path").to_pylist())


def _images(file: Any, column: str) -> Iterator[bytes | str]:
    for batch in file.iter_batches(BATCH, columns=[column]):
        for value in batch.column(0).to_pylist():
            if isinstance(value, dict):
                value = value.get("bytes") or value.get("path")
            yield value or b""
