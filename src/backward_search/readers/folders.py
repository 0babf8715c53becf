"""Folders of images, however deep."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def walk(root: Path, enters: Callable[[Path], bool]) -> Iterator[tuple[Path, list[str]]]:
    """A folder and those below it in sorted order, each with its files; links are followed, each folder is seen once.

    Args:
        root: where to begin.
        enters: whether to look into a folder.

    Yields:
        A folder, and the sorted names of its files.
    """
    seen = {os.path.realpath(root)}
    for place, folders, files in os.walk(root, followlinks=True):
        here = Path(place)
        folders[:] = [
            name for name in sorted(folders) if enters(here / name) and os.path.realpath(here / name) not in seen
        ]
        seen.update(os.path.realpath(here / name) for name in folders)
        yield here, sorted(files)
