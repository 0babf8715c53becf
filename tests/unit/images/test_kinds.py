"""What is a picture is told by its content, and what is none is named with what to do."""

import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

from backward_search.errors import DataError
from backward_search.images import kinds
from backward_search.images.kinds import OTHER, kind_of
from backward_search.images.opening import open_picture


def drawn():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8))


def content(form, **options):
    file = io.BytesIO()
    drawn().save(file, form, **options)
    return file.getvalue()


FORMS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "ICO", "MPO", "DDS", "SGI", "ICNS")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["a", "a.jfif", "a.jpe", "a.png", "a.data", "ä 1"])
def test_pictures_are_known_whatever_their_name(form, name, tmp_path):
    file = tmp_path / name
    file.write_bytes(content(form))
    assert kind_of(file) is None
    assert kind_of(file.read_bytes()) is None
    assert open_picture(file).mode == "RGB"


def test_a_tga_file_is_known_by_its_ending(tmp_path):
    for name, kind in (("a.tga", None), ("a.vda", None), ("a.bin", OTHER)):
        (tmp_path / name).write_bytes(content("TGA"))
        assert kind_of(tmp_path / name) == kind


FTYP = b"\0\0\0\x18ftyp%s\0\0\0\0" + bytes(64)


@pytest.mark.parametrize(
    ("name", "head", "words"),
    [
        ("a.svg", b'<?xml version="1.0"?><!-- made by hand -->\n<svg xmlns="x"/>', "SVG drawings: export as PNG"),
        ("a.jpg", b"\xef\xbb\xbf<!DOCTYPE html><svg>", "web pages in place of images: fetch the images again"),
        ("a.heic", FTYP % b"heic", "HEIC pictures: pip install pillow-heif"),
        ("a.jpg", FTYP % b"mif1", "HEIC pictures: pip install pillow-heif"),
        ("a.mp4", FTYP % b"isom", "videos: save frames as JPEG or PNG"),
        ("a.mov", b"\0\0\0\x08wide\0\0\0\0mdat", "videos: save frames as JPEG or PNG"),
        ("a.avi", b"RIFF\0\0\0\0AVI LIST", "videos: save frames as JPEG or PNG"),
        ("a.webm", b"\x1aE\xdf\xa3", "videos: save frames as JPEG or PNG"),
        ("a.cr3", FTYP % b"crx ", "raw photographs: develop to JPEG or PNG"),
        ("a.raf", b"FUJIFILMCCD-RAW 0201", "raw photographs: develop to JPEG or PNG"),
        ("a.pdf", b"%PDF-1.7", "PDF documents: export pages as PNG"),
        (
            "a.ai",
            b"%!PS-Adobe-3.0 EPSF-3.0\n",
            "PostScript and Windows drawings: export as PNG",
        ),
        ("a.jxl", b"\xff\x0a\0\0", "JPEG XL pictures: pip install pillow-jxl-plugin"),
        ("a.dcm", bytes(128) + b"DICM", "DICOM pictures: export as PNG"),
        ("a.psb", b"8BPS\0\2", "large Photoshop documents: export as PNG"),
        ("a.tif", b"II*\0\x08\0\0\0\0\0", "TIFF files of a rare or damaged kind: export as PNG"),
        ("a.zip", b"PK\3\4", "archives: unpack first"),
        ("a.png", b"version https://git-lfs.github.com/spec/v1\n", "pointers of Git LFS: run git lfs pull"),
        ("a.jpg", b"", "empty files: fetch again"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(64), "files that are no images"),
        ("notes.txt", b"P1 and P2 are places", "files that are no images"),
        ("labels.csv", b"path,label\n", "files that are no images"),
        ("index.html", b"<html>", "files that are no images"),
        ("a.md", b"# On <html>", "files that are no images"),
        ("a", b"whatever", "files that are no images"),
    ],
)
def test_what_is_no_picture_is_named_with_what_to_do(name, head, words, tmp_path, monkeypatch):
    monkeypatch.setattr(kinds, "_PLUGINS", {})  # whatever is installed here
    file = tmp_path / name
    file.write_bytes(head)
    assert str(kind_of(file)) == words
    _, _, remedy = words.partition(": ")
    with pytest.raises(DataError, match=rf"image {file} is an? .+: {remedy}$" if remedy else "cannot be read"):
        open_picture(file)
    if remedy and head:
        with pytest.raises(DataError, match=rf"^the file is an? .+: {remedy}$"):
            open_picture(head)


def raw_photograph(tags):
    file = io.BytesIO()
    drawn().save(file, "TIFF", tiffinfo=tags)
    return file.getvalue()


def test_a_raw_photograph_is_not_taken_for_its_thumbnail(tmp_path):
    for name, tags in (("a.nef", {}), ("a.tif", {50706: b"\1\4\0\0"}), ("a", {50706: b"\1\4\0\0"})):
        file = tmp_path / name
        file.write_bytes(raw_photograph(tags))
        assert str(kind_of(file)) == "raw photographs: develop to JPEG or PNG"
        with pytest.raises(DataError, match=rf"image {file} is a raw photograph: develop to JPEG or PNG"):
            open_picture(file)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.tga"])
def test_a_damaged_picture_is_still_one(name, tmp_path):
    (tmp_path / name).write_bytes(b"\xff\xd8\xff" if name == "a.jpg" else bytes(range(7, 90)))
    assert kind_of(tmp_path / name) is None
    assert kind_of(tmp_path / f"no-{name}") is None


@pytest.mark.skipif(sys.platform == "win32", reason="pipes in folders are a Unix matter")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    assert str(kind_of(tmp_path / "a.jpg")) == "pipes, sockets and devices"
    assert kind_of(tmp_path) == OTHER


def test_a_package_that_adds_a_format_is_asked(tmp_path, monkeypatch):
    (tmp_path / "new_format.py").write_text(
        "from PIL import Image, PngImagePlugin\n"
        "def register():\n"
        "    class New(PngImagePlugin.PngImageFile):\n"
        "        format = 'NEW'\n"
        "        def _open(self):\n"
        "            self.fp.read(5)\n"
        "            raise SyntaxError if self.fp.read(4) != b'fine' else OSError\n"
        "    Image.register_open('NEW', New, lambda head: head.startswith(b'NEW: '))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(kinds, "_PLUGINS", {"new_format": "register", "not_installed": "register"})
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    kinds.load_plugins.cache_clear()
    kinds.load_plugins()
    assert "NEW" in Image.ID
    kinds.load_plugins.cache_clear()
