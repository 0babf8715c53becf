"""The lists of CUB, aPY and WikiArt, as their owners publish them."""

from pathlib import Path

import numpy as np
from raw_apy import ATTRIBUTES, write_apy
from raw_cub import write_cub
from raw_wikiart import write_wikiart
from target import SEPARATOR, Ready, apart, target, together

from backward_search.data.opening import USUAL
from backward_search.data.report import Findings
from backward_search.readers.apy.images import plan
from backward_search.readers.apy.lists import read_attributes, read_objects
from backward_search.readers.apy.source import samples
from backward_search.readers.cub.lists import Raw, read_numbered, read_presence
from backward_search.readers.cub.source import read_samples
from backward_search.readers.wikiart.artgan import read_artgan
from backward_search.readers.wikiart.parquet import image_jobs, read_rows
from backward_search.readers.wikiart.rows import Rows
from backward_search.readers.wikiart.source import split
from backward_search.readers.wikiart.tags import from_attributions
from backward_search.readers.wikiart.wclasses import read_class_data, read_wclasses
from backward_search.storage.paths import DataPaths

ARTGAN = tuple(f"{task}_{part}.csv" for task in ("style", "genre", "artist") for part in ("train", "val"))
NAMES = tuple(f"{task}_class.txt" for task in ("style", "genre", "artist"))


def _cub(folder: Path) -> tuple[DataPaths, Raw]:
    home = folder / "data" / "CUB"
    write_cub(home, classes=3, images_per_class=4, attributes=12, malformed=[2])
    lists = home / "CUB_200_2011"
    raw = Raw(
        lists / "images.txt", home / "attributes.txt", lists / "attributes" / "image_attribute_labels.txt", "archive"
    )
    return DataPaths.of(folder / "data", "CUB"), raw


@target("cub-lists", text=True)
def cub_lists(folder: Path) -> Ready:
    """`images.txt` and `attributes.txt`, read as numbered names."""
    _, raw = _cub(folder)
    file = folder / "list.txt"

    def read(content: bytes) -> None:
        file.write_bytes(content)
        read_numbered(file)

    return Ready([raw.images.read_bytes(), raw.attributes.read_bytes()], read)


@target("cub-labels", text=True)
def cub_labels(folder: Path) -> Ready:
    """`image_attribute_labels.txt`, of few images."""
    _, raw = _cub(folder)
    image_ids, names = read_numbered(raw.images)
    attribute_ids, _ = read_numbered(raw.attributes)
    lines = raw.labels.read_bytes().splitlines(keepends=True)

    def read(content: bytes) -> None:
        raw.labels.write_bytes(content)
        read_presence(raw.labels, image_ids, attribute_ids, names, Findings())

    return Ready([b"".join(lines), b"".join(lines[:30])], read)


@target("cub-rows", text=True)
def cub_rows(folder: Path) -> Ready:
    """All three lists, as far as the tables."""
    paths, raw = _cub(folder)
    files = (raw.images, raw.attributes, raw.labels)
    seed = together(*(file.read_bytes() for file in files))

    def read(content: bytes) -> None:
        apart(content, files)
        read_samples(paths, raw, as_published=len(content) % 2 == 0, findings=Findings())

    return Ready([seed], read, (SEPARATOR,))


@target("apy-objects", text=True)
def apy_objects(folder: Path) -> Ready:
    """Attribute names and a list of objects, as far as the planned crops."""
    home = folder / "data" / "APY"
    lists = write_apy(home, classes=3, train=6, test=3)
    paths = DataPaths.of(folder / "data", "APY")
    files = (lists / "attribute_names.txt", lists / "apascal_train.txt")
    names = "".join(f"{name}\n" for name in ATTRIBUTES[:5]).encode()
    short = b"".join(b" ".join(line.split()[:11]) + b"\n" for line in files[1].read_bytes().splitlines())
    whole = together(*(file.read_bytes() for file in files))

    def read(content: bytes) -> None:
        apart(content, files)
        attributes = read_attributes(files[0])
        objects = read_objects(files[1], len(attributes))
        samples(paths, {"apascal_train.txt": objects}, attributes)
        plan(paths, [objects], USUAL, Findings())

    return Ready([whole, together(names, short)], read, (SEPARATOR,))


