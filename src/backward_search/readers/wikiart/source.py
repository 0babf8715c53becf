"""WikiArt: 81,444 paintings of 27 styles, 11 genres and 129 artists, in any of the forms in which they come."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from backward_search.data.download import HubDownload
from backward_search.data.registry import DatasetEntry, EmptyTags
from backward_search.data.report import Findings
from backward_search.data.source import Source
from backward_search.data.tables import Samples, key_of
from backward_search.errors import MissingError
from backward_search.images.writing import ImageJob, make_images
from backward_search.readers.wikiart.forms import HOMES, HUB, REMEDY, Form, Rows, find_lists, locate
from backward_search.readers.wikiart.labels import GENRES, STYLES
from backward_search.readers.wikiart.parquet import find_shards, image_jobs
from backward_search.readers.wikiart.spellings import match
from backward_search.readers.wikiart.tags import ATTRIBUTIONS, FIELDS, from_attributions, from_labels
from backward_search.storage.paths import DataPaths

ENTRY = DatasetEntry(
    name="wikiart",
    category_types={"stylegenre": ("style", "genre"), "style": ("style",)},
    empty_tags=EmptyTags.IN_GENERATION,
    prepare="A1.Data-Preprocessing-wikiart.py",
)
DOWNLOADS = (
    HubDownload(
        repo_id="huggan/wikiart",
        target="parquet",
        patterns=("data/*.parquet",),
        alternatives=f"download the files of {HUB}/tree/main/data by hand into data/wikiart/parquet/data/",
    ),
)

SHORT_SIDE = 256
"""Short side of the images in pixels, as published."""
TRAIN_SHARE, SPLIT_SEED = 0.8, 777
"""The paper's split: the share, and the seed of NumPy's legacy generator."""

_RAW = ("images_raw", "wikiart", ".")


@dataclass(frozen=True)
class Plan:
    """Where the image of each row is, or what it is made from.

    Attributes:
        keys: of each row, under the name its image has or will have in `images/`.
        jobs: the images to make from files.
        missing: rows without an image anywhere.
    """

    keys: list[str]
    jobs: list[ImageJob]
    missing: set[int]


def source(paths: DataPaths, seed: int, *, workers: int = 1) -> Source:
    """The data set as `stages.prepare` takes it.

    Args:
        paths: where it lies.
        seed: of the split, where the form does not allow the paper's.
        workers: number of processes that make images.

    Raises:
        MissingError: the data set is not there.
    """
    form = find_form(paths.folder)
    attributions = None if form.shards else locate(paths.folder, ATTRIBUTIONS)
    planned: list[Plan] = []

    def read(findings: Findings) -> Samples:
        """Read the lists, split the rows and find their images."""
        findings.facts["form"] = form.name
        rows, splits = split(form.read(findings), None if form.published else seed, findings)
        plan = plan_images(paths, form, rows.keys, findings)
        planned[:] = [plan]
        tags = from_attributions(attributions, rows.keys, findings) if attributions else from_labels(rows)
        _describe(form, rows, attributions is not None, seed, findings)
        return Samples(
            paths=[f"./data/{paths.name}/images/{key}" for key in plan.keys],
            labels={"artist": rows.artists, "genre": rows.genres, "style": rows.styles},
            splits=splits,
            tags=tags.tags,
            query_tags=tags.query_tags,
            missing=frozenset() if form.shards else frozenset(plan.missing),
        )

    return Source(
        entry=ENTRY,
        settings={"form": form.name, "split_seed": SPLIT_SEED if form.published else seed, **form.settings},
        inputs=form.inputs | ({ATTRIBUTIONS: attributions} if attributions else {}),
        read=read,
        make_images=lambda _samples, findings: _make(paths, form, planned[0], workers, findings),
    )


def find_form(folder: Path) -> Form:
    """Find out in which form the data set is there; lists without files to list give way to Parquet files.

    Raises:
        MissingError: it is there in none, or not wholly.
    """
    lists = find_lists(folder)
    if lists is not None and (_raw_home(folder) or _holds_named(folder / "images")):
        return lists
    form = find_shards(folder) or lists
    if form is None:
        raise MissingError(
            f"no WikiArt in {folder}: neither wclasses.csv nor class_data.json nor style_train.csv (looked in "
            f"{', '.join(HOMES)}) nor Parquet files (looked in it and the folders in it): {REMEDY}"
        )
    return form


def split(rows: Rows, seed: int | None, findings: Findings) -> tuple[Rows, dict[str, np.ndarray]]:
    """Split the rows in a random order, which the tables keep; a row that repeats an image is left out after that.

    Args:
        rows: in the order of the lists.
        seed: of the order; None for the paper's, which NumPy's legacy generator makes.
        findings: takes the repeated rows.

    Returns:
        The rows that are left, and those of each split.
    """
    order = np.arange(len(rows.keys))
    if seed is None:
        np.random.RandomState(SPLIT_SEED).shuffle(order)
    else:
        np.random.default_rng(seed).shuffle(order)
    train = int(len(order) * TRAIN_SHARE)
    splits = {"train": order[:train], "test": order[train:]}
    repeated = pd.Series(rows.keys).duplicated().to_numpy()
    if not repeated.any():
        return rows, splits
    for row in np.flatnonzero(repeated).tolist():
        findings.drop("image listed before", rows.keys[row])
    place = np.cumsum(~repeated) - 1
    return rows.take(np.flatnonzero(~repeated)), {name: place[part[~repeated[part]]] for name, part in splits.items()}


def _describe(form: Form, rows: Rows, attributed: bool, seed: int, findings: Findings) -> None:
    """Say how far the tables are the paper's."""
    why = f"file names to look up in {ATTRIBUTIONS} are not there" if form.shards else f"there is no {ATTRIBUTIONS}"
    findings.facts |= {
        "split": "as published" if form.published else f"made with --seed {seed}, not the published one",
        "tags": f"{', '.join(FIELDS)} of {ATTRIBUTIONS}" if attributed else f"genre, style and artist, as {why}",
        "test queries": "the paper's" if form.published and attributed else "will not be the paper's",
    }
    findings.expect("styles", len(STYLES), len(set(rows.styles)))
    findings.expect("genres", len(GENRES), len(set(rows.genres)))


