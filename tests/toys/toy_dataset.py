"""A data set from outside the package: flat images in four colours and two shades."""

import numpy as np

from backward_search.data.registry import DatasetEntry, Preprocessing, register
from backward_search.data.report import Findings
from backward_search.data.source import Source
from backward_search.data.tables import Samples
from backward_search.images.writing import ImageJob, make_images
from backward_search.storage.paths import DataPaths

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "grey": (1, 1, 1)}
SHADES = {"bright": 220, "dark": 90}
COUNT = 160
ENTRY = DatasetEntry(
    name="flat",
    category_types={"colourshade": ("colour", "shade")},
    preprocessing=Preprocessing(size=8, augment=False),
    encoder_model="quarters",
    num_epoch=2,
    inverse_lambda=0.3,
    prepare="this module",
)


def source(paths: DataPaths) -> Source:
    """The images, drawn anew."""
    rng = np.random.default_rng(0)
    colours = [list(COLOURS)[row % 4] for row in range(COUNT)]
    shades = [list(SHADES)[row // 4 % 2] for row in range(COUNT)]
    keys = [f"{colour}/{row}.png" for row, colour in enumerate(colours)]

    def read(_findings: Findings) -> Samples:
        return Samples(
            paths=[f"./data/{paths.name}/images/{key}" for key in keys],
            labels={"colour": colours, "shade": shades},
            splits={"train": np.arange(80), "test": np.arange(80, COUNT)},
            tags=[f"number {row},{shade}" for row, shade in enumerate(shades)],
        )

    def make(_samples: Samples, findings: Findings) -> set[int]:
        jobs = []
        for row, (colour, shade, key) in enumerate(zip(colours, shades, keys, strict=True)):
            pixels = np.array(COLOURS[colour]) * SHADES[shade] + rng.integers(0, 30, (8, 8, 3))
            jobs.append(ImageJob(row, key, pixels.astype(np.uint8), paths.folder / "images" / key))
        return make_images(jobs, findings, workers=0)

    return Source(ENTRY, {"count": COUNT}, {}, read, make)


register("flat", ENTRY)
