"""The user's own vectors with what a table says of them, and with images where there are some."""

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd

from backward_search.errors import DataError, MissingError
from backward_search.readers.columnar import ARROW, opened_columnar
from backward_search.readers.custom import paths as table_paths
from backward_search.readers.custom.cells import cleaned
from backward_search.readers.custom.columnar_frame import text_columns
from backward_search.readers.custom.delimited import read_delimited
from backward_search.readers.custom.listing import Files, ListedImages, Listing, Reading, Roles
from backward_search.readers.custom.names import digest_of, row_keys, unique_keys
from backward_search.readers.custom.roles import inside, named_as_expected
from backward_search.readers.custom.shards import refuse_links
from backward_search.readers.custom.vectors import ListedVectors, load_vectors
from backward_search.readers.outside import is_there, refuse_outside
from backward_search.storage.naming import folded, storable

CLIP_FOLDER, CLIP_TABLES, CLIP_PATH = "img_emb", "metadata", "image_path"
"""What clip-retrieval calls its folders and its column of paths."""
_NUMBERS = re.compile(r"\d+")


def is_clip_retrieval(folder: Path) -> bool:
    """Whether a folder is what clip-retrieval's `inference` writes."""
    return (folder / CLIP_FOLDER).is_dir()


def read_clip_retrieval(folder: Path, roles: Roles, reading: Reading) -> Listing:
    """Read `img_emb/img_emb_0.npy`, ... with `metadata/metadata_0.parquet`, ..., row by row together.

    Raises:
        DataError: a file is missing or damaged, or one has other rows than its partner.
    """
    arrays, tables = _numbered(folder / CLIP_FOLDER, "*.npy"), _numbered(folder / CLIP_TABLES, "*.parquet")
    if not arrays or arrays.keys() != tables.keys():
        raise DataError(
            f"{folder} holds {len(arrays)} files in {CLIP_FOLDER}/ and {len(tables)} in {CLIP_TABLES}/: expected a "
            ".parquet for each .npy, of the same number; a table of another kind goes with --vectors"
        )
    refuse_links(folder, [*arrays.values(), *tables.values()], reading)
    order = sorted(arrays)
    vectors = load_vectors([arrays[number] for number in order])
    frames = []
    for number, part in zip(order, vectors.parts, strict=True):
        frames.append(_table(tables[number], reading))
        if len(frames[-1]) != len(part):
            raise DataError(
                f"{tables[number]} has {len(frames[-1])} rows and {arrays[number]} {len(part)} vectors: write both anew"
            )
    frame = pd.concat(frames, ignore_index=True)
    if roles.path not in frame and CLIP_PATH in frame:
        frame = frame.rename(columns={CLIP_PATH: roles.path})
    inputs = {f"{file.parent.name}/{file.name}": file for file in (*arrays.values(), *tables.values())}
    return listing_of_vectors("clip-retrieval", folder / CLIP_TABLES, frame, vectors, roles, reading, inputs=inputs)


def _numbers(file: Path) -> tuple[int, ...]:
    """The numbers in a file's name, by which 10 comes after 9."""
    return tuple(int(word) for word in _NUMBERS.findall(file.stem))


def _numbered(folder: Path, pattern: str) -> dict[tuple[int, ...], Path]:
    """The files of a folder by the numbers in their names.

    Raises:
        DataError: two have the same.
    """
    found: dict[tuple[int, ...], Path] = {}
    for file in sorted(folder.glob(pattern)):
        other = found.setdefault(_numbers(file), file)
        if other is not file:
            raise DataError(f"{folder} has {other.name} and {file.name}: expected names that differ by a number")
    return found


def read_beside_table(source: Path, roles: Roles, reading: Reading) -> Listing:
    """Read a table, and the vectors that stand in the same order in `--vectors`: a `.npy` file, or a folder of such.

    Raises:
        MissingError: there are no vectors.
        DataError: they are not as many as the rows, or one of the two cannot be read.
    """
    place = Path(reading.vectors)
    if not place.exists():
        raise MissingError(f"--vectors {place} does not exist")
    files = [file for _, file in sorted(_numbered(place, "*.npy").items())] if place.is_dir() else [place]
    if not files:
        raise DataError(f"--vectors {place} holds no .npy file")
    if place.is_dir():
        refuse_links(place, files, reading)
    vectors = load_vectors(files)
    frame = _table(source, reading, len(vectors))
    if len(frame) != len(vectors):
        raise DataError(
            f"{source} has {len(frame)} rows, and --vectors {place} {len(vectors)} vectors: expected one for each row, "
            "in the same order"
        )
    inputs = {source.name: source, **{file.name: file for file in files}}
    listing = listing_of_vectors("table beside vectors", source, frame, vectors, roles, reading, inputs=inputs)
    if len(files) > 1:
        listing.facts["vectors"] = f"{len(files)} files, in the order {files[0].name}, {files[1].name}, ..."
    return listing


