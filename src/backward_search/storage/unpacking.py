"""Unpacking tar and zip archives: nothing leaves the folder, nothing half unpacked looks finished, nothing twice."""

import gzip
import logging
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO

from backward_search.errors import DataError
from backward_search.progress import byte_progress
from backward_search.storage.atomic import read_json, write_json
from backward_search.storage.naming import folded
from backward_search.storage.swelling import refuse_swollen

LOG = logging.getLogger(__name__)

PIECE = 2**20
"""Bytes that are written at once."""
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,  # an encrypted zip file, or one in a form that the standard library does not know
    IndexError,  # a member of a zip file without a name
    MemoryError,  # a packed one that announces more than any machine has
    ValueError,  # names that are no text, or hold a character 0
    OverflowError,
)
ENTRY = 4096
"""What an entry counts for beside its content, as it takes as much of a disk: a small file can hold millions."""
LONG_NAME = 2**20
"""Bytes of the longest name, or of what else a tar archive says of an entry."""


@dataclass(frozen=True)
class Member:
    """One entry of an archive.

    Attributes:
        name: its path as the archive spells it.
        kind: "file", "folder", or "other" for links and devices.
        open: opens its content.
    """

    name: str
    kind: str
    open: Callable[[], IO[bytes] | None]


def is_archive(path: Path) -> bool:
    """Whether the file is a tar archive, packed or not, or a zip archive."""
    try:
        with path.open("rb") as file:
            return _is_tape(file) or zipfile.is_zipfile(file)
    except (EOFError, MemoryError):  # a gzip file that ends within its first block, an xz file that asks for too much
        return False


class _Entry(tarfile.TarInfo):
    """An entry of a tar archive whose description is not read where it is as large as no description is."""

    def _proc_gnulong(self, tape: tarfile.TarFile) -> tarfile.TarInfo:
        self._refuse_long()
        return super()._proc_gnulong(tape)  # type: ignore[misc,no-any-return]

    def _proc_pax(self, tape: tarfile.TarFile) -> tarfile.TarInfo:
        self._refuse_long()
        return super()._proc_pax(tape)  # type: ignore[misc,no-any-return]

    def _refuse_long(self) -> None:
        if self.size > LONG_NAME:
            raise tarfile.ExtractError(f"it describes an entry by {self.size:,} bytes")


def _is_tape(file: IO[bytes]) -> bool:
    """Whether a file is a tar archive, packed or not."""
    try:
        file.seek(0)
        with tarfile.open(fileobj=file, tarinfo=_Entry):
            return True
    except tarfile.ExtractError:
        return True  # which its reader will not like
    except tarfile.TarError:
        return False
    finally:
        file.seek(0)


def is_unpacked(archive: Path) -> bool:
    """Whether `unpack` has finished with this archive, and what it made is there.

    The archive itself may have been removed since.
    """
    marker = _marker(archive)
    if not marker.exists():
        return False
    notes = read_json(marker)
    same = not archive.exists() or archive.stat().st_size == notes["bytes"]
    return same and all((archive.parent / name).exists() for name in notes["entries"])


