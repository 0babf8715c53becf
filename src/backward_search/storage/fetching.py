"""Fetching a file over HTTP: goes on where it was cut off, is checked before it takes its name, is whole or absent."""

import hashlib
import http.client
import logging
import re
import shutil
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from backward_search import __version__
from backward_search.errors import DataError, MissingError, UserError
from backward_search.progress import byte_progress
from backward_search.storage.atomic import read_json, write_json
from backward_search.storage.unpacking import is_archive

LOG = logging.getLogger(__name__)

CHUNK = 2**18
"""Most bytes taken from the connection at once."""
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""HTTP answers that a later attempt may not get."""


@dataclass(frozen=True)
class Remote:
    """A file that somebody publishes.

    Attributes:
        url: where.
        alternatives: what a user can do when it cannot be had there.
        size: its published size in bytes.
        digests: its published checksums in hexadecimal, by the name of the algorithm.
        archive: whether it has to be a tar or zip archive.
    """

    url: str
    alternatives: str
    size: int | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    archive: bool = False

    def unreachable(self, reason: str) -> UserError:
        """The error for a file that cannot be had."""
        return MissingError(f"{self.url} could not be fetched ({reason}): {self.alternatives}")

    def fault(self, path: Path) -> str:
        """What is wrong with the file at `path`; empty if it is the published one, as far as can be told."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"it has {size:,} bytes, not the {self.size:,} that are published"
        for algorithm, expected in self.digests.items():
            with path.open("rb") as file:
                found = hashlib.file_digest(file, algorithm).hexdigest()
            if found != expected.lower():
                return f"its {algorithm} is {found}, not the published {expected}"
        return "it is neither a tar nor a zip archive" if self.archive and not is_archive(path) else ""


@dataclass(frozen=True)
class Patience:
    """How long to try.

    Attributes:
        attempts: attempts in a row that bring nothing new before giving up.
        first_wait: seconds before the second attempt; doubled after each further one.
        longest_wait: most seconds between two attempts.
        timeout: seconds without a sign of the server that count as a cut connection.
    """

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    timeout: float = 60.0

    def wait(self, failures: int, asked: float = 0.0) -> float:
        """Seconds to wait after so many failures in a row; the server may have asked for more."""
        return min(self.longest_wait, max(asked, self.first_wait * 2.0 ** (failures - 1)))


