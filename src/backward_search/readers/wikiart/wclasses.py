"""wclasses.csv and class_data.json, which count artists, genres and styles through: each read into rows."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from backward_search.data.report import Findings
from backward_search.errors import DataError
from backward_search.readers.wikiart.labels import GENRES, OTHER_ARTIST, STYLES, artist_names
from backward_search.readers.wikiart.rows import IMAGES, REMEDY, Rows, keys_of, text_of
from backward_search.storage.atomic import read_json

ARTISTS = 129
FIRST_GENRE, FIRST_STYLE = 129, 140
"""The first ids of genres and styles in wclasses.csv and class_data.json, which count all attributes through."""


def read_wclasses(file: Path, findings: Findings) -> Rows:
    """Read `wclasses.csv`: a header, then file, artist id, genre id and style id, by position.

    Raises:
        DataError: it is not such a table, or an id is none of its attribute's.
    """
    columns = ["file", "artist", "genre", "style"]
    types = {"file": str, "artist": np.int64, "genre": np.int64, "style": np.int64}
    try:
        frame = pd.read_csv(
            io.StringIO(text_of(file)), header=0, names=columns, usecols=range(4), dtype=types, keep_default_na=False
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
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f'{file} cannot be read ({error}), expected a list of ["<style>/<file>", [artist, genre, style]]: {REMEDY}'
        ) from None
    return _numbered(file, [name for name, _ in entries], numbers, findings)


def _numbered(file: Path, names: Sequence[str], numbers: np.ndarray, findings: Findings) -> Rows:
    """Rows from (N, 3) ids of artist, genre and style that are counted through."""
    keys = keys_of(file, names)
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
