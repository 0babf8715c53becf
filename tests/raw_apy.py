"""Small raw aPY folders in the real formats, with tiny real JPEG files, for tests of every stage."""

from pathlib import Path

import numpy as np
from raw_cub import colour, patch, save, write

_CATEGORIES = """
aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant sheep sofa
train tvmonitor
"""
_YAHOO = "donkey monkey goat wolf jetski zebra centaur mug statue building bag carriage"
_ATTRIBUTES = """
2D Boxy,3D Boxy,Round,Vert Cyl,Horiz Cyl,Occluded,Tail,Beak,Head,Ear,Snout,Nose,Mouth,Hair,Face,Eye,Torso,Hand,Arm,Leg
Foot/Shoe,Wing,Propeller,Jet engine,Window,Row Wind,Wheel,Door,Headlight,Taillight,Side mirror,Exhaust,Pedal,Handlebars
Engine,Sail,Mast,Text,Label,Furn. Leg,Furn. Back,Furn. Seat,Furn. Arm,Horn,Rein,Saddle,Leaf,Flower,Stem/Trunk,Pot,Screen
Skin,Metal,Plastic,Wood,Cloth,Furry,Glass,Feather,Wool,Clear,Shiny,Vegetation,Leather
"""
CATEGORIES, YAHOO = _CATEGORIES.split(), _YAHOO.split()
ATTRIBUTES = _ATTRIBUTES.strip().replace("\n", ",").split(",")
SIZE = (64, 48)


def write_apy(
    folder: Path,
    classes: int = 20,
    train: int = 400,
    test: int = 300,
    yahoo: int = 0,
    seed: int = 0,
    layout: str = "release",
) -> Path:
    """Write a raw folder.

    Photographs hold up to three objects, side by side, boxes counted from 1 as in the real lists. An object has about
    four attributes, of which two are typical of its class; every 29th has none.

    Args:
        folder: becomes `data/APY`.
        classes: at most 20.
        train: number of objects in apascal_train.txt; the classes take turns.
        test: number of objects in apascal_test.txt.
        yahoo: number of objects in ayahoo_test.txt, of twelve further classes; 0 leaves the file out.
        seed: of images and attributes.
        layout: "release" (attribute_data/, VOCdevkit/) or "published" (attributes/, images_raw/image_label.csv).

    Returns:
        The folder of the lists.
    """
    rng = np.random.default_rng(seed)
    lists = folder / ("attributes" if layout == "published" else "attribute_data")
    write(lists / "attribute_names.txt", "".join(f"{name}\n" for name in ATTRIBUTES))
    write(lists / "class_names.txt", "".join(f"{name}\n" for name in CATEGORIES + YAHOO))
    typical = {name: rng.choice(len(ATTRIBUTES), 2, replace=False) for name in CATEGORIES + YAHOO}
    pascal = folder / ("images_raw/pascal" if layout == "published" else "VOCdevkit/VOC2008/JPEGImages")
    other = folder / ("images_raw/yahoo" if layout == "published" else "ayahoo_test_images")
    for file, names, count, prefix, images in (
        ("apascal_train.txt", CATEGORIES[:classes], train, "2008_0", pascal),
        ("apascal_test.txt", CATEGORIES[:classes], test, "2008_1", pascal),
        ("ayahoo_test.txt", YAHOO, yahoo, "yahoo_", other),
    ):
        if count:
            write(lists / file, _objects(images, prefix, names, count, typical, rng))
    if layout == "published":
        found = sorted(path.relative_to(folder / "images_raw").as_posix() for path in folder.glob("images_raw/*/*.jpg"))
        lines = [",image_path,label", *(f"{number},{path},x" for number, path in enumerate(found))]
        write(folder / "images_raw" / "image_label.csv", "\n".join(lines) + "\n")
    return lists


def _objects(
    images: Path,
    prefix: str,
    names: list[str],
    count: int,
    typical: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> str:
    """Save the photographs of one list and return its lines."""
    lines: list[str] = []
    photograph = 0
    while len(lines) < count:
        pixels = patch(np.full(3, 128), SIZE, rng)
        file = f"{prefix}{photograph:05d}.jpg"
        for place in range(min(int(rng.integers(1, 4)), count - len(lines))):
            kind = len(lines) % len(names)
            left, right = place * 21, place * 21 + 20
            top, bottom = int(rng.integers(0, 10)), int(rng.integers(30, SIZE[1] + 1))
            pixels[top:bottom, left:right] = patch(colour(kind, len(names)), (right - left, bottom - top), rng)
            present = rng.random(len(ATTRIBUTES)) < 2.5 / len(ATTRIBUTES)
            present[typical[names[kind]]] |= rng.random(2) < 0.7
            present &= len(lines) % 29 != 5
            marks = " ".join(map(str, present.astype(int).tolist()))
            lines.append(f"{file} {names[kind]} {left + 1} {top + 1} {right} {bottom} {marks}\n")
        save(images / file, pixels)
        photograph += 1
    return "".join(lines)
