"""The rows of WikiArt, whatever list they come from, and where lists are looked for."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backward_search.data.report import Findings
from backward_search.data.tables import key_of
from backward_search.errors import DataError
from backward_search.storage.naming import leads_out

IMAGES = 81_444
HOMES = (".", "attributes", "attributions", "wikiart_csv")
"""Where the lists are looked for below `data/wikiart/`."""
REPOSITORY = ("{task}", "WikiArt Dataset/{task}", "*/WikiArt Dataset/{task}", "*/*/WikiArt Dataset/{task}")
"""Where they lie below it in a checkout of ArtGAN's repository."""
HUB = "https://huggingface.co/datasets/huggan/wikiart"
REMEDY = f"put the WikiArt data set there, such as {HUB}, or pass --download True"


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


def locate_list(folder: Path, name: str) -> Path | None:
    """Find a list of the ArtGAN release, flat or in its repository, where some lie in folders and have no ending."""
    task = name.partition("_")[0].capitalize()
    homes = [folder / home for home in HOMES]
    homes += [home for pattern in REPOSITORY for home in sorted(folder.glob(pattern.format(task=task)))]
    files = (home / spelt for home in homes for spelt in (name, name.partition(".")[0]))
    return next((file for file in files if file.is_file()), None)


def keys_of(file: Path, names: Sequence[str]) -> list[str]:
    """The last two parts of each path that a list holds.

    Raises:
        DataError: one has no two parts, or leads out of the data set's folder, or there is none.
    """
    keys = [key_of(name.strip()) for name in names]
    wrong = next((key for key in keys if not all(key.partition("/"))), None)
    if wrong is None:
        wrong = next((each for each, key in zip(names, keys, strict=True) if leads_out(each) or leads_out(key)), None)
    if wrong is not None:
        raise DataError(f"{file} lists {wrong!r}, expected <style>/<file>: {REMEDY}")
    if not keys:
        raise DataError(f"{file} lists no image: {REMEDY}")
    return keys


def text_of(file: Path) -> str:
    """The text of a list.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text ({error}): {REMEDY}") from None
