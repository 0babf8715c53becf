"""The forms in which the user's own images or vectors come: class folders, tables, Parquet files, arrays."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from backward_search.errors import DataError, MissingError
from backward_search.images.kinds import kind_of
from backward_search.readers.columnar import ARROW
from backward_search.readers.custom.arrangement import Arrangement, Place, arranged
from backward_search.readers.custom.arrays import read_npz
from backward_search.readers.custom.cells import cleaned
from backward_search.readers.custom.csv_table import read_csv
from backward_search.readers.custom.embedded import is_clip_retrieval, read_beside_table, read_clip_retrieval
from backward_search.readers.custom.listing import Files, Listing, Reading, Roles
from backward_search.readers.custom.names import RESPELT, respelt, unique_keys
from backward_search.readers.custom.parquet import read_parquet
from backward_search.readers.custom.shards import refuse_links, shards_in
from backward_search.readers.folders import walk
from backward_search.readers.outside import is_there, quoted, refuse_outside
from backward_search.storage.naming import text

_SHEET, _PACKED = "export it as CSV UTF-8", "unpack it, and give the folder"
_REMEDIES = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), _SHEET),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"), _PACKED),
    ".npy": "a single array has no labels: pass their table as --source and vectors as --vectors, or save images and "
    "labels together by numpy.savez",
    ".lance": "write it as Parquet",
    ".json": "write its rows as a CSV table",
    ".jsonl": "write its rows as a CSV table",
}
"""What to do with files of other kinds."""


TEXT = (".csv", ".tsv", ".tab", ".txt")
"""How the names of tables of text end."""


def read_listing(source: Path, roles: Roles, reading: Reading) -> Listing:
    """Read what a source lists.

    Raises:
        MissingError: there is no such file or folder.
        DataError: it is in none of the forms, or not as its form demands.
    """
    if not source.exists():
        raise MissingError(f"--source {source} does not exist")
    if reading.vectors:
        return read_beside_table(source, roles, reading)
    if source.is_dir() and source.suffix != ".lance":
        if is_clip_retrieval(source):
            return read_clip_retrieval(source, roles, reading)
        shards = shards_in(source)
        if not shards:
            return read_folder(source, reading.label_levels, allow_outside=reading.allow_outside)
        refuse_links(source, shards, reading)
        return read_parquet(shards, roles, reading, source)
    suffix = source.suffix.lower()
    if suffix in TEXT:
        return read_csv(source, roles, reading)
    if suffix in (".parquet", *ARROW):
        return read_parquet([source], roles, reading)
    if suffix == ".npz":
        return read_npz(source, roles, reading)
    remedy = _REMEDIES.get(suffix, "expected one of these")
    raise DataError(f"--source {source} is none of a folder, a .csv, a .parquet, an .arrow or an .npz file: {remedy}")


def read_folder(source: Path, levels: Sequence[str] = (), *, allow_outside: bool = False) -> Listing:
    """Read a folder of one folder per class, alone or in (or with) folders of the splits; see `arrangement`.

    The class is the first level of folders, called `label`; deeper ones say nothing, unless they are named.

    Args:
        source: the folder.
        levels: the attributes that the levels of folders name, the first first; "-" for a level that names none.
        allow_outside: take images that links lead to outside of it.

    Raises:
        DataError: there is no image, one lies outside, or their folders do not say their classes.
    """
    images: list[PurePosixPath] = []
    left_out: dict[str, list[str]] = {}
    for path in _files_below(source):
        kind = kind_of(source / path)
        if kind is None:
            images.append(path)
        else:
            left_out.setdefault(str(kind), []).append(text(path))
    if not images:
        others = "".join(f"; there are {len(names)} {reason}" for reason, names in left_out.items())
        raise DataError(
            f"no images in --source {source}: expected {source}/<class>/<image> or .../train/<class>/<image>{others}"
        )
    there = [path for path in images if is_there(source / path)]
    names = quoted(map(str, there))
    facts = refuse_outside(source, source, [source / path for path in there], names, allowed=allow_outside)
    found = arranged(source, images)
    for reason, paths in found.left_out.items():
        left_out.setdefault(reason, []).extend(map(text, paths))
    listing = _listing_of(source, found, tuple(levels) or ("label",), left_out)
    listing.facts.update(facts)
    return listing


def _listing_of(source: Path, found: Arrangement, levels: Sequence[str], left_out: dict[str, list[str]]) -> Listing:
    places = [place for place in found.places if len(place.folders) >= len(levels)]
    if len(places) < len(found.places):
        shallow = [text(place.path) for place in found.places if len(place.folders) < len(levels)]
        left_out["images with fewer levels of folders than --label_levels names"] = shallow
    if not places:
        raise DataError(f"no image of --source {source} lies {len(levels)} folders deep: name fewer --label_levels")
    columns = {
        name: [text(place.folders[level]) for place in places] for level, name in enumerate(levels) if name != "-"
    }
    if any(place.split for place in places):
        columns["split"] = [place.split for place in places]
    cells, noted = cleaned(pd.DataFrame(columns, dtype=object), (), numbers=False)
    parts = [_parts(place) for place in places]
    repaired = {"labels written in several ways, taken as one": noted.respelt, RESPELT: respelt(parts)}
    return Listing(
        found.form,
        cells,
        [text(place.path) for place in places],
        unique_keys(parts),
        range(len(places)),
        Files.of([source / place.path for place in places]),
        left_out=left_out,
        repaired={reason: names for reason, names in repaired.items() if names},
    )


def _parts(place: Place) -> tuple[str, ...]:
    """The parts of an image's path, its class last but one, by which its key is made."""
    parts = list(place.path.parts)
    parts.remove(place.folders[0])
    return (*parts[:-1], place.folders[0], parts[-1])


def _files_below(source: Path) -> Iterable[PurePosixPath]:
    """The files below a folder in sorted order, without those that no person put there."""
    for folder, files in walk(source):
        inside = PurePosixPath(folder.relative_to(source).as_posix())
        yield from (inside / name for name in files)