class _CutError(Exception):
    """An attempt that failed, but need not fail again."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class _Part:
    """What has come of a file so far, and beside it which version of the file it belongs to."""

    path: Path

    @property
    def notes_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def notes(self, url: str) -> dict[str, Any]:
        """The version of the file the part belongs to; empty where that is unknown."""
        if self.size == 0 or not self.notes_path.exists():
            return {}
        notes: dict[str, Any] = read_json(self.notes_path)
        return notes if notes.get("url") == url else {}

    def begin(self, notes: dict[str, Any]) -> None:
        """Start from nothing: the bytes of an older version go before the new version is noted."""
        self.path.open("wb").close()
        write_json(self.notes_path, notes)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.notes_path.unlink(missing_ok=True)


def fetch_file(remote: Remote, target: Path, patience: Patience | None = None) -> Path:
    """Fetch a file, unless it is there already.

    What has come so far waits in `<target>.part`, and a later call goes on from there. The file takes its name when it
    is complete and its size and checksums are right; a wrong one is deleted and fetched once more.

    Args:
        remote: what to fetch.
        target: where it goes.
        patience: how long to try.

    Returns:
        `target`.

    Raises:
        MissingError: it cannot be fetched; the message names the URL, the reason and the alternatives.
        DataError: the server has another file than the published one, or the file that is there already is another.
    """
    if target.exists():
        if fault := remote.fault(target):
            raise DataError(f"{target} is not the published file ({fault}): move it away and run the command again")
        LOG.info("%s is there already", target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(target.with_name(f"{target.name}.part"))
    for once_more in (True, False):
        _complete(remote, part, patience or Patience())
        fault = remote.fault(part.path)
        if not fault:
            break
        part.discard()
        if not once_more:
            raise DataError(f"{remote.url} is not the published file ({fault}): {remote.alternatives}")
        LOG.warning("%s: what came is wrong (%s), fetching it once more", remote.url, fault)
    part.path.replace(target)
    part.discard()
    LOG.info("fetched %s (%s bytes)", target, f"{target.stat().st_size:,}")
    return target


def why_unreachable(url: str, seconds: float = 5.0) -> str:
    """Why a server cannot be reached, found out in a few seconds, in which its name is looked up too.

    Args:
        url: of a file; its head alone is asked for, through the proxies that the environment names.
        seconds: how long to wait.

    Returns:
        The reason; empty where anything answers, be it that there is no such file.
    """
    said: list[str] = []

    def ask() -> None:
        """Ask once, and note the reason; "" for any answer."""
        request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": f"backward-search/{__version__}"})
        try:
            urllib.request.urlopen(request, timeout=seconds).close()
            said.append("")
        except HTTPError as error:
            error.close()
            said.append("")
        except (OSError, http.client.HTTPException) as error:
            said.append(_reason(error.reason if isinstance(error, URLError) else error))

    asking = threading.Thread(target=ask, daemon=True)  # nothing ends the look-up of a name before its time
    asking.start()
    asking.join(seconds)
    return said[0] if said else f"no answer in {seconds:g} seconds"


def _complete(remote: Remote, part: _Part, patience: Patience) -> None:
    """Make the part whole, in as many attempts as bring new bytes."""
    LOG.info("fetching %s", remote.url)
    failures, most = 0, part.size
    while True:
        try:
            return _attempt(remote, part, patience.timeout)
        except _CutError as cut:
            if part.size > most:
                failures, most = 0, part.size
            failures += 1
            if failures >= patience.attempts:
                raise remote.unreachable(f"{cut}, {failures} times in a row") from None
            wait = patience.wait(failures, cut.wait)
            LOG.warning("%s: %s after %s bytes, next attempt in %.0f s", remote.url, cut, f"{part.size:,}", wait)
            time.sleep(wait)


def _attempt(remote: Remote, part: _Part, timeout: float) -> None:
    """Ask for what is missing, once.

    Raises:
        _CutError: the part is not whole after that.
    """
    notes = part.notes(remote.url)
    have = (
        part.size if notes.get("version") or remote.digests else 0
    )  # without either, nobody could tell versions apart
    if have and have == notes.get("size"):
        return
    headers = {"User-Agent": f"backward-search/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": notes["version"]} if notes.get("version") else {})
    with _answer(urllib.request.Request(remote.url, headers=headers), remote, part, timeout) as answer:
        start, total = _range(answer, part, have, notes)
        _store(answer, remote, part, start, total)
    if total is not None and part.size != total:
        raise _CutError(f"the connection was cut with {total - part.size:,} bytes missing")


def _answer(request: urllib.request.Request, remote: Remote, part: _Part, timeout: float) -> Any:
    """The server's answer to a request it can fulfil."""
    try:
        return urllib.request.urlopen(request, timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # the part is longer than the file is now
            part.discard()
            raise _CutError("the file has changed there, starting over") from None
        if error.code in PASSING:
            asked = error.headers.get("Retry-After", "")
            wait = float(asked) if asked.isdecimal() else 0.0
            raise _CutError(f"HTTP {error.code} {error.reason}", wait) from None
        raise remote.unreachable(f"HTTP {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        cause = error.reason if isinstance(error, URLError) else error
        # a name that nobody knows stays unknown, unless the network has just broken away under a file half fetched
        if isinstance(cause, ssl.SSLCertVerificationError) or (isinstance(cause, socket.gaierror) and not part.size):
            raise remote.unreachable(_reason(cause)) from None
        raise _CutError(_reason(cause)) from None


def _reason(cause: object) -> str:
    if isinstance(cause, http.client.IncompleteRead):
        return "it ended too soon"
    text = str(cause) or type(cause).__name__
    return f"the server's name is not known here: {text}" if isinstance(cause, socket.gaierror) else text


def _version(answer: Any) -> str:
    """What tells this version of the file from others; a weak ETag does not."""
    tag: str = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _range(answer: Any, part: _Part, have: int, notes: Mapping[str, Any]) -> tuple[int, int | None]:
    """Where the answer's bytes belong in the file, and the size of the whole file where the server says it.

    Raises:
        _CutError: they do not continue what is there.
    """
    if answer.status != 206:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
    total = int(found[2]) if found and found[2] != "*" else notes.get("size")
    known = (notes.get("version"), notes.get("size"))
    same = known[0] in (None, _version(answer) or known[0]) and known[1] in (None, total)
    if found is None or int(found[1]) != have or not same:
        part.discard()
        raise _CutError("the file has changed there, starting over")
    return have, total


def _store(answer: Any, remote: Remote, part: _Part, start: int, total: int | None) -> None:
    """Write the answer's bytes to the part, behind the first `start`."""
    missing, free = (total or 0) - start, shutil.disk_usage(part.path.parent).free
    if missing > free:
        raise remote.unreachable(f"{missing:,} bytes are missing, but {part.path.parent} has only {free:,} free")
    try:
        if not start:
            part.begin({"url": remote.url, "version": _version(answer), "size": total})
        with part.path.open("ab") as file, byte_progress(part.path.stem, total, start) as bar:
            for chunk in _chunks(answer):
                file.write(chunk)
                bar.update(len(chunk))
    except OSError as error:
        raise remote.unreachable(f"{part.path} cannot be written: {error.strerror or error}") from None


def _chunks(answer: Any) -> Iterator[bytes]:
    try:
        while chunk := answer.read1(CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(f"the connection was cut ({_reason(error)})") from None
