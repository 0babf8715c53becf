"""The demo data set: letters and digits drawn in the sixteen faces that come with matplotlib. Nothing to download."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from backward_search.data.registry import DatasetEntry, Preprocessing
from backward_search.data.report import Findings
from backward_search.data.source import Source
from backward_search.data.tables import Samples
from backward_search.progress import progress
from backward_search.storage.atomic import replacing
from backward_search.storage.paths import DataPaths

SIZE = 48
"""Side of the images in pixels."""
FONT_SIZE = 32
"""Size of the fonts in pixels per em; the ink of the largest character is then 45 pixels wide."""

ENTRY = DatasetEntry(
    name="glyphs",
    category_types={"familyvariantletter": ("family", "variant", "letter")},
    preprocessing=Preprocessing(size=SIZE, augment=False),
    encoder_model="small_cnn",
    num_epoch=24,
    lr=0.003,
    recipe="modern",
    holdout=0.1,
    inverse_lambda=0.5,
    student_hidden=256,
    student_output="residual",
    student_loss="l1",
    prepare="A1.Data-Preprocessing-glyphs.py",
)


@dataclass(frozen=True)
class Face:
    """One font file.

    Attributes:
        file: its name in matplotlib's font folder.
        family: the typeface.
        variant: regular, bold, italic or bold italic.
    """

    file: str
    family: str
    variant: str

    @property
    def path(self) -> Path:
        """Where the font lies."""
        return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / self.file


_VARIANTS = ("regular", "bold", "italic", "bold italic")
_SUFFIXES = {
    "DejaVu Sans": ("DejaVuSans", ("", "-Bold", "-Oblique", "-BoldOblique")),
    "DejaVu Sans Mono": ("DejaVuSansMono", ("", "-Bold", "-Oblique", "-BoldOblique")),
    "DejaVu Serif": ("DejaVuSerif", ("", "-Bold", "-Italic", "-BoldItalic")),
    "STIX General": ("STIXGeneral", ("", "Bol", "Italic", "BolIta")),
}
FACES = tuple(
    Face(f"{stem}{suffix}.ttf", family, variant)
    for family, (stem, suffixes) in _SUFFIXES.items()
    for variant, suffix in zip(_VARIANTS, suffixes, strict=True)
)


def characters() -> list[str]:
    """The upper-case and lower-case letters and the digits that every face can draw, in code point order."""
    shared = set.intersection(*(set(FT2Font(str(face.path)).get_charmap()) for face in FACES))
    return [chr(code) for code in sorted(shared) if unicodedata.category(chr(code)) in ("Lu", "Ll", "Nd")]


def base_letter(character: str) -> str:
    """The letter without its accents: the first character of its canonical decomposition.

    >>> base_letter("É"), base_letter("ß"), base_letter("7")
    ('E', 'ß', '7')
    """
    return unicodedata.normalize("NFD", character)[0]


def render(character: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Draw one character in black on white, its ink centred, as an RGB image of `SIZE` x `SIZE`."""
    image = Image.new("L", (SIZE, SIZE), 255)
    left, top, right, bottom = font.getbbox(character)
    place = ((SIZE - right - left) // 2, (SIZE - bottom - top) // 2)
    ImageDraw.Draw(image).text(place, character, font=font, fill=0)
    return image.convert("RGB")


def drawings() -> Iterator[tuple[str, Image.Image]]:
    """Every image of the data set with its key, face by face."""
    for face in FACES:
        font = ImageFont.truetype(str(face.path), FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
        for character in characters():
            yield key(face, character), render(character, font)


def key(face: Face, character: str) -> str:
    """The key of an image: face and code point.

    >>> key(FACES[1], "A")
    'DejaVuSans-Bold/U+0041.png'
    """
    return f"{Path(face.file).stem}/U+{ord(character):04X}.png"


def draw(paths: DataPaths, *, overwrite: bool) -> Iterator[Path]:
    """Draw the images below `images/`, those that are there already only to `overwrite` them, and yield each path."""
    for name, image in drawings():
        place = paths.folder / "images" / name
        if overwrite or not place.exists():
            with replacing(place) as temporary:
                image.save(temporary)
        yield place


def source(paths: DataPaths, seed: int, *, overwrite: bool = False) -> Source:
    """The data set as `stages.prepare` takes it."""

    def make_images(_samples: Samples, _findings: Findings) -> set[int]:
        total = len(FACES) * len(characters())
        for _ in progress(draw(paths, overwrite=overwrite), "drawing", "image", total):
            pass
        return set()

    return Source(
        entry=ENTRY,
        settings={"seed": seed, "size": SIZE, "font_size": FONT_SIZE},
        inputs={face.file: face.path for face in FACES},
        read=lambda findings: samples(paths, seed),
        make_images=make_images,
    )


def samples(paths: DataPaths, seed: int) -> Samples:
    """The rows of the data set: a seeded fifth of the characters, with all their faces, is the test split."""
    drawn = characters()
    held_out = set(np.random.default_rng(seed).permutation(len(drawn))[: len(drawn) // 5].tolist())
    rows = [(face, index) for face in FACES for index in range(len(drawn))]
    test = np.array([index in held_out for _, index in rows])
    return Samples(
        paths=[f"./data/{paths.name}/images/{key(face, drawn[index])}" for face, index in rows],
        labels={
            "family": [face.family for face, _ in rows],
            "variant": [face.variant for face, _ in rows],
            "letter": [base_letter(drawn[index]) for _, index in rows],
        },
        splits={"train": np.flatnonzero(~test), "test": np.flatnonzero(test)},
        tags=[",".join(unicodedata.name(drawn[index]).lower().split()) for _, index in rows],
        groups=[f"U+{ord(drawn[index]):04X}" for _, index in rows],
    )
