"""Raw folders of the full size of CUB and WikiArt, in their owners' formats, with made-up content.

Their sizes, the skew of their classes and tags, and their known flaws are like those of the real ones. Images are hard
links to a few JPEG files: one tiny one where nothing looks at pixels, 64 of smooth noise where a network does.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from backward_search.progress import progress
from backward_search.readers.wikiart.labels import GENRES, OTHER_GENRE, STYLES

CUB_IMAGES, CUB_CLASSES, CUB_ATTRIBUTES = 11_788, 200, 312
MALFORMED = (2275, 9364)
"""Ids of the images of which a line has a field too many and a double space."""
WIKIART_IMAGES, ARTISTS = 81_444, 129
FIRST_GENRE, FIRST_STYLE = 129, 140
"""Where the ids of genres and styles begin in wclasses.csv."""
MIS_ENCODED, RECURRING = 709, 1349
"""File names with letters broken by a wrong encoding, and base names that two styles share."""
WORDS, WORDS_PER_IMAGE = 4000, 4
MEDIA = ("", "oil", "oil, canvas", "watercolor, paper", "fresco", "ink, paper", "tempera, panel")


def write_cub(folder: Path, seed: int = 0) -> int:
    """Write CUB as its archive unpacks: 11,788 images of 200 classes, 312 attribute lines for each.

    Args:
        folder: becomes `data/CUB`.
        seed: of the attributes.

    Returns:
        The number of attribute lines.
    """
    rng = np.random.default_rng(seed)
    home = folder / "CUB_200_2011"
    kinds = np.sort(np.arange(CUB_IMAGES) % CUB_CLASSES) + 1
    names = [f"{kind:03d}.Bird_{kind}/Bird_{kind}_{number:05d}.jpg" for number, kind in enumerate(kinds.tolist())]
    attributes = [f"has_part_{number // 11}::value_{number % 11}" for number in range(CUB_ATTRIBUTES)]
    _write(folder / "attributes.txt", _numbered(attributes))
    _write(home / "images.txt", _numbered(names))
    _write(home / "image_class_labels.txt", _numbered(kinds.tolist()))
    _write(home / "attributes" / "image_attribute_labels.txt", _attribute_lines(kinds - 1, rng))
    _write_images(home / "images", names)
    return CUB_IMAGES * CUB_ATTRIBUTES


def _numbered(values: Iterable[object]) -> Iterator[str]:
    return (f"{number} {value}\n" for number, value in enumerate(values, 1))


def _attribute_lines(kinds: np.ndarray, rng: np.random.Generator) -> Iterator[str]:
    """A tenth of the attributes is present, few of them often and most of them seldom, differently in each class."""
    often = rng.beta(0.4, 3.6, CUB_ATTRIBUTES)
    rates = often * rng.gamma(0.5, 2, (CUB_CLASSES, CUB_ATTRIBUTES))
    for image, kind in enumerate(progress(kinds.tolist(), "CUB attributes", "image"), 1):
        present = (rng.random(CUB_ATTRIBUTES) < rates[kind]).astype(int).tolist()
        certainty = rng.integers(1, 5, CUB_ATTRIBUTES).tolist()
        seconds = rng.uniform(0, 30, CUB_ATTRIBUTES).tolist()
        for place, values in enumerate(zip(present, certainty, seconds, strict=True), 1):
            extra = "0  " if place == 10 and image in MALFORMED else ""
            yield f"{image} {place} {values[0]} {values[1]} {extra}{values[2]:.3f}\n"


def write_wikiart(folder: Path, seed: int = 0, images: int = WIKIART_IMAGES, side: int = 0) -> int:
    """Write WikiArt as folders with wclasses.csv and wikiart_attributions.csv: 81,444 images of 27 styles.

    The images lie in `images/`, where they count as resized.

    Args:
        folder: becomes `data/wikiart`.
        seed: of labels and tags.
        images: how many.
        side: of the images in pixels; 0 for a tiny one.

    Returns:
        The number of images.
    """
    rng = np.random.default_rng(seed)
    styles = rng.choice(len(STYLES), images, p=_skewed(len(STYLES), 130))
    genres = _genres(styles, rng)
    artists = rng.choice(ARTISTS, images, p=_skewed(ARTISTS, 100))
    titles, recurring = np.arange(images), RECURRING * images // WIKIART_IMAGES
    first, again = slice(recurring), slice(recurring, 2 * recurring)
    styles[again] = (styles[first] + 1) % len(STYLES)
    artists[again], titles[again] = artists[first], titles[first]
    keys = [_key(*row) for row in zip(styles.tolist(), artists.tolist(), titles.tolist(), strict=True)]
    ids = zip(keys, artists.tolist(), (genres + FIRST_GENRE).tolist(), (styles + FIRST_STYLE).tolist(), strict=True)
    _write_csv(folder / "attributes" / "wclasses.csv", ("file", "artist", "genre", "style"), ids)
    header = ("path", "Genre", "Style", "Media", "tag")
    _write_csv(folder / "attributes" / "wikiart_attributions.csv", header, _attributions(keys, genres, styles, rng))
    _write_images(folder / "images", keys, side)
    return images


def _skewed(count: int, ratio: float) -> np.ndarray:
    """Shares of `count` classes, the largest `ratio` times the smallest, (count,), in falling order."""
    shares = np.geomspace(ratio, 1, count)
    return np.asarray(shares / shares.sum())


def _genres(styles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A genre for each image, (N,): every style has its own few favourites, so that many pairs are rare or absent."""
    shares = rng.dirichlet(np.full(len(GENRES), 0.4), len(STYLES)).cumsum(1)
    return np.asarray((shares[styles] < rng.random((len(styles), 1))).sum(1).clip(max=len(GENRES) - 1))


