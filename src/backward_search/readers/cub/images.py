"""The photographs of CUB: found in either of their places, checked, and brought to where the tables expect them."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from backward_search.data.opening import USUAL, Opening
from backward_search.data.report import Findings
from backward_search.errors import DataError
from backward_search.images.opening import left_out_as, opened
from backward_search.progress import progress
from backward_search.storage.atomic import replacing
from backward_search.storage.paths import DataPaths

ARCHIVE = "CUB_200_2011"
"""The folder that the archive unpacks."""
HOME = "https://www.vision.caltech.edu/datasets/cub_200_2011/"
REMEDY = f"download {ARCHIVE}.tgz from {HOME} and unpack it there, or pass --download True"
_TAIL = 64  # bytes in which the end marker of a whole JPEG file is expected; some cameras pad the file a little


def check_images(paths: DataPaths, keys: Sequence[str], opening: Opening, findings: Findings) -> dict[int, Path]:
    """Find the image of each row and see whether it is whole.

    Args:
        paths: where the data set lies.
        keys: `<class>/<file>` of each row.
        opening: how images are opened.
        findings: takes the images that are missing or broken, and those that are grey.

    Returns:
        The files of the usable rows.

    Raises:
        MissingError: there is not a single usable image.
    """
    folders = [paths.folder / "images", paths.folder / ARCHIVE / "images"]
    usable: dict[int, Path] = {}
    for row, key in enumerate(progress(keys, "checking", "image")):
        file = next((folder / key for folder in folders if (folder / key).is_file()), None)
        if file is None:
            findings.drop("missing image", key)
            continue
        try:
            mode = image_mode(file, opening)
        except DataError as error:
            findings.drop(left_out_as(file, error), key)
            continue
        if mode == "L":
            findings.repair("greyscale, read as RGB", key)
        usable[row] = file
    if not usable:
        looked = " or ".join(str(folder) for folder in folders)
        findings.none_there(f"none of the {len(keys)} images, such as {keys[0]}, is usable in {looked}: {REMEDY}")
    return usable


def image_mode(file: Path, opening: Opening = USUAL) -> str:
    """Pillow's mode of an image, such as "RGB".

    A JPEG file with a readable header and an end marker counts as whole; only another one is decoded to see.

    Raises:
        DataError: it cannot be read.
    """
    with opened(file, opening.max_pixels) as image:
        if image.format != "JPEG" or not _has_end_marker(file):
            image.load()
        return image.mode


def _has_end_marker(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(-min(_TAIL, file.stat().st_size), os.SEEK_END)
        return b"\xff\xd9" in stream.read()


def bring_images(paths: DataPaths, files: Mapping[int, Path]) -> None:
    """Make `images/` hold the images that lie in the archive's folder: as a link to it, or file by file.

    Args:
        paths: where the data set lies.
        files: the file of each usable row.
    """
    images, archive = paths.folder / "images", paths.folder / ARCHIVE / "images"
    away = [file for file in files.values() if file.is_relative_to(archive)]
    if not away:
        return
    if images.is_dir() and not images.is_symlink() and not any(images.iterdir()):
        images.rmdir()
    if images.is_symlink() and not images.exists():
        images.unlink()
    if not images.exists():
        try:
            images.symlink_to(Path(ARCHIVE) / "images", target_is_directory=True)
            return
        except OSError:  # a file system or an account without symbolic links
            images.mkdir()
    for file in progress(away, "linking", "image"):
        _bring(file, images / file.relative_to(archive))


def _bring(file: Path, place: Path) -> None:
    place.parent.mkdir(exist_ok=True)
    try:
        place.hardlink_to(file)
    except OSError:
        with replacing(place) as temporary:
            shutil.copyfile(file, temporary)
