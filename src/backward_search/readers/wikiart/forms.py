"""The lists of WikiArt: the forms in which they are passed around, each read into the same rows."""

import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backward_search.data.report import Findings
from backward_search.data.tables import key_of
from backward_search.errors import DataError, MissingError
from backward_search.readers.wikiart.labels import (
    GENRES,
    OTHER_ARTIST,
    OTHER_GENRE,
    STYLES,
    artist_label,
    artist_names,
    genre_label,
)
from backward_search.storage.atomic import read_json

ARTISTS = 129
FIRST_GENRE, FIRST_STYLE = 129, 140
"""The first ids of genres and styles in wclasses.csv and class_data.json, which count all attributes through."""
IMAGES, LISTED_IMAGES, LISTED_GENRES = 81_444, 81_446, 64_995
"""Images of WikiArt, and lines of the ArtGAN release's lists of styles and of genres."""

HOMES = (".", "attributes", "attributions", "wikiart_csv")
"""Where the lists are looked for below `data/wikiart/`."""
HUB = "https://huggingface.co/datasets/huggan/wikiart"
REMEDY = f"put the WikiArt data set there, such as {HUB}, or pass --download True"
_LISTED = re.compile(r'"?(?P<path>[^,\s].*?)"?\s*,[,\s]*(?P<number>\d+)\s*')


@dataclass(frozen=True)
class Rows:
    """One row per image, in the order of the lists.

    Attributes:
        keys: `<style folder>/<file>`.
        artists: label of the artist.
        genres: label of the genre.
        styles: label of the style, which is the name of its folder.
    """

    keys: list[str]
    artists: list[str]
    genres: list[str]
    styles: list[str]

    def take(self, rows: Iterable[int]) -> "Rows":
        """Some of the rows, in the order given."""
        places = list(rows)
        columns = (self.keys, self.artists, self.genres, self.styles)
        return Rows(*([column[row] for row in places] for column in columns))


