import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageColor

from backward_search.data.opening import Opening
from backward_search.data.report import Findings
from backward_search.errors import UserError
from backward_search.images.writing import CHUNK, ImageJob, make_images
from backward_search.storage.paths import PROJECT


def picture(width, height, seed=0):
    """A smooth picture with some texture, as photographs have."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)], axis=-1) * 80 + 128
    noise = np.random.default_rng(seed).normal(0, 6, waves.shape)
    return Image.fromarray(np.clip(waves + noise, 0, 255).astype(np.uint8))


def saved(path, width=40, height=30, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(width, height).save(path, **options)
    return path


def encoded(image, form="PNG"):
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def make(*jobs, workers=0):
    findings = Findings()
    return make_images(jobs, findings, workers), findings


def difference(image, other):
    return np.abs(np.asarray(image, float) - np.asarray(other, float))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((600, 400), (384, 256)), ((333, 1000), (256, 768)), ((256, 300), (256, 300)), ((200, 999), (200, 999))],
)
def test_the_short_side_is_brought_down_and_never_up(tmp_path, size, expected):
    source = saved(tmp_path / "raw" / "a.jpg", *size)
    failed, findings = make(ImageJob(0, "a", source, tmp_path / "images" / "deep" / "a.jpg", short_side=256))
    with Image.open(tmp_path / "images" / "deep" / "a.jpg") as made:
        assert (made.format, made.mode, made.size) == ("JPEG", "RGB", expected)
        best = all(set(table) == {1} for table in made.quantization.values())  # quality 100
        assert best or made.size == size  # or copied
    assert (failed, findings.dropped, findings.repaired) == (set(), {}, {})


def test_a_box_is_cut_out_before_scaling(tmp_path):
    whole = picture(100, 80)
    box = (10, 20, 70, 60)
    make(ImageJob(0, "a", encoded(whole), tmp_path / "a.png", box=box))
    assert (difference(Image.open(tmp_path / "a.png"), whole.crop(box)) == 0).all()
    make(ImageJob(0, "a", encoded(whole), tmp_path / "b.png", box=box, short_side=20))
    assert Image.open(tmp_path / "b.png").size == (30, 20)


def test_a_box_beyond_the_image_is_clamped_and_one_without_area_keeps_the_whole_image(tmp_path):
    whole = picture(50, 40)
    jobs = [
        ImageJob(0, "over", encoded(whole), tmp_path / "over.png", box=(-5, 10, 60, 99)),
        ImageJob(1, "flat", encoded(whole), tmp_path / "flat.png", box=(7, 9, 7, 30)),
        ImageJob(2, "outside", encoded(whole), tmp_path / "outside.png", box=(50, 0, 60, 10)),
    ]
    failed, findings = make(*jobs)
    assert (difference(Image.open(tmp_path / "over.png"), whole.crop((0, 10, 50, 40))) == 0).all()
    assert Image.open(tmp_path / "flat.png").size == Image.open(tmp_path / "outside.png").size == (50, 40)
    assert failed == set()
    assert findings.repaired == {"box without area, kept the whole image": ["flat", "outside"]}


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "1", "CMYK"])
def test_every_mode_becomes_rgb_and_a_png_stays_lossless(tmp_path, mode):
    image = picture(20, 20).convert("L" if mode == "LA" else "RGB").convert(mode)
    form = "TIFF" if mode == "CMYK" else "PNG"
    failed, _ = make(ImageJob(0, "a", encoded(image, form), tmp_path / "a.png"))
    made = Image.open(tmp_path / "a.png")
    assert (failed, made.format, made.mode) == (set(), "PNG", "RGB")
    assert (difference(made, image.convert("RGB")) == 0).all()


def test_an_image_that_is_there_is_not_touched_and_not_even_read(tmp_path):
    target = tmp_path / "a.jpg"
    target.write_bytes(b"whatever")
    failed, findings = make(ImageJob(0, "a", tmp_path / "absent.jpg", target))
    assert (failed, findings.dropped, target.read_bytes()) == (set(), {}, b"whatever")


def damaged_files(folder):
    whole = saved(folder / "whole.jpg", 60, 60).read_bytes()
    png = encoded(picture(60, 60))
    contents = {
        "truncated.jpg": whole[: len(whole) // 2],
        "truncated.png": png[: len(png) // 2],
        "empty.jpg": b"",
        "text.jpg": b"<html>not found</html>",
        "checksum.png": png[:50] + bytes([png[50] ^ 255]) + png[51:],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return list(contents)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_cannot_be_made_is_named_and_its_row_returned(tmp_path, workers):
    names = damaged_files(tmp_path)
    jobs = [ImageJob(7 + i, name, tmp_path / name, tmp_path / "out" / f"{i}.jpg") for i, name in enumerate(names)]
    jobs.append(ImageJob(99, "absent", tmp_path / "absent.jpg", tmp_path / "out" / "absent.jpg"))
    jobs.extend(ImageJob(100 + i, "fine", tmp_path / "whole.jpg", tmp_path / f"out/fine{i}.jpg") for i in range(CHUNK))
    failed, findings = make(*jobs, workers=workers)
    assert failed == {7, 8, 9, 10, 11, 99}
    assert findings.dropped == {
        "unreadable image": ["truncated.jpg", "truncated.png", "checksum.png"],
        "empty files: fetch again": ["empty.jpg"],
        "web pages in place of images: fetch the images again": ["text.jpg"],
        "missing image": ["absent"],
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f"fine{i}.jpg" for i in range(CHUNK))


def test_processes_make_the_same_files_as_this_one(tmp_path):
    count = 3 * CHUNK + 1
    sources = [saved(tmp_path / "raw" / f"{i}.jpg", 60 + i, 50) for i in range(count)]
    (tmp_path / "raw" / "5.jpg").write_bytes(b"")
    (tmp_path / "raw" / "40.jpg").write_bytes(b"")

    def jobs(folder):
        return [
            ImageJob(i, str(i), file, tmp_path / folder / file.name, short_side=32) for i, file in enumerate(sources)
        ]

    alone, findings_alone = make(*jobs("alone"))
    together, findings_together = make(*jobs("together"), workers=2)
    assert alone == together == {5, 40}
    assert findings_alone == findings_together
    made = sorted((tmp_path / "alone").iterdir())
    assert len(made) == count - 2
    assert all((tmp_path / "together" / file.name).read_bytes() == file.read_bytes() for file in made)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_iterator_of_jobs_is_drawn_from_as_the_work_goes_on(tmp_path, workers, monkeypatch):
    content = encoded(picture(8, 8))
    ahead = []

    def jobs():
        for row in range(10 * CHUNK):
            ahead.append(row - len(list(tmp_path.glob("*.png"))))
            yield ImageJob(row, str(row), content, tmp_path / f"{row}.png")

    findings = Findings()
    assert make_images(jobs(), findings, workers, total=10 * CHUNK) == set()
    assert len(list(tmp_path.glob("*.png"))) == 10 * CHUNK
    assert max(ahead) <= (2 * workers + 1) * CHUNK


def test_a_large_jpeg_is_decoded_smaller_without_a_visible_difference(tmp_path):
    original = picture(700, 520)
    source = tmp_path / "large.jpg"
    original.save(source, quality=92)
    make(ImageJob(0, "a", source, tmp_path / "a.png", short_side=64))
    with Image.open(source) as image:
        full = image.convert("RGB").resize((86, 64), Image.Resampling.LANCZOS)
    made = Image.open(tmp_path / "a.png")
    assert made.size == (86, 64)
    assert 0 < difference(made, full).mean() < 0.5


def turned(tag):
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = tag
    return tags


COPIED = {
    "small.jpg": {"quality": 70},
    "same.jpeg": {"size": (256, 300), "quality": 70},
    "upright.jpg": {"exif": turned(1), "icc_profile": b"any profile"},
    "grey.jpg": {"mode": "L"},
    "progressive.jpg": {"progressive": True, "quality": 50},
    "small.png": {},
    "grey.png": {"mode": "L", "dpi": (72, 72)},
}


@pytest.mark.parametrize("name", COPIED)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_what_is_as_it_is_to_be_is_copied(name, as_bytes, tmp_path):
    options = {"mode": "RGB", "size": (40, 30), **COPIED[name]}
    source, target = tmp_path / name, tmp_path / "images" / name
    picture(*options.pop("size")).convert(options.pop("mode")).save(source, **options)
    content = source.read_bytes()
    assert make(ImageJob(0, name, content if as_bytes else source, target, short_side=256)) == (set(), Findings())
    assert target.read_bytes() == content
    target.unlink()
    make(ImageJob(0, name, source, target, short_side=256, anew=True))
    with Image.open(target) as image:
        assert image.mode == "RGB"
        assert image.format == "PNG" or all(set(table) == {1} for table in image.quantization.values())


ENCODED = {
    "large.jpg": {"size": (300, 257)},
    "large.png": {"size": (257, 300)},
    "turned.jpg": {"exif": turned(6)},
    "turned.png": {"exif": turned(8)},
    "png-called.jpg": {"format": "PNG"},
    "jpeg-called.png": {"format": "JPEG"},
    "cmyk.jpg": {"mode": "CMYK"},
    "stereo.jpg": {"format": "MPO", "save_all": True, "append_images": [picture(40, 30)]},
    "clear.png": {"mode": "RGBA"},
    "one-clear-colour.png": {"transparency": (1, 2, 3)},
    "one-clear-grey.png": {"mode": "L", "transparency": 9},
    "palette.png": {"mode": "P"},
    "bits.png": {"mode": "1"},
    "deep.png": {"mode": "I;16"},
    "animated.png": {"save_all": True, "append_images": [picture(40, 30, 1)]},
    "web.webp.png": {"format": "WEBP"},
}


@pytest.mark.parametrize("name", ENCODED)
def test_what_is_not_as_it_is_to_be_is_encoded(name, tmp_path):
    options = {"mode": "RGB", "size": (40, 30), **ENCODED[name]}
    source, target = tmp_path / name, tmp_path / "images" / name
    size, mode = options.pop("size"), options.pop("mode")
    image = picture(*size).convert("L") if mode == "I;16" else picture(*size)
    image.convert(mode).save(source, **options)
    assert make(ImageJob(0, name, source, target, short_side=256)) == (set(), Findings())
    with Image.open(target) as made:
        assert (made.format, made.mode) == ("PNG" if name.endswith("png") else "JPEG", "RGB")
        assert (min(made.size), len(made.getexif()), getattr(made, "n_frames", 1)) == (min(*size, 256), 0, 1)


def test_a_part_of_a_small_image_is_cut_out_and_a_cut_off_file_is_not_copied(tmp_path):
    source = saved(tmp_path / "a.png")
    make(ImageJob(0, "a", source, tmp_path / "whole.png", box=(0, 0, 40, 30), short_side=256))
    assert (difference(Image.open(tmp_path / "whole.png"), picture(40, 30)) == 0).all()
    for name in ("a.png", "b.jpg"):
        content = saved(tmp_path / name, 200, 200).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) - 90])
        failed, findings = make(ImageJob(3, name, tmp_path / name, tmp_path / f"cut-{name}", short_side=256))
        assert (failed, findings.dropped) == ({3}, {"unreadable image": [name]})
        assert not (tmp_path / f"cut-{name}").exists()


def test_transparent_images_lie_on_the_background(tmp_path):
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    for name, opening in (("white", Opening()), ("blue", Opening("#0000ff"))):
        make(ImageJob(0, name, encoded(clear), tmp_path / f"{name}.png", box=(0, 0, 4, 4), opening=opening))
        make(ImageJob(0, name, encoded(clear), tmp_path / f"whole-{name}.png", opening=opening))
        for file in (f"{name}.png", f"whole-{name}.png"):
            assert Image.open(tmp_path / file).getpixel((2, 2)) == ImageColor.getrgb(name)


def test_scans_beyond_pillows_limit_are_made_and_larger_ones_reported(tmp_path, monkeypatch):
    source = saved(tmp_path / "scan.jpg", 80, 60)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow alone refuses the scan
    with pytest.raises(Image.DecompressionBombError):
        Image.open(source)
    assert make(ImageJob(0, "scan", source, tmp_path / "a.jpg", short_side=30))[0] == set()
    assert Image.MAX_IMAGE_PIXELS == 1000
    for most in (4000, 2000):  # Pillow itself refuses the one of more than twice as many
        failed, findings = make(
            ImageJob(0, "scan", source, tmp_path / "b.jpg", short_side=30, opening=Opening(max_pixels=most))
        )
        assert (failed, findings.dropped) == ({0}, {"images of too many pixels: pass a larger --max_pixels": ["scan"]})


def test_a_target_that_cannot_be_written_is_an_error_not_a_dropped_row(tmp_path):
    source = saved(tmp_path / "a.jpg")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        make(ImageJob(0, "a", source, tmp_path / "file" / "a.jpg"))


RUN = """
import os, sys, time
from pathlib import Path
from backward_search.images.writing import ImageJob, make_images
from backward_search.data.opening import Opening
from backward_search.data.report import Findings