@target("apy-image-label", text=True)
def apy_image_label(folder: Path) -> Ready:
    """`image_label.csv`, which says where photographs lie."""
    home = folder / "data" / "APY"
    lists = write_apy(home, classes=3, train=6, test=3, layout="published")
    paths = DataPaths.of(folder / "data", "APY")
    objects = read_objects(lists / "apascal_train.txt", len(ATTRIBUTES))
    file = home / "images_raw" / "image_label.csv"

    def read(content: bytes) -> None:
        file.write_bytes(content)
        plan(paths, [objects], USUAL, Findings())

    return Ready([file.read_bytes()], read)


def _wikiart(folder: Path, form: str, **more: object) -> Path:
    write_wikiart(folder / form, form, images=12, home="", attributions=True, **more)  # type: ignore[arg-type]
    return folder / form / "attributes"


@target("wikiart-artgan", text=True)
def wikiart_artgan(folder: Path) -> Ready:
    """The nine lists of the ArtGAN release."""
    home = _wikiart(folder, "artgan", class_files=True)
    files = {name: home / name for name in (*ARTGAN, *NAMES)}
    plain = {name: home / name for name in ARTGAN}
    seed = together(*(file.read_bytes() for file in files.values()))

    def read(content: bytes) -> None:
        apart(content, list(files.values()))
        rows = read_artgan(files if len(content) % 2 else plain, Findings())
        split(rows, 0, Findings())

    return Ready([seed, together(*(file.read_bytes() for file in plain.values()))], read, (SEPARATOR,))


@target("wikiart-wclasses", text=True)
def wikiart_wclasses(folder: Path) -> Ready:
    """`wclasses.csv`."""
    file = _wikiart(folder, "wclasses") / "wclasses.csv"

    def read(content: bytes) -> None:
        file.write_bytes(content)
        split(read_wclasses(file, Findings()), None, Findings())

    return Ready([file.read_bytes()], read)


@target("wikiart-class-data", text=True)
def wikiart_class_data(folder: Path) -> Ready:
    """`class_data.json`."""
    file = _wikiart(folder, "class_data") / "class_data.json"

    def read(content: bytes) -> None:
        file.write_bytes(content)
        split(read_class_data(file, Findings()), None, Findings())

    return Ready([file.read_bytes()], read)


@target("wikiart-attributions", text=True)
def wikiart_attributions(folder: Path) -> Ready:
    """`wikiart_attributions.csv`, looked up by the keys of the lists."""
    home = _wikiart(folder, "wclasses")
    rows: Rows = read_wclasses(home / "wclasses.csv", Findings())
    file = home / "wikiart_attributions.csv"

    def read(content: bytes) -> None:
        file.write_bytes(content)
        from_attributions(file, rows.keys, Findings())

    return Ready([file.read_bytes()], read)


@target("wikiart-parquet")
def wikiart_parquet(folder: Path) -> Ready:
    """A Parquet file of the Hugging Face Hub, with its images."""
    write_wikiart(folder, "parquet", images=6, shards=1, size=(8, 6))
    file = next((folder / "parquet" / "data").glob("*.parquet"))

    def read(content: bytes) -> None:
        file.write_bytes(content)
        rows = read_rows([file], Findings())
        wanted = {row: folder / f"{row}.jpg" for row in range(min(len(rows.keys), 20))}
        for _ in image_jobs([file], wanted, 8):
            pass
        assert np.all([len(rows.keys) == len(each) for each in (rows.artists, rows.genres, rows.styles)])

    return Ready([file.read_bytes()], read)
