"""The tags of WikiArt: those of its attributions table, or what the lists say where that table is not there."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from backward_search.data.report import Findings
from backward_search.data.spellings import match
from backward_search.data.tables import key_of
from backward_search.errors import DataError
from backward_search.readers.wikiart.labels import OTHER_ARTIST, OTHER_GENRE
from backward_search.readers.wikiart.rows import Rows

ATTRIBUTIONS = "wikiart_attributions.csv"
FIELDS = ("genre", "style", "media", "tag")
"""The columns of tags, in the order in which the metrics take them."""
_EMPTY = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"),
    *("NULL", "NaN", "n/a", "nan", "null"),
)
"""What pandas 1.3 takes for an empty field, which the published tags were read with; later versions know more."""


@dataclass(frozen=True)
class WikiartTags:
    """Tags of each row.

    Attributes:
        tags: as the metrics use them.
        query_tags: as query generation compares and stores them.
    """

    tags: list[str]
    query_tags: list[str]


def from_labels(rows: Rows, *, placeholders: bool = False) -> WikiartTags:
    """Genre, style and artist as tags, for all that is known without the attributions table.

    Args:
        rows: of the lists.
        placeholders: whether "other artist" and "other genre" are tags, which make unrelated paintings alike.
    """
    nothing = () if placeholders else (OTHER_ARTIST, OTHER_GENRE)
    known = zip(rows.genres, rows.styles, rows.artists, strict=True)
    tags = [metric_tags(label for label in labels if label not in nothing) for labels in known]
    return WikiartTags(tags, tags)


def from_attributions(file: Path, keys: Sequence[str], findings: Findings) -> WikiartTags:
    """The tags of the rows by the attributions table; a row that is not in it counts as one with empty fields.

    Raises:
        DataError: the table cannot be read, lacks a column or has none of the rows.
    """
    table = read_attributions(file)
    places = match(keys, table)
    if not places:
        raise DataError(
            f"{file} has none of the {len(keys)} images, such as {keys[0]}, but {next(iter(table), 'no rows')}: "
            "put the table of the same data set there, or remove it"
        )
    for key in keys:
        if key not in places:
            findings.repair(f"not in {ATTRIBUTIONS}, taken as without tags", key)
        elif places[key] != key:
            findings.repair(f"spelled differently in {ATTRIBUTIONS}", key)
    nothing: tuple[str | None, ...] = (None,) * len(FIELDS)
    fields = [table[places[key]] if key in places else nothing for key in keys]
    return WikiartTags([metric_tags(row) for row in fields], [generation_tags(*row) for row in fields])


def read_attributions(file: Path) -> dict[str, tuple[str | None, ...]]:
    """The fields genre, style, media and tag by key; None for an empty one.

    Raises:
        DataError: the table cannot be read or lacks a column.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, na_values=list(_EMPTY))
    except ValueError as error:  # pandas' own parser errors and those of the encoding are ValueErrors
        raise DataError(f"{file} cannot be read ({error}), expected a CSV file: replace or remove it") from None
    columns = {str(name).strip().lower(): name for name in frame.columns}
    absent = [name for name in ("path", *FIELDS) if name not in columns]
    if absent:
        raise DataError(
            f"{file} has the columns {', '.join(map(str, frame.columns))}, expected path, Genre, Style, Media, tag; "
            f"there is no {absent[0]}: replace or remove it"
        )
    frame = frame[frame[columns["path"]].notna()]
    fields = frame[[columns[name] for name in FIELDS]].astype(object)
    values = fields.where(fields.notna(), None).itertuples(index=False, name=None)
    return dict(zip(map(key_of, frame[columns["path"]]), values, strict=True))


def metric_tags(fields: Iterable[str | None]) -> str:
    """The tags of the metrics: lower case, no spaces, no empty ones.

    >>> metric_tags(["Portrait", "Pop Art", None, "Faces, ,Men"])
    'portrait,popart,faces,men'
    """
    joined = ",".join(field for field in fields if field is not None)
    return ",".join(tag for tag in joined.lower().replace(" ", "").split(",") if tag)


def generation_tags(genre: str | None, style: str | None, media: str | None, tag: str | None) -> str:
    """The tags of query generation, letter by letter as published: "nan" goes wherever it stands, commas stay.

    >>> generation_tags("abstract", None, None, None), generation_tags(None, None, None, None)
    (',abstract,', ',,')
    >>> generation_tags("portrait", "Rococo", "oil", "Ferdinand, Men")
    'ferdid,men,oil,portrait,rococo'
    """
    joined = ",".join("nan" if field is None else field for field in (tag, media, genre, style))
    return joined.replace("nan", "").replace(" ", "").replace(",,", ",").lower()
