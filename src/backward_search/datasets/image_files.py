"""Making the images of a data set: cut, scale and save, in parallel processes, resumable, whole or absent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backward_search.datasets.report import Findings


@dataclass(frozen=True)
class ImageJob:
    """One image to make.

    Attributes:
        row: the row of the table it belongs to.
        name: what a report calls it.
        source: the file it comes from, or its encoded bytes.
        target: the file to write; one that exists is finished and never touched.
        box: the part to cut out, (left, top, right, bottom) in pixels from 0, or None for all of it.
        short_side: the largest length of the short side in pixels; a smaller image is not enlarged. None keeps the size.
    """

    row: int
    name: str
    source: Path | bytes
    target: Path
    box: tuple[int, int, int, int] | None = None
    short_side: int | None = None


def make_images(jobs: Sequence[ImageJob], findings: Findings, workers: int) -> set[int]:
    """Make every image whose target does not exist yet.

    Args:
        jobs: the images; more than one may share a source.
        findings: takes the images that cannot be made, by reason.
        workers: number of processes; 0 and 1 work in this one.

    Returns:
        The rows whose image could not be made.
    """
    raise NotImplementedError
