"""The hash of a file, taken once as long as the file stays as it is."""

import hashlib
import json
import os
import time
from pathlib import Path

LARGE = 2**28
"""Bytes from which on a hash is noted beside the file: 10 GB take some ten seconds."""
SETTLED = 2.0
"""Seconds since a file's last change after which its times tell another change; the clock of a disk is coarse."""

_Look = tuple[int, int, int, int]
_known: dict[tuple[str, _Look], str] = {}


def file_hash(path: Path, *, noting: bool = False) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    What was hashed before is not read again while size, times and inode are the same.

    Args:
        path: the file.
        noting: note the hash of a large file beside it, for later processes.
    """
    found = path.stat()
    look = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    place = (os.path.abspath(path), look)  # noqa: PTH100  a link stays a link
    if (known := _known.get(place) or _noted(path, look)) is None:
        with path.open("rb") as file:
            known = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time() - found.st_ctime < SETTLED:
            return known
        if noting:
            _note(path, look, known)
    _known[place] = known
    return known


def _note_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256.json")


def _noted(path: Path, look: _Look) -> str | None:
    """The hash that is noted beside a large file, if it is of the file as it is."""
    if look[0] < LARGE:
        return None
    try:
        content = json.loads(_note_of(path).read_bytes())
        right = content["look"] == list(look) and isinstance(content["sha256"], str)
        return content["sha256"] if right else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(path: Path, look: _Look, value: str) -> None:
    """Note the hash of a large file beside it, where that can be written."""
    if look[0] < LARGE:
        return
    place = _note_of(path)
    temporary = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps({"look": look, "sha256": value}))
        temporary.replace(place)
    except OSError:
        temporary.unlink(missing_ok=True)