def plan_images(paths: DataPaths, form: Form, keys: Sequence[str], findings: Findings) -> Plan:
    """Find the image of each row by one look at the folders.

    Args:
        paths: where the data set lies.
        form: its form.
        keys: `<style>/<file>` of each row.
        findings: takes the images that are nowhere, and those found under another spelling.

    Raises:
        MissingError: there is not a single image.
    """
    images = paths.folder / "images"
    if form.shards:
        findings.facts["image files"] = f"from the Parquet files, short side {SHORT_SIDE} pixels"
        ready = set(_image_keys(images))
        return Plan(list(keys), [], {row for row, key in enumerate(keys) if key not in ready})
    home = _raw_home(paths.folder)
    where = os.path.relpath(home, paths.folder) if home else ""
    findings.facts["image files"] = f"from {where}, short side {SHORT_SIDE} pixels" if home else "images, as they are"
    there = list(_image_keys(images))
    made = match(keys, filter(_is_text, there))
    rest = [key for key in keys if key not in made]
    # a file name that is not UTF-8 cannot stand in a table: its image is made again, under the name in the list
    files = {name: images / name for name in there if not _is_text(name)}
    files |= {name: home / name for name in _image_keys(home)} if home and rest else {}
    raw = {key: files[name] for key, name in match(rest, files).items()}
    missing = _check_found(paths, keys, made, raw, findings)
    jobs = [
        ImageJob(row, key, raw[key], images / key, short_side=SHORT_SIDE) for row, key in enumerate(keys) if key in raw
    ]
    return Plan([made.get(key, key) for key in keys], jobs, missing)


def _check_found(
    paths: DataPaths, keys: Sequence[str], made: Mapping[str, str], raw: Mapping[str, Path], findings: Findings
) -> set[int]:
    """Report the images found under another spelling and those that are missing, and return the rows of these."""
    missing = {row for row, key in enumerate(keys) if key not in made and key not in raw}
    if len(missing) == len(keys):
        raise MissingError(
            f"none of the {len(keys)} images, such as {keys[0]}, is in {paths.folder} (looked in images, "
            f"{', '.join(_RAW)}): {REMEDY}"
        )
    for row, key in enumerate(keys):
        if row in missing:
            findings.drop("missing image", key)
        elif key != (key_of(raw[key].as_posix()) if key in raw else made[key]):
            findings.repair("image file spelled differently than in the list", key)
    return missing


def _make(paths: DataPaths, form: Form, plan: Plan, workers: int, findings: Findings) -> set[int]:
    """Make the images that are not there yet and return the rows that have none after that."""
    if not form.shards:
        return plan.missing | make_images(plan.jobs, findings, workers)
    targets = {row: paths.folder / "images" / plan.keys[row] for row in plan.missing}
    return make_images(image_jobs(form.shards, targets, SHORT_SIDE), findings, workers, total=len(targets))


def _raw_home(folder: Path) -> Path | None:
    """The folder of the style folders with the images as they were fetched."""
    homes = (folder / name for name in _RAW)
    return next((home for home in homes if any((home / style).is_dir() for style in STYLES)), None)


def _holds_named(images: Path) -> bool:
    """Whether there are images with names of their own; those from Parquet files are numbered."""
    return any(not PurePath(key).stem.isdecimal() for key in _image_keys(images))


def _is_text(name: str) -> bool:
    """Whether a file name was UTF-8; Python smuggles other bytes in as lone surrogates."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _image_keys(home: Path) -> Iterator[str]:
    """`<folder>/<file>` of every file in the folders of `home`."""
    if not home.is_dir():
        return
    for folder in sorted(path for path in home.iterdir() if path.is_dir()):
        with os.scandir(folder) as entries:
            yield from (f"{folder.name}/{entry.name}" for entry in entries if not entry.name.startswith("."))
