"""What styles, genres and artists of WikiArt are called, under the spellings of its various forms."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

OTHER_ARTIST, OTHER_GENRE = "other artist", "other genre"
GENRES = (
    *("abstract", "cityscape", "genre painting", "illustration", "landscape", "nude painting", "portrait"),
    *("religious painting", "sketch and study", "still life", OTHER_GENRE),
)
"""The genres in the order of their ids in every form."""
STYLES = (
    *("Abstract_Expressionism", "Action_painting", "Analytical_Cubism", "Art_Nouveau_Modern", "Baroque"),
    *("Color_Field_Painting", "Contemporary_Realism", "Cubism", "Early_Renaissance", "Expressionism", "Fauvism"),
    *("High_Renaissance", "Impressionism", "Mannerism_Late_Renaissance", "Minimalism", "Naive_Art_Primitivism"),
    *("New_Realism", "Northern_Renaissance", "Pointillism", "Pop_Art", "Post_Impressionism", "Realism", "Rococo"),
    *("Romanticism", "Symbolism", "Synthetic_Cubism", "Ukiyo_e"),
)
"""The style folders in the order of their ids in every form."""


def artist_names(numbers: np.ndarray, keys: Sequence[str]) -> dict[int, str]:
    """Names for the ids of artists, which the lists leave without: files begin with their artist's name.

    Args:
        numbers: (N,) id of each image's artist.
        keys: `<style folder>/<artist>_<title>.jpg` of each image.

    Returns:
        By id the beginning that most of the artist's files share, or `artist 007` where no such name is his alone.
    """
    names = [key.rpartition("/")[2].partition("_")[0].lower() for key in keys]
    counts = pd.DataFrame({"number": numbers, "name": names}).value_counts(sort=False).reset_index()
    total = counts.groupby("number")["count"].transform("sum")
    majority = counts[counts["count"] * 2 > total].drop_duplicates("name", keep=False)
    known = dict(zip(majority["number"].tolist(), majority["name"].tolist(), strict=True))
    return {number: known.get(number) or f"artist {number:03d}" for number in np.unique(numbers).tolist()}


def artist_label(name: str) -> str:
    """The label of an artist under any of his spellings.

    >>> artist_label("Vincent_van_Gogh"), artist_label("Unknown Artist"), artist_label("artist 007")
    ('vincent-van-gogh', 'other artist', 'artist 007')
    """
    label = name.strip().lower()
    if label in ("unknown artist", "unknown_artist", OTHER_ARTIST):
        return OTHER_ARTIST
    return label.replace("_", "-")


def genre_label(name: str) -> str:
    """The label of a genre under any of its spellings.

    >>> genre_label("abstract_painting"), genre_label("Unknown Genre"), genre_label("still_life")
    ('abstract', 'other genre', 'still life')
    """
    label = name.strip().lower().replace("_", " ")
    return {"abstract painting": "abstract", "unknown genre": OTHER_GENRE}.get(label, label)


def style_label(name: str) -> str:
    """The label of a style, which is the name of its folder.

    >>> style_label("Art_Nouveau"), style_label("Pop Art")
    ('Art_Nouveau_Modern', 'Pop_Art')
    """
    label = re.sub(r"[^\w-]+", "_", name.strip())
    return {"Art_Nouveau": "Art_Nouveau_Modern"}.get(label, label)