def _key(style: int, artist: int, title: int) -> str:
    name = f"painter-{artist}" if artist else f"someone-{title % 1000}"
    broken = "joaquã\u00adn-" if title % (WIKIART_IMAGES // MIS_ENCODED) == 13 else ""
    return f"{STYLES[style]}/{broken}{name}_work-number-{title}.jpg"


def _attributions(
    keys: Sequence[str], genres: np.ndarray, styles: np.ndarray, rng: np.random.Generator
) -> Iterator[Sequence[object]]:
    """The rows of the attributions table, in an order of their own; every hundredth has nothing but empty fields."""
    words = rng.choice(WORDS, (len(keys), 2 * WORDS_PER_IMAGE), p=_skewed(WORDS, 1000)).tolist()
    counts = rng.integers(0, 2 * WORDS_PER_IMAGE + 1, len(keys)).tolist()
    media = rng.integers(0, len(MEDIA), len(keys)).tolist()
    for row in rng.permutation(len(keys)).tolist():
        genre = "" if GENRES[genres[row]] == OTHER_GENRE else GENRES[genres[row]]
        tags = ", ".join(f"word-{word}" for word in words[row][: counts[row]])
        fields = (genre, STYLES[styles[row]].replace("_", " "), MEDIA[media[row]], tags)
        yield keys[row], *(fields if row % 100 else ("",) * 4)


def _write(file: Path, lines: Iterable[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as stream:
        stream.writelines(lines)


def _write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header])
        csv.writer(stream).writerows(rows)


def _write_images(home: Path, keys: Sequence[str], side: int = 0) -> None:
    """Write a few images into each folder and give them the other names as hard links, which spares the disk."""
    made: dict[str, list[Path]] = {}
    many = 64 if side else 1
    for number, key in enumerate(progress(keys, "images", "image")):
        folder, file = key.split("/")[0], home / key
        contents = made.setdefault(folder, [])
        if len(contents) == many:
            file.hardlink_to(contents[number % many])
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        _picture(side, len(contents)).save(file, "JPEG", quality=95 if side else 75)
        contents.append(file)


def _picture(side: int, number: int) -> Image.Image:
    if not side:
        return Image.new("RGB", (32, 24), (90, 120, 60))
    coarse = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
