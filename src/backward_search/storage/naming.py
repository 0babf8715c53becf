"""Names of files and folders that every common disk can hold, and paths that lead out of a folder."""

import hashlib
import re
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

LONGEST = 200
"""Most bytes of a stored name; disks hold 255, of which names of unfinished files take some."""
LONGEST_OF_OURS = 240
"""The same where the project makes the name of several things: longer ones were never written, shorter ones were."""
_RESERVED = re.compile(r'[\x00-\x1f\x7f<>:"|?*/\\]')
_ENDS = re.compile(r"^\.|[. ]+$")
_PORTS = "123456789\u00b9\u00b2\u00b3"
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", "conin$", "conout$", *(f"{port}{n}" for port in ("com", "lpt") for n in _PORTS))
)


def text(name: object) -> str:
    r"""A name as it can be written: bytes that are no UTF-8 become question marks.

    >>> text("caf\udce9/a.jpg")
    'caf?/a.jpg'
    """
    return str(name).encode("utf-8", "replace").decode("utf-8")


def storable(name: str, longest: int = LONGEST) -> str:
    r"""The name of a file or folder as every common disk can hold it.

    In Unicode's composed form, without characters that some system keeps for itself, not hidden, without a dot or space
    at its end, no name of a device of Windows, and no longer than so many bytes: a longer one ends in a hash of the
    whole.

    >>> storable("Rococo, 1750.jpg"), storable('who?"\n.jpg'), storable("aux.png"), storable("cafe\u0301. ")
    ('Rococo, 1750.jpg', 'who___.jpg', 'aux_.png', 'café_')
    >>> storable(".."), storable("../a"), storable(".git")
    ('__', '_._a', '_git')
    """
    plain = _RESERVED.sub("_", unicodedata.normalize("NFC", text(name)))
    plain = _ENDS.sub("_", plain) or "_"
    stem, dot, suffix = plain.partition(".")
    if stem.rstrip(" ").casefold() in _DEVICES:
        plain = f"{stem}_{dot}{suffix}"
    if len(plain.encode("utf-8")) <= longest:
        return plain
    ending = PurePosixPath(plain).suffix[:8]
    digest = hashlib.sha1(name.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:8]
    kept = plain.encode("utf-8")[: longest - len(ending.encode("utf-8")) - 9].decode("utf-8", "ignore")
    return f"{kept}-{digest}{ending}"


def folded(name: str) -> str:
    r"""A name without its case and its Unicode form: two names with the same one are one file on some disks.

    >>> folded("Cafe\u0301") == folded("CAF\u00c9"), folded("\u01f0") == folded("J\u030c")
    (True, True)
    """
    if name.isascii():
        return name.lower()
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
    return unicodedata.normalize("NFC", plain)


def leads_out(path: str) -> bool:
    r"""Whether a path, as it is written, begins elsewhere than at its folder or climbs out of it, on any system.

    >>> [leads_out(path) for path in ("a/../b.jpg", "a/../../b.jpg", "/b.jpg", "..\\b.jpg", "C:b.jpg", "a..b")]
    [False, True, True, True, True, False]
    """
    windows = PureWindowsPath(path)
    if windows.drive or windows.root:
        return True
    depth = 0
    for part in windows.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False
