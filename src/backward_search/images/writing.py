"""Making the images of a data set: cut, scale and save, in parallel processes, resumable, whole or absent."""

import io
import itertools
import multiprocessing
import os
import signal
import struct
import threading
import warnings
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from backward_search.data.report import Findings
from backward_search.errors import UserError
from backward_search.progress import progress
from backward_search.storage.atomic import replacing

CHUNK = 16
"""Images handed to a process at once: tiny ones would drown in the cost of handing over."""
LARGEST = 2**29
"""Most pixels of an image; Pillow's own limit lies below the largest scans of WikiArt."""
REDUCED = 4
"""A JPEG file may be decoded at 1/2, 1/4 or 1/8 as long as it stays this many times larger than its target.

At 4 the result differs from that of a full decode by 0.2 of 255 levels on average (at 2 by up to 0.9)."""

_UNDECODABLE = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, RuntimeError, MemoryError),
    *(struct.error, zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning),
)
"""What Pillow's decoders raise on damaged files of the various formats."""


@dataclass(frozen=True)
class ImageJob:
    """One image to make.

    Attributes:
        row: the row of the table it belongs to.
        name: what a report calls it.
        source: the file it comes from, its encoded bytes, or its pixels (H, W) or (H, W, 3) uint8.
        target: the file to write; one that exists is finished and never touched.
        box: the part to cut out, (left, top, right, bottom) in pixels from 0, or None for all of it. What of it lies
            outside the image is left out; a box with nothing inside keeps the whole image, which is reported.
        short_side: the largest length of the short side in pixels; a smaller image is not enlarged. None: as it is.
    """

    row: int
    name: str
    source: Path | bytes | np.ndarray
    target: Path
    box: tuple[int, int, int, int] | None = None
    short_side: int | None = None


@dataclass(frozen=True)
class _Outcome:
    row: int
    name: str
    dropped: str | None = None
    repaired: str | None = None


def make_images(jobs: Iterable[ImageJob], findings: Findings, workers: int, total: int | None = None) -> set[int]:
    """Make every image whose target does not exist yet, as RGB; JPEG files in quality 100.

    Args:
        jobs: the images; more than one may share a source. An iterator is drawn from as the work goes on, so that
            encoded bytes need not all be in memory.
        findings: takes the images that cannot be made, by reason.
        workers: number of processes; 0 and 1 work in this one.
        total: the number of jobs, for the progress bar, where `jobs` cannot say.

    Returns:
        The rows whose image could not be made.

    Raises:
        UserError: a process was killed.
        OSError: an image cannot be written.
    """
    pending: Iterable[ImageJob] = (job for job in jobs if not job.target.exists())
    if isinstance(jobs, Sequence):
        pending = list(pending)
        total = len(pending)
    few = total is not None and total <= CHUNK
    chunks = _chunks(pending)
    outcomes = map(_make_all, chunks) if workers <= 1 or few else _in_processes(chunks, workers)
    failed = set()
    for outcome in progress(itertools.chain.from_iterable(outcomes), "making images", "image", total):
        if outcome.dropped:
            findings.drop(outcome.dropped, outcome.name)
            failed.add(outcome.row)
        if outcome.repaired:
            findings.repair(outcome.repaired, outcome.name)
    return failed


def _chunks(jobs: Iterable[ImageJob]) -> Iterator[list[ImageJob]]:
    iterator = iter(jobs)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        yield chunk


def _in_processes(chunks: Iterable[list[ImageJob]], workers: int) -> Iterator[list[_Outcome]]:
    """The outcomes of the chunks in their order; only a few chunks are under way at a time."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of torch's threads
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker)
    under_way: deque[Future[list[_Outcome]]] = deque()
    try:
        for chunk in chunks:
            under_way.append(pool.submit(_make_all, chunk))
            if len(under_way) >= 2 * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool:
        raise UserError(
            "a process that makes images was killed, as happens when memory runs out: pass a smaller --n_workers; "
            "the images made so far are kept"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent process, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _make_all(jobs: list[ImageJob]) -> list[_Outcome]:
    with _large_images_allowed():
        return [_make(job) for job in jobs]


@contextmanager
def _large_images_allowed() -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = LARGEST
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # on damaged metadata and on palettes with transparency
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _make(job: ImageJob) -> _Outcome:
    try:
        image, repaired = _decoded(job)
    except FileNotFoundError:
        return _Outcome(job.row, job.name, dropped="missing image")
    except _UNDECODABLE:
        return _Outcome(job.row, job.name, dropped="unreadable image")
    options = {"quality": 100} if job.target.suffix.lower() in (".jpg", ".jpeg") else {}
    with replacing(job.target) as temporary:
        image.save(temporary, None, **options)
    return _Outcome(job.row, job.name, repaired=repaired)


def _decoded(job: ImageJob) -> tuple[Image.Image, str | None]:
    """The image of a job at its final size, and what had to be put right for it."""
    with _opened(job.source) as image:
        if job.box is None:
            return _scaled(image, job.short_side), None
        box = _clamped(job.box, image.size)
        whole = image.convert("RGB")
        problem = None if box else "box without area, kept the whole image"
        return _scaled(whole.crop(box) if box else whole, job.short_side), problem


def _opened(source: Path | bytes | np.ndarray) -> Image.Image:
    if isinstance(source, np.ndarray):
        return Image.fromarray(source)
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _scaled(image: Image.Image, short_side: int | None) -> Image.Image:
    """The image as RGB with its short side brought down; one that is still encoded is decoded smaller if it can be."""
    size = _final_size(image.size, short_side)
    if size == image.size:
        return image.convert("RGB")
    drafted = image.draft("RGB", (size[0] * REDUCED, size[1] * REDUCED))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS, box=drafted[1] if drafted else None)


def _final_size(size: tuple[int, int], short_side: int | None) -> tuple[int, int]:
    """The size (width, height) with the short side brought down to `short_side`.

    >>> _final_size((1000, 512), 256), _final_size((100, 300), 256)
    ((500, 256), (100, 300))
    """
    short = min(size)
    if short_side is None or short <= short_side:
        return size
    width, height = (side * short_side // short for side in size)
    return width, height


def _clamped(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The part of a box that lies inside the image, or None where there is none."""
    left, top = max(box[0], 0), max(box[1], 0)
    right, bottom = min(box[2], size[0]), min(box[3], size[1])
    return (left, top, right, bottom) if left < right and top < bottom else None
