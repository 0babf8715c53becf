"""Making the images of a data set: cut, scale and save, in parallel processes, resumable, whole or absent."""

import itertools
import multiprocessing
import signal
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from backward_search.data.opening import USUAL, Opening
from backward_search.data.report import Findings
from backward_search.errors import DataError, UserError
from backward_search.images import handing
from backward_search.images.opening import left_out_as, open_picture, opened, scaled_down, turn_of
from backward_search.progress import progress
from backward_search.storage.atomic import replacing

CHUNK = 16
"""Images handed to a process at once: tiny ones would drown in the cost of handing over."""

Box = tuple[int, int, int, int]
"""A part of an image, (left, top, right, bottom) in pixels from 0."""


@dataclass(frozen=True)
class ImageJob:
    """One image to make.

    Attributes:
        row: the row of the table it belongs to.
        name: what a report calls it.
        source: the file it comes from, its encoded bytes, or its pixels (H, W) or (H, W, 3) uint8.
        target: the file to write; one that exists is finished and never touched.
        box: the part to cut out of the upright image, or None for all of it. What of it lies outside the image is left
            out; a box with nothing inside keeps the whole image, which is reported.
        short_side: the largest length of the short side in pixels; a smaller image is not enlarged. None: as it is.
        opening: how the source is opened.
        anew: whether an image that is as it is to be is encoded anew too, instead of copied.
    """

    row: int
    name: str
    source: Path | bytes | np.ndarray
    target: Path
    box: Box | None = None
    short_side: int | None = None
    opening: Opening = USUAL
    anew: bool = False


@dataclass(frozen=True)
class _Outcome:
    row: int
    name: str
    dropped: str | None = None
    repaired: str | None = None


def make_images(jobs: Iterable[ImageJob], findings: Findings, workers: int, total: int | None = None) -> set[int]:
    """Make every image whose target does not exist yet, as RGB; JPEG files in quality 100.

    A source that is already as its target is to be - JPEG or PNG as its name says, small enough, upright, whole, in 8
    bits of RGB or grey - is copied byte for byte: encoded anew it would lose, and grow.

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
                yield _waited_for(under_way.popleft())
        while under_way:
            yield _waited_for(under_way.popleft())
    except BrokenProcessPool:
        raise UserError(
            "a process that makes images was killed, as happens when memory runs out: pass a smaller --n_workers; "
            "the images made so far are kept"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _waited_for(chunk: "Future[list[_Outcome]]") -> list[_Outcome]:
    """The outcomes of a chunk.

    Raises:
        UserError: they do not come.
    """
    try:
        return chunk.result(handing.PATIENCE)
    except TimeoutError:
        for process in multiprocessing.active_children():
            process.kill()
        raise UserError(f"no image came for {handing.PATIENCE:g} seconds: {handing.STUCK}") from None


def _start_worker() -> None:
    """Leave Ctrl-C to the parent process, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handing.end_with_parent()


def _make_all(jobs: list[ImageJob]) -> list[_Outcome]:
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # on damaged metadata and on odd palettes
        return [_make(job) for job in jobs]


def _make(job: ImageJob) -> _Outcome:
    try:
        content = None if job.anew else as_it_is(job)
        image, repaired = (None, None) if content else _at_final_size(job)
    except DataError as error:
        return _Outcome(job.row, job.name, dropped=left_out_as(job.source, error))
    options = {"quality": 100} if _format(job.target) == "JPEG" else {}
    with replacing(job.target) as temporary:
        if image is not None:
            image.save(temporary, None, **options)
        else:
            temporary.write_bytes(content or b"")
    return _Outcome(job.row, job.name, repaired=repaired)


def as_it_is(job: ImageJob) -> bytes | None:
    """The content of a source that is to be copied; None for one that is to be encoded.

    Raises:
        DataError: it cannot be decoded.
    """
    if isinstance(job.source, np.ndarray) or job.box is not None:
        return None
    with opened(job.source, job.opening.max_pixels) as image:
        small = job.short_side is None or min(image.size) <= job.short_side
        if not (small and image.format == _format(job.target) and _is_plain(image)):
            return None
        image.load()  # a part may be missing at its end, and a tag stand there
        if turn_of(image) is not None or "transparency" in image.info:
            return None
    return job.source.read_bytes() if isinstance(job.source, Path) else job.source


def _is_plain(image: Image.Image) -> bool:
    """Whether a picture, of which only the header is read, has one frame in 8 bits of RGB or grey."""
    tiles = getattr(image, "tile", None)
    depth = tiles[0][3] if image.format == "PNG" and tiles else image.mode
    return image.mode in ("RGB", "L") and depth == image.mode and getattr(image, "n_frames", 1) == 1


def _format(target: Path) -> str:
    """What Pillow calls the format of a file to write."""
    return {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}.get(target.suffix.lower(), "")


def _at_final_size(job: ImageJob) -> tuple[Image.Image, str | None]:
    """The image of a job at its final size, and what had to be put right for it."""
    if isinstance(job.source, np.ndarray):
        whole = Image.fromarray(job.source).convert("RGB")
    elif job.box is None:
        return open_picture(job.source, short_side=job.short_side, opening=job.opening), None
    else:
        whole = open_picture(job.source, opening=job.opening)
    box = clamped(job.box, whole.size) if job.box else None
    problem = "box without area, kept the whole image" if job.box and not box else None
    return scaled_down(whole.crop(box) if box else whole, job.short_side), problem


def clamped(box: Box, size: tuple[int, int]) -> Box | None:
    """The part of a box that lies inside an image of (width, height), or None where there is none."""
    left, top = max(box[0], 0), max(box[1], 0)
    right, bottom = min(box[2], size[0]), min(box[3], size[1])
    return (left, top, right, bottom) if left < right and top < bottom else None
