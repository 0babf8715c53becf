"""Small raw CUB folders in the real formats, with tiny real JPEG files, for tests of every stage."""

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def write_cub(
    folder: Path,
    classes: int = 20,
    images_per_class: int = 40,
    attributes: int = 312,
    seed: int = 0,
    layout: str = "archive",
    malformed: Sequence[int] = (),
    labels: str = "image_attribute_labels.txt",
) -> Path:
    """Write a raw folder.

    A tenth of the attributes is common (in about 60 % of the images), the others are rare: an image has some seven of
    them, of which two are typical of its class. Every 37th image has no rare attribute.

    Args:
        folder: becomes `data/CUB`.
        classes: at most 999.
        images_per_class: with the default of 40 the test split has 12 of each class.
        attributes: their number.
        seed: of images and attributes.
        layout: "archive" (as unpacked in `folder`), "content" (what the archive's folder holds) or "flat" (published).
        malformed: ids of images whose tenth attribute line has a `0` too many and a double space.
        labels: the file name of the attribute lines.

    Returns:
        The folder that holds the images.
    """
    rng = np.random.default_rng(seed)
    home = folder / "CUB_200_2011" if layout == "archive" else folder
    lists, marks = (folder / "attributes",) * 2 if layout == "flat" else (home, home / "attributes")
    names = [
        f"{kind:03d}.Kind_of_Bird_{kind}/Kind_of_Bird_{kind}_{number:04d}_{rng.integers(10**6)}.jpg"
        for kind in range(1, classes + 1)
        for number in range(images_per_class)
    ]
    kinds = np.repeat(np.arange(classes), images_per_class)
    for file, text in _lists(names, kinds, classes, rng).items():
        write(lists / file, text)
    beside = "".join(f"{number} {attribute_name(number)}\n" for number in range(1, attributes + 1))
    write({"archive": folder, "flat": lists, "content": marks}[layout] / "attributes.txt", beside)
    write(marks / "certainties.txt", "1 not visible\n2 guessing\n3 probably\n4 definitely\n")
    write(marks / labels, _attribute_lines(presence(kinds, classes, attributes, rng), malformed, rng))
    for name, kind in zip(names, kinds.tolist(), strict=True):
        save(home / "images" / name, patch(colour(kind, classes), (40, 30), rng))
    return home / "images"


def attribute_name(number: int) -> str:
    return f"has_part_{number // 8}::value_{number % 8}_(up_or_down)"


def presence(kinds: np.ndarray, classes: int, attributes: int, rng: np.random.Generator) -> np.ndarray:
    """Which image has which attribute, (N, A) bool."""
    common = attributes // 10
    rates = np.full((classes, attributes), 5 / (attributes - common))
    for kind in range(classes):
        rates[kind, rng.choice(np.arange(common, attributes), 2, replace=False)] = 0.8
    rates[:, :common] = 0.6
    present = rng.random((len(kinds), attributes)) < rates[kinds]
    present[::37, common:] = False
    return present


def _lists(names: Sequence[str], kinds: np.ndarray, classes: int, rng: np.random.Generator) -> dict[str, str]:
    folders = [names[int(np.flatnonzero(kinds == kind)[0])].split("/")[0] for kind in range(classes)]
    numbered = list(enumerate(names, 1))
    return {
        "images.txt": "".join(f"{number} {name}\n" for number, name in numbered),
        "image_class_labels.txt": "".join(f"{number} {kinds[number - 1] + 1}\n" for number, _ in numbered),
        "classes.txt": "".join(f"{number} {name}\n" for number, name in enumerate(folders, 1)),
        "train_test_split.txt": "".join(f"{number} {rng.integers(2)}\n" for number, _ in numbered),
        "bounding_boxes.txt": "".join(f"{number} 2.0 3.0 30.0 20.0\n" for number, _ in numbered),
    }


def _attribute_lines(present: np.ndarray, malformed: Sequence[int], rng: np.random.Generator) -> str:
    certainty = rng.integers(1, 5, present.shape).tolist()
    seconds = rng.uniform(0, 30, present.shape).tolist()
    lines = []
    for image, row in enumerate(present.astype(int).tolist()):
        for attribute, value in enumerate(row):
            extra = "0  " if image + 1 in malformed and attribute == 9 else ""
            rest = f"{certainty[image][attribute]} {extra}{seconds[image][attribute]:.3f}"
            lines.append(f"{image + 1} {attribute + 1} {value} {rest}\n")
    return "".join(lines)


def colour(kind: int, classes: int) -> np.ndarray:
    """A colour for each class, (3,) in 0..255."""
    return np.array(colorsys.hsv_to_rgb(kind / classes, 0.5 + 0.5 * (kind % 2), 0.9)) * 255


def patch(shade: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Noise around a colour, (height, width, 3) uint8."""
    noise = rng.normal(0, 25, (size[1], size[0], 3))
    return (shade + noise).clip(0, 255).astype(np.uint8)


def save(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, quality=90)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
