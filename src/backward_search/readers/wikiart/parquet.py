"""WikiArt in Parquet files, as on the Hugging Face Hub: images as bytes, labels as class ids, no file names."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backward_search.data.report import Findings
from backward_search.errors import DataError, MissingError
from backward_search.images.writing import ImageJob
from backward_search.readers.columnar import class_names, opened_parquet, read_columns
from backward_search.readers.wikiart.labels import STYLES, artist_label, genre_label, style_label
from backward_search.readers.wikiart.rows import HUB, IMAGES, REMEDY, Form, Rows

_AGAIN = f"fetch it again from {HUB}"
_NOT_SHARDS = ("images", "images_raw", "attributes", "attributions", *STYLES)
_NUMBERED = re.compile(r"(.*)-(\d+)-of-(\d+)")
_COLUMNS = {"artist": artist_label, "genre": genre_label, "style": style_label}
_BATCH = 16  # images held in memory at a time


def find_shards(folder: Path) -> Form | None:
    """The form in Parquet files, wherever they lie below `data/wikiart/`; None where there are none.

    Raises:
        MissingError: only some of the numbered files are there.
    """
    inside = sorted(path for path in folder.glob("*") if path.is_dir() and path.name not in _NOT_SHARDS)
    homes = [folder, *(home for path in inside for home in (path, path / "data"))]
    shards = next((found for home in homes if (found := sorted(home.glob("*.parquet")))), [])
    if not shards:
        return None
    _refuse_parts(shards)
    size = sum(shard.stat().st_size for shard in shards)
    return Form(
        f"{len(shards)} Parquet files",
        inputs={},  # tens of gigabytes, too much to read for a checksum
        read=lambda findings: read_rows(shards, findings),
        shards=tuple(shards),
        settings={"shards": f"{len(shards)} files, {size} bytes"},
    )


def _refuse_parts(shards: Sequence[Path]) -> None:
    """Images are named by their row, so that a file that comes later would give others their names."""
    numbered = [match for shard in shards if (match := _NUMBERED.fullmatch(shard.stem))]
    there = {int(match[2]) for match in numbered}
    missing = sorted(set(range(max((int(match[3]) for match in numbered), default=0))) - there)
    if missing:
        first = numbered[0]
        absent = f"{first[1]}-{missing[0]:0{len(first[2])}d}-of-{first[3]}.parquet"
        raise MissingError(
            f"{len(missing)} of {int(first[3])} Parquet files are missing in {shards[0].parent}, such as {absent}: "
            f"get them from {HUB}, or pass --download True"
        )


def read_rows(shards: Sequence[Path], findings: Findings) -> Rows:
    """The rows of all files in order; images are named `<style>/<row>.jpg`, as they have no names of their own.

    Raises:
        DataError: a file is damaged, lacks a column or the names of its classes, or has an id without a name.
    """
    labels: dict[str, list[str]] = {column: [] for column in _COLUMNS}
    for shard in shards:
        for column, found in _labels(shard).items():
            labels[column].extend(found)
    findings.expect("rows", IMAGES, len(labels["style"]))
    keys = [f"{style}/{row}.jpg" for row, style in enumerate(labels["style"])]
    return Rows(keys, labels["artist"], labels["genre"], labels["style"])


def _labels(shard: Path) -> dict[str, list[str]]:
    with opened_parquet(shard, _AGAIN) as file:
        schema = file.schema_arrow
        wanted = ("image", *_COLUMNS)
        if absent := [column for column in wanted if column not in schema.names]:
            raise DataError(
                f"{shard} has the columns {', '.join(schema.names)}, expected {', '.join(wanted)}; "
                f"there is no {absent[0]}: {REMEDY}"
            )
        names = class_names(schema)
        if not names.keys() >= _COLUMNS.keys():
            raise DataError(
                f"{shard} does not name the classes of {', '.join(_COLUMNS)} in its metadata ('huggingface'): {_AGAIN}"
            )
        _check_types(shard, schema)
        table = read_columns(file, shard, list(_COLUMNS))
        labels = {}
        for column, label in _COLUMNS.items():
            known = [label(name) for name in names[column]]
            ids = np.array(table.column(column).fill_null(-1).to_pylist(), dtype=np.int64)
            strange = ids[(ids < 0) | (ids >= len(known))]
            if strange.size:
                raise DataError(f"{shard} has the {column} {strange[0]}, expected 0 to {len(known) - 1}: {_AGAIN}")
            labels[column] = [known[number] for number in ids.tolist()]
    return labels


def _check_types(shard: Path, schema: Any) -> None:
    """Refuse class ids that are no whole numbers, and images that are no bytes.

    Raises:
        DataError: there are such.
    """
    import pyarrow.types

    for column in _COLUMNS:
        if not pyarrow.types.is_integer(schema.field(column).type):
            raise DataError(f"{shard} has {column} of {schema.field(column).type}, expected class ids: {_AGAIN}")
    kind = schema.field("image").type
    if pyarrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    if not (pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)):
        raise DataError(f"{shard} has images of {kind}, expected bytes: {_AGAIN}")


def image_jobs(shards: Sequence[Path], targets: Mapping[int, Path], short_side: int) -> Iterator[ImageJob]:
    """What is to be made of the images of some rows, read as it is asked for.

    Args:
        shards: the files in order.
        targets: by row, over all files, where its image goes.
        short_side: its short side in pixels.
    """
    row = 0
    for shard in shards:
        with opened_parquet(shard, _AGAIN) as file:
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                if not targets.keys().isdisjoint(range(row, row + count)):
                    yield from _group_jobs(file, group, row, targets, short_side)
                row += count


def _group_jobs(file: Any, group: int, row: int, targets: Mapping[int, Path], short_side: int) -> Iterator[ImageJob]:
    for batch in file.iter_batches(_BATCH, row_groups=[group], columns=["image"]):
        for image in batch.column("image"):
            if row in targets:
                content = image.as_py()
                if isinstance(content, dict):
                    content = content["bytes"]
                target = targets[row]
                yield ImageJob(row, f"{target.parent.name}/{target.name}", content or b"", target, None, short_side)
            row += 1
