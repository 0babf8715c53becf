"""What a file is, by its first bytes: a picture, or something else that stands among pictures.

A file's ending counts where bytes do not tell: TGA files have no mark of their own, and most raw photographs call
themselves TIFF, of which Pillow would show a thumbnail.
"""

import importlib
import io
import stat
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, features

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".jp2", ".avif", ".tga", ".ico"),
)
"""How files end that promise a picture: one that cannot be read is damaged, and no file of another kind."""
RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef"),
    *(".nrw", ".orf", ".pef", ".raf", ".rw2", ".sr2", ".srf", ".srw", ".x3f"),
)
_HEAD = 4096  # bytes; comments may stand before what tells a drawing
_MARKS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
NO_PICTURES = ("BUFR", "GRIB", "HDF5", "MPEG", "WMF", "EPS", "PDF")  # which Pillow recognises, and cannot decode
_VAGUE = ("TGA", "SPIDER", "IMT", "IPTC", "MCIDAS", "PCX", "PCD", "XVTHUMB", "IM")  # other files pass for these
_DNG_VERSION = 50706  # a tag
_PLUGINS = {"pillow_heif": "register_heif_opener", "pillow_avif": "", "pillow_jxl": ""}


@dataclass(frozen=True)
class Kind:
    """What a file is that is no picture, or none that can be opened here.

    Attributes:
        one: such a file, in words.
        many: such files.
        remedy: what to do about it; "" for nothing.
    """

    one: str
    many: str
    remedy: str = ""

    def __str__(self) -> str:
        """As a report counts them."""
        return f"{self.many}: {self.remedy}" if self.remedy else self.many


OTHER = Kind("no image", "files that are no images")
_EMPTY = Kind("an empty file", "empty files", "fetch again")
_WEB_PAGE = Kind("a web page", "web pages in place of images", "fetch the images again")
_POINTER = Kind("a pointer of Git LFS", "pointers of Git LFS", "run git lfs pull")
_TIFF = Kind("a TIFF file of a rare or damaged kind", "TIFF files of a rare or damaged kind", "export as PNG")
_SVG = Kind("an SVG drawing", "SVG drawings", "export as PNG")
_DRAWING = Kind("a PostScript or Windows drawing", "PostScript and Windows drawings", "export as PNG")
_PDF = Kind("a PDF document", "PDF documents", "export pages as PNG")
_HEIC = Kind("a HEIC picture", "HEIC pictures", "pip install pillow-heif")
_AVIF = Kind("an AVIF picture", "AVIF pictures", "pip install pillow-avif-plugin, or a newer Pillow")
_JXL = Kind("a JPEG XL picture", "JPEG XL pictures", "pip install pillow-jxl-plugin")
_RAW = Kind("a raw photograph", "raw photographs", "develop to JPEG or PNG")
_VIDEO = Kind("a video", "videos", "save frames as JPEG or PNG")
_DICOM = Kind("a DICOM picture", "DICOM pictures", "export as PNG")
_LAYERS = Kind("a large Photoshop document", "large Photoshop documents", "export as PNG")
_ARCHIVE = Kind("an archive", "archives", "unpack first")
_SPECIAL = Kind("a pipe, socket or device", "pipes, sockets and devices")
_CLOSED = Kind("a file that must not be read", "files that must not be read", "change the permissions")

