"""What came of an input, findings by where they happened, and the smallest input that still does it."""

import hashlib
import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from watching import EscapedError, Watch

from backward_search.errors import UserError

PACKAGE = f"{os.sep}backward_search{os.sep}"
TRIES, SECONDS = 400, 8.0
"""How long an input is made smaller."""


@dataclass(frozen=True)
class Outcome:
    """What came of an input.

    Attributes:
        kind: "accepted", "refused" or "found".
        place: where it was refused or failed, with the error's type.
        text: the traceback of a finding.
    """

    kind: str
    place: str = ""
    text: str = ""


def outcome(read: Callable[[bytes], object], content: bytes, watch: Watch) -> Outcome:
    """Give an input to a reader and see."""
    watch.escaped, watch.armed = "", True
    try:
        read(content)
    except UserError as error:
        watch.armed = False
        known = Outcome("refused", place_of(error))
    except (Exception, EscapedError, SystemExit) as error:
        watch.armed = False
        known = Outcome("found", place_of(error), "".join(traceback.format_exception(error)))
    else:
        known = Outcome("accepted")
    watch.armed = False
    if watch.escaped:
        return Outcome("found", f"Escaped {watch.escaped.split()[0]}", watch.escaped)
    return known


def place_of(error: BaseException) -> str:
    """The type of an error, the last line of the package on its way, and the function that raised it."""
    own, last, step = "", "", error.__traceback__
    depth = 0
    while step is not None and depth < 2000:
        own, last, step, depth = *_of(step, own), step.tb_next, depth + 1
    return f"{type(error).__name__} {own} {last}"


def _of(step: TracebackType, own: str) -> tuple[str, str]:
    code = step.tb_frame.f_code
    _, found, inner = code.co_filename.rpartition(PACKAGE)
    last = f"{Path(code.co_filename).name}:{code.co_name}" if step.tb_next is None else ""
    return (f"{inner}:{step.tb_lineno}" if found else own), last


def keep(folder: Path, place: str, content: bytes, text: str) -> bool:
    """Keep an input, unless one of the same place is kept already."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / hashlib.sha1(place.encode(), usedforsecurity=False).hexdigest()[:10]
    if stem.with_suffix(".txt").exists():
        return False
    stem.with_suffix(".input").write_bytes(content)
    stem.with_suffix(".txt").write_text(f"{place}\n{len(content)} bytes\n\n{text}", encoding="utf-8", errors="replace")
    return True


def smaller(content: bytes, still: Callable[[bytes], bool]) -> bytes:
    """A smaller input that still does the same: parts are left out, halves first."""
    tries, until = 0, time.monotonic() + SECONDS
    width = max(len(content) // 2, 1)
    while width:
        start = 0
        while start < len(content):
            if tries >= TRIES or time.monotonic() > until:
                return content
            candidate, tries = content[:start] + content[start + width :], tries + 1
            if still(candidate):
                content = candidate
            else:
                start += width
        width //= 2
    return content


def in_a_fork(action: Callable[[bytes], object], content: bytes, seconds: int = 5) -> str:
    """How a fork of this process ends that is given an input: "" for well, else the signal."""
    child = os.fork()
    if not child:
        signal.alarm(seconds)
        try:
            action(content)
        except BaseException:
            os._exit(0)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else ""
