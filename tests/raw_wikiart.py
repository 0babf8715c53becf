"""Small raw WikiArt folders in the real forms, with tiny real JPEG files, for tests of every stage."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from raw_cub import colour, patch, save, write

_STYLES = """
Abstract_Expressionism Action_painting Analytical_Cubism Art_Nouveau Baroque Color_Field_Painting Contemporary_Realism
Cubism Early_Renaissance Expressionism Fauvism High_Renaissance Impressionism Mannerism_Late_Renaissance Minimalism
Naive_Art_Primitivism New_Realism Northern_Renaissance Pointillism Pop_Art Post_Impressionism Realism Rococo Romanticism
Symbolism Synthetic_Cubism Ukiyo_e
"""
_GENRES = """
abstract_painting cityscape genre_painting illustration landscape nude_painting portrait religious_painting
sketch_and_study still_life
"""
_WORDS = "tree sea man woman child horse dog boat church street house flower fruit table book river sky mountain"
STYLES, GENRES, WORDS = _STYLES.split(), _GENRES.split(), _WORDS.split()
FIRST_STYLE = 3
"""The test styles begin here, so that Art_Nouveau, whose folder is called otherwise, is among them."""
MISENCODED = "joaquã\u00adn-sorolla"


@dataclass(frozen=True)
class Painting:
    """One image: its key in the lists, and ids from 0 of artist (0: unknown), genre (10: unknown) and style."""

    key: str
    artist: int
    genre: int
    style: int


def write_wikiart(
    folder: Path,
    form: str = "wclasses",
    images: int = 1500,
    styles: int = 6,
    genres: int = 3,
    seed: int = 0,
    *,
    attributions: bool = True,
    text: str = "attributes",
    home: str = "images_raw",
    size: tuple[int, int] = (40, 30),
    on_disk: Callable[[str], str] = str,
    class_files: bool = False,
    shards: int = 2,
) -> list[Painting]:
    """Write a raw folder; with the defaults the test split gives 1,000 queries on style and on style and genre.

    A style has a colour, a genre a shape in the middle. Every 50th file name is mis-encoded, and a base name recurs in
    every style folder. The last of the genres is the unknown one; every fourth image has an unknown artist.

    Args:
        folder: becomes `data/wikiart`.
        form: "wclasses", "class_data", "artgan" or "parquet".
        images: their number; styles and genres take turns.
        styles: at most 24.
        genres: at most 11.
        seed: of images and tags.
        attributions: whether there is a wikiart_attributions.csv (never with "parquet", where it would be of no use).
        text: folder of the text files below `folder`.
        home: folder of the style folders, or "" for no images.
        size: of the images, (width, height).
        on_disk: what the file of a key is called on disk.
        class_files: whether the ArtGAN release has its `<task>_class.txt`.
        shards: number of Parquet files.

    Returns:
        The images in the order of the lists; the keys are those of the lists in every form.
    """
    rng = np.random.default_rng(seed)
    paintings = [_painting(number, styles, genres) for number in range(images)]
    pictures = [_pixels(painting, styles, size, rng) for painting in paintings]
    if form == "parquet":
        _write_shards(folder / "parquet" / "data", paintings, pictures, shards)
        return paintings
    for painting, pixels in zip(paintings, pictures, strict=True):
        if home:
            save(folder / home / on_disk(painting.key), pixels)
    {"wclasses": _write_wclasses, "class_data": _write_class_data, "artgan": _write_artgan}[form](
        folder / text, paintings
    )
    if form == "artgan" and class_files:
        write(folder / text / "genre_class.txt", "".join(f"{i} {name}\n" for i, name in enumerate(GENRES)))
        write(folder / text / "style_class.txt", "".join(f"{i} {name}\n" for i, name in enumerate(STYLES)))
        write(folder / text / "artist_class.txt", "".join(f"{i} Painter_No_{i}\n" for i in range(24)))
    if attributions:
        write(folder / text / "wikiart_attributions.csv", attribution_table(paintings, rng))
    return paintings


def style_folder(style: int) -> str:
    return "Art_Nouveau_Modern" if STYLES[style] == "Art_Nouveau" else STYLES[style]


def genre_label(genre: int) -> str:
    return {0: "abstract", 10: "other genre"}.get(genre) or GENRES[genre].replace("_", " ")


def _painting(number: int, styles: int, genres: int) -> Painting:
    style = FIRST_STYLE + number % styles
    genre = number // styles % genres
    artist = number % 4 * (1 + number % 7)
    name = f"painter-{artist}" if artist else f"unknown-{number}"
    title = "untitled" if number < styles else f"work-{number}"
    if number % 50 == 13:
        name, artist = MISENCODED, 22
    return Painting(f"{style_folder(style)}/{name}_{title}.jpg", artist, 10 if genre == genres - 1 else genre, style)


def _pixels(painting: Painting, styles: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    pixels = patch(colour(painting.style - FIRST_STYLE, styles), size, rng)
    width, height = size
    across = painting.genre % 4 + 1
    pixels[height // 3 : -height // 3, :: width // (2 * across)] = 255 * (painting.genre < 5)
    return pixels


def table(rows: list[list[object]], end: str = "\n") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows(rows)
    return text.getvalue()


def _write_wclasses(folder: Path, paintings: list[Painting]) -> None:
    rows = [[p.key, p.artist, 129 + p.genre, 140 + p.style] for p in paintings]
    write(folder / "wclasses.csv", table([["file", "artist", "genre", "style"], *rows]))


def _write_class_data(folder: Path, paintings: list[Painting]) -> None:
    entries = [[p.key, [p.artist, 129 + p.genre, 140 + p.style]] for p in paintings]
    write(folder / "class_data.json", json.dumps(entries))


def _write_artgan(folder: Path, paintings: list[Painting]) -> None:
    """The lists of the release; its artists are numbered from 0, without an unknown one, and a genre stands twice."""
    parts = {"train": paintings[: len(paintings) * 7 // 10], "val": paintings[len(paintings) * 7 // 10 :]}
    for part, some in parts.items():
        genres = [[p.key, p.genre] for p in some if p.genre < 10]
        lists = {
            f"style_{part}.csv": [[p.key, p.style] for p in some],
            f"genre_{part}.csv": genres + genres[:1] * (part == "train"),
            f"artist_{part}.csv": [["path", "", "index"], [], *([p.key, "", p.artist - 1] for p in some if p.artist)],
        }
        for name, rows in lists.items():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(table(rows, end="\r\n").encode())


def attribution_table(paintings: list[Painting], rng: np.random.Generator) -> str:
    """The attributions table, shuffled; some fields are empty, and every 41st image has nothing but empty ones."""
    rows: list[list[object]] = []
    for number, painting in enumerate(paintings):
        words = rng.choice(WORDS, rng.integers(0, 5), replace=False).tolist()
        media = ("", "oil", "oil, canvas", "Water Colour")[rng.integers(4)]
        genre = genre_label(painting.genre) if painting.genre < 10 else ""
        row = [genre, STYLES[painting.style].replace("_", " "), media, ", ".join(words)]
        rows.append([painting.key, *([""] * 4 if number % 41 == 7 else row)])
    order = rng.permutation(len(rows)).tolist()
    return table([["path", "Genre", "Style", "Media", "tag"], *(rows[i] for i in order)])


def _write_shards(folder: Path, paintings: list[Painting], pictures: list[np.ndarray], shards: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = {
        "artist": ["Unknown Artist", *(f"painter-{number}" for number in range(1, 129))],
        "genre": [*GENRES, "Unknown Genre"],
        "style": STYLES,
    }
    features = {column: {"names": known, "_type": "ClassLabel"} for column, known in names.items()}
    about = {"info": {"features": {"image": {"_type": "Image"}, **features}}}
    folder.mkdir(parents=True, exist_ok=True)
    for shard, rows in enumerate(np.array_split(np.arange(len(paintings)), shards)):
        some = [paintings[row] for row in rows]
        content = [{"bytes": _encoded(pictures[row]), "path": None} for row in rows]
        columns = {
            "image": pa.array(content, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "artist": pa.array([p.artist for p in some], pa.int64()),
            "genre": pa.array([p.genre for p in some], pa.int64()),
            "style": pa.array([p.style for p in some], pa.int64()),
        }
        content_table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(about)})
        pq.write_table(content_table, folder / f"train-{shard:05d}-of-{shards:05d}.parquet", row_group_size=100)


def _encoded(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()