def _table(source: Path, reading: Reading, count: int = -1) -> pd.DataFrame:
    """All rows of a table as text; of a text empty lines too, where there are then so many as are wanted."""
    if source.suffix.lower() in (".parquet", *ARROW):
        with opened_columnar(source, "replace it") as file:
            return text_columns(file, source, leave=())[0]
    if source.suffix.lower() not in (".csv", ".tsv", ".tab", ".txt"):
        raise DataError(
            f"--source {source} is no table: beside --vectors goes a .csv, .parquet or .arrow file of labels"
        )
    whole = read_delimited(source, reading.encoding, keep_empty=True).frame
    return whole if len(whole) == count else read_delimited(source, reading.encoding).frame


def listing_of_vectors(
    form: str,
    source: Path,
    frame: pd.DataFrame,
    vectors: ListedVectors,
    roles: Roles,
    reading: Reading,
    *,
    images: ListedImages | None = None,
    suffix: str = "",
    inputs: dict[str, Path] | None = None,
) -> Listing:
    """The listing of vectors with a row of text for each; rows whose vector says nothing are left out.

    Args:
        form: what the source was recognised as.
        source: the table; paths in it begin at its folder.
        frame: its rows.
        vectors: as many.
        roles: which column says what.
        reading: how the source is read.
        images: the images of the rows, where they do not lie in files.
        suffix: how their names end.
        inputs: the files that it depends on.

    Raises:
        DataError: names are missing or stand twice, or an image lies outside.
    """
    if len(frame) != len(vectors):
        raise DataError(f"{source} has {len(frame)} rows and {len(vectors)} vectors: expected one for each row")
    cells, noted = cleaned(named_as_expected(frame, roles), reading.missing_words, kept=(roles.path,))
    rows = np.arange(len(cells))
    faulty = vectors.faulty()
    left_out = {reason: [f"row {row}" for row in found] for reason, found in faulty.items()}
    gone = {row for found in faulty.values() for row in found}
    keys, files = _names(source, cells, roles, reading, suffix)
    outside = _refuse_outside(source, files or [], reading)
    names = [f"row {row}" for row in rows.tolist()] if files is None else [str(file) for file in files]
    whole = Listing(
        f"{form}, vectors of {vectors.width}",
        cells.drop(columns=[name for name in (roles.path, reading.key_column) if name in cells]),
        names,
        keys,
        range(len(cells)),
        images or (None if files is None else Files.of(files)),
        inputs=dict(inputs or {}),
        left_out=left_out,
        repaired={"labels written in several ways, taken as one": noted.respelt} if noted.respelt else {},
        facts=noted.facts() | outside,
        vectors=vectors,
    )
    return whole.take([row for row in rows.tolist() if row not in gone]) if gone else whole


def _refuse_outside(source: Path, files: list[Path], reading: Reading) -> dict[str, str]:
    """Images beside vectors may not lie outside of the table's folder; see `refuse_outside`."""
    there = [(row, file) for row, file in enumerate(files) if is_there(file)]
    names = [f"{str(file)!r} of row {row}" for row, file in there]
    return refuse_outside(source, source.parent, [file for _, file in there], names, allowed=reading.allow_outside)


def _names(
    source: Path, cells: pd.DataFrame, roles: Roles, reading: Reading, suffix: str
) -> tuple[list[str], list[Path] | None]:
    """The keys of the rows, and the files of their images, where the table names such.

    Raises:
        DataError: a name is missing or stands twice.
    """
    files = None
    if reading.path_template or roles.path in cells:
        template = reading.path_template
        written = table_paths.by_template(source, cells, template) if template else cells[roles.path].tolist()
        paths, disk = [table_paths.plain_path(text) for text in written], table_paths.Disk(source.parent)
        files = [disk.find(path) or disk.at(path) if path else source.parent / "" for path in paths]
    if reading.key_column:
        return _own_keys(source, cells, reading.key_column, suffix if files is None else ".png"), files
    if files is None:
        return row_keys(len(cells), suffix), None
    parts = [inside(path) or ("row", str(row)) for row, path in enumerate(paths)]
    if len(set(parts)) < len(parts):  # several vectors of an image: the row tells them apart
        parts = [(*part[:-1], f"{row}", part[-1]) for row, part in enumerate(parts)]
    return unique_keys(parts), files


def _own_keys(source: Path, cells: pd.DataFrame, column: str, suffix: str) -> list[str]:
    if column not in cells:
        raise DataError(f"--key_column {column}: {source} has no such column: found {', '.join(cells.columns)}")
    names = cells[column].tolist()
    twice = pd.Series(names)[pd.Series(names).duplicated()].tolist()
    if twice or "" in names:
        what = "is empty in a row" if "" in names else f"has {twice[0]} twice"
        raise DataError(f"--key_column {column} of {source} {what}: expected a name of its own for each row")
    stored = pd.Series([storable(name.replace("/", "_")) for name in names], dtype=object)
    for attempt in itertools.count(1):  # told apart by what was respelt
        alike = np.flatnonzero(stored.map(folded).duplicated(keep=False)).tolist()
        if not alike:
            break
        for row in alike:
            stored[row] = f"{storable(names[row].replace('/', '_'))}-{digest_of(names[row], row, attempt)}"
    return [f"{storable(column)}/{name}{suffix}" for name in stored]