def unpack(archive: Path) -> None:
    """Unpack an archive beside itself, unless that is done already.

    Its entries go into a hidden folder first and take their places when all of them are there; a file that is there
    already is replaced.

    Args:
        archive: a tar archive, packed or not, or a zip archive. Only its files and folders count: links are refused.

    Raises:
        DataError: it is damaged, or holds something that would not stay inside the folder.
    """
    if is_unpacked(archive):
        LOG.info("%s is unpacked already", archive)
        return
    LOG.info("unpacking %s", archive)
    _marker(archive).unlink(missing_ok=True)
    temporary = archive.with_name(f".{archive.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        count = _extract(archive, temporary)
        entries = sorted(temporary.iterdir(), key=lambda path: (path.is_dir(), path.name))
        for entry in entries:  # single files first: a folder that appears is then the last thing that was missing
            _settle(entry, archive.parent / entry.name)
    except _DAMAGE as error:
        raise DataError(f"{archive} is damaged ({_short(error)}): delete it and run the command again") from None
    except OSError as error:
        where = _short(Path(str(error.filename)).name)
        raise DataError(f"{archive} cannot be unpacked: {error.strerror or error} ({where})") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    write_json(_marker(archive), {"bytes": archive.stat().st_size, "entries": [entry.name for entry in entries]})
    LOG.info("unpacked %s files from %s", f"{count:,}", archive)


def _marker(archive: Path) -> Path:
    return archive.with_name(f".{archive.name}.unpacked.json")


def _extract(archive: Path, folder: Path) -> int:
    """Write the archive's files below `folder` and return their number."""
    folder.mkdir(parents=True)
    count, unpacked = 0, 0
    spelt: dict[str, tuple[str, ...]] = {}
    with archive.open("rb") as file, byte_progress(f"unpacking {archive.name}", archive.stat().st_size) as bar:
        for member in _members(file):
            parts = _parts(member, archive)
            place = folder.joinpath(*parts)
            unpacked += ENTRY
            refuse_swollen(archive, unpacked)
            if spelt.setdefault(folded("/".join(parts)), parts) != parts:
                raise DataError(f"{archive} holds {_short(member.name)!r} twice, spelt in two ways: unpack it yourself")
            if member.kind == "folder":
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                for size in _write(member, place):
                    unpacked += size
                    refuse_swollen(archive, unpacked)
                count += 1
            bar.update(max(0, file.tell() - bar.n))
    return count


def _write(member: Member, place: Path) -> Iterator[int]:
    """Write a member piece by piece; the bytes of each."""
    content = member.open()
    if content is None:
        raise tarfile.ExtractError(f"{member.name} has no content")
    with content, place.open("wb") as file:
        while piece := content.read(PIECE):
            file.write(piece)
            yield len(piece)


def _parts(member: Member, archive: Path) -> tuple[str, ...]:
    """The parts of a member's path below the folder; read as Windows would, which knows both separators and drives.

    Raises:
        DataError: the path leads out of the folder, or is no file or folder.
    """
    path = PureWindowsPath(member.name)
    if member.kind == "other" or path.anchor or ".." in path.parts:
        problem = "a link or a device" if member.kind == "other" else "a path that leads out of the folder"
        name = _short(member.name)
        raise DataError(f"{archive} is not safe to unpack: {name!r} is {problem}, only files and folders belong")
    return path.parts


def _short(said: object) -> str:
    """The beginning of a name or a message of an archive."""
    text = str(said)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _members(file: IO[bytes]) -> Iterator[Member]:
    if _is_tape(file):  # asked first: a tar archive that holds a zip archive can look like one
        # read by hand rather than with extractall: not every Python 3.11 has its safe filter (Ubuntu 22.04's has not)
        with tarfile.open(fileobj=file, tarinfo=_Entry) as tape:
            for entry in tape:
                kind = "file" if entry.isfile() else "folder" if entry.isdir() else "other"
                yield Member(entry.name, kind, partial(tape.extractfile, entry))
        return
    with zipfile.ZipFile(file) as packed:
        for info in packed.infolist():
            link = stat.S_ISLNK(info.external_attr >> 16)
            kind = "other" if link else "folder" if info.is_dir() else "file"
            yield Member(info.filename, kind, partial(packed.open, info))


def _settle(source: Path, place: Path) -> None:
    """Move a file or a folder to its place; a folder that is there already takes the entries in."""
    if source.is_dir() and place.is_dir():
        for entry in sorted(source.iterdir()):
            _settle(entry, place / entry.name)
    elif place.is_dir() or (source.is_dir() and place.exists()):
        raise DataError(f"{place} is in the way of a file or folder of the same name: move it away and run again")
    else:
        shutil.move(source, place)
