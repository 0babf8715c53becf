"""Folders of images, however deep, without what systems and tools leave in them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

_TOOLS = frozenset(
    (
        *("@eadir", "#recycle", "@recycle", "#snapshot", "@tmp", "__macosx", "$recycle.bin", "recycler"),
        *("system volume information", "lost+found", "network trash folder", "temporary items", "found.000"),
        *("__pycache__", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini"),
        *("icon\r", "zbthumbnail.info", "albumart.db"),
    )
)
_UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".tmp", ".opdownload", ".!ut")


def is_noise(name: str) -> bool:
    """Whether a file or folder is one that systems and tools make for themselves: hidden, a bin, thumbnails, a lock.

    >>> [is_noise(name) for name in ("._a.jpg", "@eaDir", "~$items.csv", "Rococo", "a.jpg.part")]
    [True, True, True, False, True]
    """
    folded = name.casefold()
    return name.startswith((".", "~$")) or folded in _TOOLS or folded.endswith(_UNFINISHED)


def walk(root: Path, enters: Callable[[Path], bool] = lambda folder: True) -> Iterator[tuple[Path, list[str]]]:
    """A folder and those below it in sorted order, each with its files; links are followed, each folder is seen once.

    What `is_noise` knows is left out.

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
            name
            for name in sorted(folders)
            if not is_noise(name) and enters(here / name) and os.path.realpath(here / name) not in seen
        ]
        seen.update(os.path.realpath(here / name) for name in folders)
        yield here, sorted(name for name in files if not is_noise(name))
