"""The images of WikiArt: found under whatever spelling, or made from files or from Parquet files."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from backward_search.data.opening import Opening
from backward_search.data.report import Findings
from backward_search.data.spellings import match
from backward_search.data.tables import key_of
from backward_search.images.writing import ImageJob, make_images
from backward_search.readers.folders import is_noise
from backward_search.readers.wikiart.labels import STYLES
from backward_search.readers.wikiart.parquet import image_jobs
from backward_search.readers.wikiart.rows import REMEDY, Form
from backward_search.storage.paths import DataPaths

SHORT_SIDE = 256
"""Short side of the images in pixels, as published."""
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


@dataclass(frozen=True)
class How:
    """How images are made.

    Attributes:
        workers: number of processes.
        opening: how the owners' images are opened.
        anew: whether also those are encoded that could be copied, as published.
    """

    workers: int
    opening: Opening
    anew: bool


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
    home = raw_home(paths.folder)
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
        findings.none_there(
            f"none of the {len(keys)} images, such as {keys[0]}, is in {paths.folder} (looked in images, "
            f"{', '.join(_RAW)}): {REMEDY}"
        )
    for row, key in enumerate(keys):
        if row in missing:
            findings.drop("missing image", key)
        elif key != (key_of(raw[key].as_posix()) if key in raw else made[key]):
            findings.repair("image file spelled differently than in the list", key)
    return missing


def make(paths: DataPaths, form: Form, plan: Plan, how: How, findings: Findings) -> set[int]:
    """Make the images that are not there yet and return the rows that have none after that."""
    if not form.shards:
        jobs = [replace(job, opening=how.opening, anew=how.anew) for job in plan.jobs]
        return plan.missing | make_images(jobs, findings, how.workers)
    targets = {row: paths.folder / "images" / plan.keys[row] for row in plan.missing}
    encoded = image_jobs(form.shards, targets, SHORT_SIDE)
    drawn = (replace(job, opening=how.opening, anew=how.anew) for job in encoded)
    return make_images(drawn, findings, how.workers, total=len(targets))


def raw_home(folder: Path) -> Path | None:
    """The folder of the style folders with the images as they were fetched."""
    homes = (folder / name for name in _RAW)
    return next((home for home in homes if any((home / style).is_dir() for style in STYLES)), None)


def holds_named(images: Path) -> bool:
    """Whether there are images with names of their own; those from Parquet files are numbered."""
    return any(not PurePath(key).stem.isdecimal() for key in _image_keys(images))


def _is_text(name: str) -> bool:
    """Whether a file name was UTF-8; Python smuggles other bytes in as lone surrogates."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _image_keys(home: Path) -> Iterator[str]:
    """`<folder>/<file>` of every file in the folders of `home`."""
    if not home.is_dir():
        return
    for folder in sorted(path for path in home.iterdir() if path.is_dir() and not is_noise(path.name)):
        with os.scandir(folder) as entries:
            yield from (f"{folder.name}/{entry.name}" for entry in entries if not is_noise(entry.name))
