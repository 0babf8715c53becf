"""The lists of the ArtGAN release of WikiArt, a list a task, read into rows."""

import re
from pathlib import Path

import numpy as np

from backward_search.data.report import Findings
from backward_search.errors import DataError
from backward_search.readers.text_files import is_number
from backward_search.readers.wikiart.labels import (
    GENRES,
    OTHER_ARTIST,
    OTHER_GENRE,
    STYLES,
    artist_label,
    artist_names,
    genre_label,
)
from backward_search.readers.wikiart.rows import REMEDY, Rows, keys_of, text_of

LISTED_IMAGES, LISTED_GENRES = 81_446, 64_995
"""Lines of the ArtGAN release's lists of styles and of genres."""
_LISTED = re.compile(r'"?(?P<path>[^,\s].*?)"?\s*,[,\s]*(?P<number>\d{1,18})\s*')


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
        for key, number in zip(keys_of(file, names), found, strict=True):
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
    if not all(len(pair) == 2 and is_number(pair[0]) for pair in pairs):
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


def _lines(file: Path) -> list[str]:
    return text_of(file).split("\n")  # not splitlines: mis-encoded names hold characters that it takes for line ends