_BEGINNINGS: tuple[tuple[Kind, tuple[bytes, ...]], ...] = (
    (_PDF, (b"%PDF",)),
    (_DRAWING, (b"%!PS", b"\xc5\xd0\xd3\xc6", b"\xd7\xcd\xc6\x9a", b"\x01\x00\x09\x00\x00\x03")),
    (_JXL, (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")),
    (_RAW, (b"FUJIFILMCCD-RAW", b"FOVb", b"\x00MRM", b"IIRO", b"IIRS", b"MMOR", b"IIU\x00", b"II\x1a\x00\x00\x00HEAP")),
    (
        _VIDEO,
        (b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"FLV\x01", b"OggS", b"0&\xb2u\x8ef\xcf\x11"),
    ),
    (_LAYERS, (b"8BPS\x00\x02",)),
    (_ARCHIVE, (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\xfd7zXZ", b"BZh")),
    (_POINTER, (b"version https://git-lfs",)),
    (_TIFF, (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),
)
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), _HEIC),
    **dict.fromkeys((b"avif", b"avis"), _AVIF),
    b"crx ": _RAW,
}


@cache
def load_plugins() -> None:
    """Make the formats known to Pillow that packages add, as far as they are installed."""
    for module, register in _PLUGINS.items():
        try:
            plugin = importlib.import_module(module)
        except ImportError:
            continue
        if register:
            getattr(plugin, register)()


def kind_of(source: Path | bytes) -> Kind | None:
    """What a file is; None for a picture, also for a damaged one and for one that is not there.

    Args:
        source: the file, or its content.
    """
    if isinstance(source, bytes):
        return _judged(source[:_HEAD], source, "") if source else None
    try:
        status = source.stat()
        if not stat.S_ISREG(status.st_mode):
            return OTHER if stat.S_ISDIR(status.st_mode) else _SPECIAL
        with source.open("rb") as stream:
            head = stream.read(_HEAD)
    except (FileNotFoundError, ValueError):  # the second of a name with a character 0
        return None
    except OSError:
        return _CLOSED
    return _judged(head, source, source.suffix.lower())


def is_raw(image: Image.Image, suffix: str) -> bool:
    """Whether what Pillow has opened is the thumbnail of a raw photograph."""
    return image.format == "TIFF" and (suffix in RAW_SUFFIXES or _DNG_VERSION in getattr(image, "tag_v2", {}))


def _judged(head: bytes, source: Path | bytes, suffix: str) -> Kind | None:
    if not head:
        return _EMPTY
    if head.startswith(_MARKS):
        return None
    found = None if suffix in (".html", ".htm") else _told(head)
    if suffix in RAW_SUFFIXES:
        return _RAW if found in (None, _TIFF) else found
    if found in (None, _HEIC, _AVIF, _JXL, _TIFF):
        opened = _opened(source, suffix)
        if opened is None:
            return _RAW
        if opened:
            return None
    return found or (None if suffix in SUFFIXES else OTHER)


def _opened(source: Path | bytes, suffix: str) -> bool | None:
    """Whether Pillow finds a picture; None for the thumbnail of a raw photograph."""
    load_plugins()
    Image.init()
    unsure = {*NO_PICTURES, *(name for name in _VAGUE if Image.EXTENSION.get(suffix) != name)}
    try:
        with warnings.catch_warnings(action="ignore"):  # on damaged tags, and on sizes that are looked at later
            formats = [name for name in Image.ID if name not in unsure]
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats) as image:
                return None if is_raw(image, suffix) else True
    except Image.DecompressionBombError:
        return True
    except Exception:  # whatever a decoder of any package raises on what is not for it
        return False


def _told(head: bytes) -> Kind | None:
    """What the first bytes tell, of that which Pillow alone does not open."""
    if head[8:10] == b"CR" and head.startswith(b"II*\x00"):
        return _RAW
    for kind, beginnings in _BEGINNINGS:
        if head.startswith(beginnings):
            return kind
    if head[4:8] == b"ftyp":
        brand = _BRANDS.get(head[8:12], _VIDEO)
        also_avif = any(mark in head[16:64] for mark in (b"avif", b"avis"))
        return _AVIF if brand is _HEIC and also_avif and not features.check("avif") else brand
    if head[4:8] in (b"moov", b"mdat", b"wide") or (head.startswith(b"RIFF") and head[8:12] == b"AVI "):
        return _VIDEO
    if head[128:132] == b"DICM":
        return _DICOM
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not text.startswith(b"<"):
        return None
    if text.startswith((b"<!doctype html", b"<head", b"<body")) or b"<html" in text:
        return _WEB_PAGE
    return _SVG if b"<svg" in text else None
