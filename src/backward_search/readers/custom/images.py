"""The images of the user's own data set: made in `data/<name>/images` out of whatever they come as."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backward_search.data.opening import Opening
from backward_search.data.report import Findings
from backward_search.errors import DataError
from backward_search.images.writing import ImageJob, make_images
from backward_search.readers.custom.listing import Files, Listing
from backward_search.storage.atomic import read_json, write_json
from backward_search.storage.hashing import file_hash
from backward_search.storage.paths import DataPaths

SHORT_SIDE = 256
"""Least length to which the short side of a larger image is brought, in pixels: as published for WikiArt."""
MARKER = ".made-from.json"
"""In `images/`, what the images were made from; without it the folder is not ours."""


@dataclass(frozen=True)
class How:
    """How images are made.

    Attributes:
        image_size: side of the network's input in pixels.
        workers: number of processes.
        opening: how the user's images are opened.
        wanted: whether they are made; vectors can do without.
    """

    image_size: int
    workers: int
    opening: Opening
    wanted: bool = True


def refuse_own_images(paths: DataPaths, file: Path, listing: Listing) -> None:
    """What images are made from has to lie outside of the folder in which they are made.

    Raises:
        DataError: it does not.
    """
    images = (paths.folder / "images").resolve()
    places = {path.parent for path in listing.images.paths} if isinstance(listing.images, Files) else set()
    inside = any(place.resolve().is_relative_to(images) for place in places if "\0" not in str(place))
    if inside or (file.is_dir() and images.is_relative_to(file.resolve())):
        raise DataError(
            f"--source {file} holds {images}, where the images are made: move your images to another folder"
        )


def make(paths: DataPaths, file: Path, listing: Listing, how: How, findings: Findings) -> set[int]:
    """Make the images that are not there yet.

    Args:
        paths: where the data set lies.
        file: the source.
        listing: the rows of the data set.
        how: how they are made.
        findings: takes the images that cannot be made.

    Returns:
        The rows that have no image.

    Raises:
        DataError: there are images that nothing says the origin of.
    """
    if listing.images is None or not how.wanted:
        return set()
    images, short_side = paths.folder / "images", max(SHORT_SIDE, how.image_size)
    hashes = {name: file_hash(path) for name, path in listing.inputs.items()}
    ground = {name: value for name, value in how.opening.unusual.items() if name == "background"}
    claim(images, {"source": str(file), "inputs": hashes, "short_side": short_side, **ground})
    targets = [images / key for key in listing.keys]
    missing: set[int] = set()
    if isinstance(listing.images, Files):
        files = [listing.images.paths[row] for row in listing.rows]
        missing = {place for place, row in enumerate(listing.rows) if listing.images.sizes[row] < 0}
        for place in set(range(len(files))) - missing:
            _withdraw_older(targets[place], files[place])
    if listing.vectors is not None:
        for place in sorted(missing):
            findings.repair("vectors without their image", listing.names[place])
    places = [place for place, target in enumerate(targets) if place not in missing and not target.exists()]

    def jobs() -> Iterator[ImageJob]:
        """The images that are not there yet, drawn from the source as the work goes on."""
        assert listing.images is not None
        contents = listing.images.contents([listing.rows[place] for place in places])
        for place, content in zip(places, contents, strict=True):
            yield ImageJob(
                place, listing.names[place], content, targets[place], short_side=short_side, opening=how.opening
            )

    if listing.vectors is None:
        return missing | make_images(jobs(), findings, how.workers, total=len(places))
    unmade = Findings()
    make_images(jobs(), unmade, how.workers, total=len(places))
    for reason, names in unmade.dropped.items():
        findings.repaired.setdefault(f"vectors without their image, {reason}", []).extend(names)
    return set()


def claim(images: Path, made_from: dict[str, Any]) -> None:
    """Take the image folder for images made from this; images made from something else are removed.

    Raises:
        DataError: there are images that nothing says the origin of.
    """
    marker = images / MARKER
    if marker.exists():
        if read_json(marker) == made_from:
            return
        shutil.rmtree(images)
    elif images.is_dir() and any(images.iterdir()):
        raise DataError(f"{images} holds files that A1 did not make: move them away, or choose another --dataset_name")
    write_json(marker, made_from)


def _withdraw_older(target: Path, file: Path) -> None:
    """Remove an image that is older than what it was made from."""
    if target.exists() and target.stat().st_mtime < file.stat().st_mtime:
        target.unlink()
