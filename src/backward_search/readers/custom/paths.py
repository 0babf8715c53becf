"""The files that the paths of a table mean, however they are written; and what would name files where they do not."""

import posixpath
import string
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pandas as pd

from backward_search.errors import DataError, OptionError
from backward_search.images.kinds import SUFFIXES
from backward_search.readers.folders import walk
from backward_search.readers.outside import is_there
from backward_search.storage.naming import folded

FOLDERS_LOOKED_AT = 200
"""Folders beside a table that are searched for what its columns could name."""


class Disk:
    """Files below a folder, found whatever the case and Unicode form of their names, and without their ending."""

    def __init__(self, root: Path) -> None:
        """Of paths that are relative to a folder, unless they are absolute."""
        self._root = root
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, path: str) -> Path | None:
        """The file that a path means: as it is written, else with its escapes (`%20`) read, else spelt otherwise.

        None where there is none, or several.
        """
        plain = self.at(path)
        if is_there(plain):
            return plain
        for text in dict.fromkeys((path, unquote(path))):
            try:
                found = self._spelt(text)
            except (OSError, ValueError):  # a folder that must not be read, a name that is too long, a character 0
                continue
            if found is not None and is_there(found):
                return found
        return None

    def at(self, path: str) -> Path:
        """Where a path leads as it is written."""
        return self._root / path

    def _spelt(self, path: str) -> Path | None:
        place = Path(path[:1]) if path.startswith("/") else self._root
        for part in (part for part in path.split("/") if part not in ("", ".")):
            if part == ".." or (place / part).exists():
                place = place / part
                continue
            alike = self._names(place).get(folded(part), [])
            if len(alike) != 1:
                return None
            place = place / alike[0]
        return place

    def _names(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listed:
            names: dict[str, list[str]] = {}
            for name in sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []:
                names.setdefault(folded(name), []).append(name)
                if PurePosixPath(name).suffix.lower() in SUFFIXES:
                    names.setdefault(folded(PurePosixPath(name).stem), []).append(name)
            self._listed[folder] = names
        return self._listed[folder]


def plain_path(text: str) -> str:
    r"""A path of a table with slashes, without `./` and `file://`.

    >>> plain_path(".\\img\\a.jpg"), plain_path("file:///data/a%20b.jpg")
    ('img/a.jpg', '/data/a b.jpg')
    """
    if text.lower().startswith("file:"):
        text = unquote(urlsplit(text).path)
    text = text.replace("\\", "/")
    return posixpath.normpath(text) if text else text


def by_template(source: Path, frame: pd.DataFrame, template: str) -> list[str]:
    """The path of each row by a template such as `images/{id}.jpg`; empty where a column that it names is.

    Raises:
        OptionError: it names no column of the table.
    """
    try:
        fields = columns_of(template)
    except ValueError as error:
        raise OptionError(f"--path_template {template}: {error}") from None
    unknown = next((name for name in fields if name not in frame.columns), None)
    if unknown is not None or not fields:
        what = f"{source} has no column {unknown!r}" if unknown is not None else "names no column in braces"
        raise OptionError(f"--path_template {template}: {what}: found {', '.join(frame.columns)}")
    rows = frame[fields].to_dict("records")
    return [template.format_map(row) if all(row.values()) else "" for row in rows]


def columns_of(template: str) -> list[str]:
    """The columns that a template names, each once.

    Raises:
        ValueError: a brace stands alone.
    """
    return list(dict.fromkeys(name for _, name, _, _ in string.Formatter().parse(template) if name is not None))


def refuse_addresses(source: Path, paths: Sequence[str]) -> None:
    """Refuse addresses on the web.

    Raises:
        DataError: there is one.
    """
    address = next((path for path in paths if path.lower().startswith(("http://", "https://", "s3://", "gs://"))), None)
    if address is not None:
        raise DataError(f"{source} names images on the web, such as {address}: download them, and name their files")


def refuse_none_found(source: Path, paths: Sequence[str], frame: pd.DataFrame) -> None:
    """Say that no path of a table names a file, and what would.

    Raises:
        DataError: always.
    """
    remedy = (_shorter(source, paths) if paths else "") or proposal(source, frame)
    raise DataError(
        f"none of the {len(paths)} images of {source} exists{f', such as {paths[0]}' if paths else ''}: "
        + (remedy or "expected paths relative to the table's folder, or absolute")
    )


def _shorter(source: Path, paths: Sequence[str]) -> str:
    """What to cut off paths that were right on another machine; "" where that does not help."""
    disk, some = Disk(source.parent), paths[:20]
    for cut in range(1, min(path.count("/") for path in some) + 1):
        if all(disk.find("/".join(path.split("/")[cut:])) for path in some):
            front = "/".join(paths[0].split("/")[:cut])
            return f"without {front}/ they name files beside the table: cut it off"
    return ""


def proposal(source: Path, frame: pd.DataFrame) -> str:
    """A template by which a column of the table names files beside it, in words; "" where there is none."""
    best: tuple[int, str] = (0, "")
    for folder, names in _image_folders(source.parent):
        endings: dict[str, int] = {}
        for name in names:
            ending = PurePosixPath(name).suffix
            endings[ending] = endings.get(ending, 0) + 1
        for column in frame.columns:
            values = {value for value in frame[column] if value}
            for ending in ("", *sorted(endings, key=lambda each: -endings[each])[:4]):
                found = sum(f"{value}{ending}" in names for value in values)
                if found > max(best[0], len(values) // 2):
                    place = "" if folder == Path() else f"{folder.as_posix()}/"
                    best = (found, f"{place}{{{column}}}{ending}")
    if not best[0]:
        return ""
    return f"{best[1]} names a file in {best[0]} of {len(frame)} rows: pass --path_template '{best[1]}'"


def _image_folders(root: Path) -> Iterator[tuple[Path, set[str]]]:
    for count, (folder, files) in enumerate(walk(root)):
        if count == FOLDERS_LOOKED_AT:
            return
        names = {name for name in files if PurePosixPath(name).suffix.lower() in SUFFIXES}
        if names:
            yield folder.relative_to(root), names