@dataclass(frozen=True)
class Form:
    """One form of the data set, found on disk.

    Attributes:
        name: what a report calls it.
        inputs: the lists it consists of, by name.
        read: reads the rows.
        published: whether its rows stand in the order from which the paper's split was made.
        shards: the Parquet files that hold the images, where these are not files of their own.
        settings: JSON-ready, what tells it from another one beyond the lists.
    """

    name: str
    inputs: dict[str, Path]
    read: Callable[[Findings], Rows]
    published: bool = False
    shards: tuple[Path, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


def locate(folder: Path, name: str) -> Path | None:
    """Find a text file below `data/wikiart/`."""
    return next((folder / home / name for home in HOMES if (folder / home / name).is_file()), None)


def find_lists(folder: Path) -> Form | None:
    """The form whose lists are there; None where there are none.

    Raises:
        MissingError: some lists of the ArtGAN release are there and others are not.
    """
    for name, read in (("wclasses.csv", read_wclasses), ("class_data.json", read_class_data)):
        file = locate(folder, name)
        if file is not None:
            return Form(f"folders with {name}", {name: file}, _reader(read, file), published=name == "wclasses.csv")
    if locate(folder, "style_train.csv") is None:
        return None
    inputs: dict[str, Path] = {}
    for name in (f"{task}_{part}.csv" for task in ("style", "genre", "artist") for part in ("train", "val")):
        file = locate(folder, name)
        if file is None:
            raise MissingError(f"no {name} in {folder} (looked in {', '.join(HOMES)}), but style_train.csv: {REMEDY}")
        inputs[name] = file
    names = (f"{task}_class.txt" for task in ("style", "genre", "artist"))
    inputs |= {name: file for name in names if (file := locate(folder, name)) is not None}
    return Form("the ArtGAN release", inputs, lambda findings: read_artgan(inputs, findings))


def _reader(read: Callable[[Path, Findings], Rows], file: Path) -> Callable[[Findings], Rows]:
    return lambda findings: read(file, findings)


def read_wclasses(file: Path, findings: Findings) -> Rows:
    """Read `wclasses.csv`: a header, then file, artist id, genre id and style id, by position.

    Raises:
        DataError: it is not such a table, or an id is none of its attribute's.
    """
    columns = ["file", "artist", "genre", "style"]
    types = {"file": str, "artist": np.int64, "genre": np.int64, "style": np.int64}
    try:
        frame = pd.read_csv(
            io.StringIO(_text(file)), header=0, names=columns, usecols=range(4), dtype=types, keep_default_na=False
        )
    except (ValueError, OverflowError) as error:  # pandas' own parser errors are ValueErrors
        raise DataError(
            f"{file} cannot be read ({error}), expected a header, then file and ids of artist, genre, style: {REMEDY}"
        ) from None
    return _numbered(file, frame["file"].tolist(), frame[columns[1:]].to_numpy(), findings)


def read_class_data(file: Path, findings: Findings) -> Rows:
    """Read `class_data.json`: a list of ["<style folder>/<file>", [artist id, genre id, style id]].

    Raises:
        DataError: it is not such a list, or an id is none of its attribute's.
    """
    try:
        entries = [(str(name), tuple(map(int, ids))) for name, ids in read_json(file)]
        numbers = np.array([ids for _, ids in entries], dtype=np.int64).reshape(len(entries), 3)
    except (TypeError, ValueError) as error:
        raise DataError(
            f'{file} cannot be read ({error}), expected a list of ["<style>/<file>", [artist, genre, style]]: {REMEDY}'
        ) from None
    return _numbered(file, [name for name, _ in entries], numbers, findings)


def _numbered(file: Path, names: Sequence[str], numbers: np.ndarray, findings: Findings) -> Rows:
    """Rows from (N, 3) ids of artist, genre and style that are counted through."""
    keys = _keys(file, names)
    first = np.array([0, FIRST_GENRE, FIRST_STYLE])
    count = np.array([ARTISTS, len(GENRES), len(STYLES)])
    wrong = np.argwhere((numbers < first) | (numbers >= first + count))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise DataError(
            f"{file} gives {keys[row]} the {('artist', 'genre', 'style')[column]} id {numbers[row, column]}, expected "
            f"{first[column]} to {first[column] + count[column] - 1}: {REMEDY}"
        )
    styles = [key.split("/")[0] for key in keys]
    for row in np.flatnonzero(np.array(STYLES)[numbers[:, 2] - FIRST_STYLE] != np.array(styles)).tolist():
        findings.repair("style id of another style than the folder's, took the folder's", keys[row])
    findings.expect("rows", IMAGES, len(keys))
    named = np.flatnonzero(numbers[:, 0]).tolist()
    findings.facts["artist names"] = "the beginnings of the file names"
    known = artist_names(numbers[named, 0], [keys[row] for row in named]) | {0: OTHER_ARTIST}
    return Rows(
        keys,
        [known[number] for number in numbers[:, 0].tolist()],
        [GENRES[number] for number in (numbers[:, 1] - FIRST_GENRE).tolist()],
        styles,
    )


def read_artgan(inputs: dict[str, Path], findings: Findings) -> Rows:
    """Read the lists of the ArtGAN release; an image in no list of genres or artists has none that is known.

    Raises:
        DataError: a list is not as released, or speaks of a class that does not exist.
    """
    styles = _classified(inputs, "style", findings)
    genres = _classified(inputs, "genre", findings)
    artists = _classified(inputs, "artist", findings)
    names = _class_names(inputs, "artist") or artist_names(np.array(list(artists.values())), list(artists))
    keys = list(styles)
    artist = _labels(inputs, "artist", artists, {number: artist_label(name) for number, name in names.items()})
    genre = _labels(inputs, "genre", genres, _class_names(inputs, "genre") or dict(enumerate(GENRES)))
    _labels(inputs, "style", styles, dict(enumerate(STYLES)))
    for what, known in (("genre", genre), ("artist", artist)):
        findings.facts[f"images in no list of {what}s"] = len(styles.keys() - known.keys())
    return Rows(
        keys,
        [artist.get(key, OTHER_ARTIST) for key in keys],
        [genre_label(genre.get(key, OTHER_GENRE)) for key in keys],
        [key.split("/")[0] for key in keys],
    )


def _classified(inputs: dict[str, Path], task: str, findings: Findings) -> dict[str, int]:
    """The class number of every image in the two lists of a task."""
    numbers: dict[str, int] = {}
    lines = 0
    for file in (inputs[f"{task}_train.csv"], inputs[f"{task}_val.csv"]):
        names, found = _listed(file)
        lines += len(names)
        for key, number in zip(_keys(file, names), found, strict=True):
            if key in numbers:
                findings.repair(f"{task} listed twice, took the first", key)
            numbers.setdefault(key, number)
    if task != "artist":
        findings.expect(f"{task} rows", LISTED_IMAGES if task == "style" else LISTED_GENRES, lines)
    return numbers


def _listed(file: Path) -> tuple[list[str], list[int]]:
    """Paths and class numbers of a list: `path,number` or `path,,number`, with or without a header."""
    lines = [line for line in _lines(file) if line.strip(" ,")]
    if lines and "/" not in lines[0]:
        del lines[0]
    matches = [_LISTED.fullmatch(line) for line in lines]
    found = [match for match in matches if match is not None]
    if len(found) < len(matches):
        line = lines[matches.index(None)]
        raise DataError(f"{file} has the line {line[:80]!r}, expected <style>/<file>,<class number>: {REMEDY}")
    return [match["path"] for match in found], [int(match["number"]) for match in found]


def _class_names(inputs: dict[str, Path], task: str) -> dict[int, str]:
    """The names in `<task>_class.txt`, a number and a name a line; nothing where there is no such file."""
    if f"{task}_class.txt" not in inputs:
        return {}
    file = inputs[f"{task}_class.txt"]
    pairs = [line.split(maxsplit=1) for line in _lines(file) if line.strip()]
    if not all(len(pair) == 2 and pair[0].isdecimal() for pair in pairs):
        raise DataError(f"{file} is not a list of class numbers and names: {REMEDY}")
    return {int(number): name.strip() for number, name in pairs}


def _labels(inputs: dict[str, Path], task: str, numbers: dict[str, int], names: dict[int, str]) -> dict[str, str]:
    strange = next((key for key, number in numbers.items() if number not in names), None)
    if strange is not None:
        raise DataError(
            f"{inputs[f'{task}_train.csv'].parent} lists {strange} with the {task} {numbers[strange]}, expected 0 to "
            f"{max(names, default=0)}: {REMEDY}"
        )
    return {key: names[number] for key, number in numbers.items()}


def _keys(file: Path, names: Sequence[str]) -> list[str]:
    """The last two parts of each path."""
    keys = [key_of(name.strip()) for name in names]
    wrong = next((key for key in keys if not all(key.partition("/"))), None)
    if wrong is not None:
        raise DataError(f"{file} lists {wrong!r}, expected <style>/<file>: {REMEDY}")
    if not keys:
        raise DataError(f"{file} lists no image: {REMEDY}")
    return keys


def _lines(file: Path) -> list[str]:
    return _text(file).split("\n")  # not splitlines: mis-encoded names hold characters that it takes for line ends


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text ({error}): {REMEDY}") from None