def jobs(folder):
    content = (folder / "a.png").read_bytes()
    for row in range(10**6):
        yield ImageJob(row, str(row), content, folder / f"out/{row}.png")

if __name__ == "__main__":
    make_images(jobs(Path(sys.argv[1])), Findings(), 2)
"""


def descendants(pid):
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listing.splitlines()]
    return [child for child, parent in pairs if parent == pid]


def alive(pids):
    return [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]


@pytest.fixture
def endless(tmp_path):
    """A process that makes images without end, and the processes it started; it has made some already."""
    saved(tmp_path / "a.png", 16, 16)
    (tmp_path / "run.py").write_text(RUN)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: len(list(tmp_path.glob("out/*.png"))) > 2 * CHUNK)
    yield process, descendants(process.pid), tmp_path / "out"
    process.kill()
    process.wait()


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes through /proc")
def test_ending_a_run_ends_its_processes_and_leaves_whole_images(endless):
    process, workers, folder = endless
    process.send_signal(signal.SIGKILL)
    wait_for(lambda: not alive(workers))
    assert workers
    for file in folder.glob("[0-9]*.png"):
        Image.open(file).load()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes through /proc")
def test_a_killed_process_is_reported_in_words(endless):
    process, workers, _ = endless
    os.kill(max(workers), signal.SIGKILL)
    _, errors = process.communicate(timeout=20)
    assert UserError.__name__ in errors
    assert "pass a smaller --n_workers" in errors
