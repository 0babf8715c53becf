"""Small files that are made to take up time or memory."""

import struct
import zipfile
import zlib

LEVELS = 24
"""Twice as heavy with each: enough to be refused, and read in a second where nobody refuses it."""


def shared_tuples(levels=LEVELS, *, popped=True):
    """The beginning of a pickle whose memo has a tuple of twice the one before it, and what fetches the last."""
    pickled = b"\x80\x02)q\x00" + b"0" * popped
    for level in range(levels):
        pickled += b"h%ch%c\x86q%c" % (level, level, level + 1) + b"0" * popped
    return pickled, b"h%c" % levels


def as_key(levels=LEVELS, **how):
    """A pickle of a dictionary whose only key is such a tuple."""
    pickled, last = shared_tuples(levels, **how)
    return pickled + b"}" + last + b"K\x01s."


def zeros_as_png(width, height, grey=True):
    """A black picture as a PNG file."""
    kind, channels = (0, 1) if grey else (2, 3)

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer = zlib.compressobj(9)
    row = bytes(1 + width * channels)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def repacked(source, target):
    """A zip file with the same entries, compressed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return target
