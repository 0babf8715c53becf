"""Images in batches: decoded and brought to size in worker processes, each with its labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from backward_search.data.opening import MAX_PIXELS
from backward_search.data.registry import Preprocessing
from backward_search.distributed import ALONE, Group
from backward_search.errors import DataError, UnreadableError
from backward_search.images.fitting import fit
from backward_search.images.handing import end_with_parent, has_room, patience, watched
from backward_search.images.opening import open_picture
from backward_search.progress import progress

CPU = torch.device("cpu")
AHEAD = 4
"""Pieces that each process decodes before they are asked for."""
PIECE_BYTES, LEAST_PIECE = 4 * 2**20, 8
"""How many pixels a process hands over at once, so that the first batch is not the work of one process; and at least
how many images."""


@dataclass(frozen=True)
class Batch:
    """Some images with their labels.

    Attributes:
        pixels: (B, 3, H, W) uint8, in channels-last memory; or what an encoder has made of them, (B, d) float32.
        labels: by attribute, class ids (B,) int64.
        rows: the row of each image in its table, (B,) int64.
        weight: what the share's mean loss is multiplied with, so that the mean over the processes is that of the batch.
    """

    pixels: Tensor
    labels: dict[str, Tensor]
    rows: Tensor
    weight: float = 1.0


def unreadable_images(files: Sequence[Path], workers: int, max_pixels: int = MAX_PIXELS) -> dict[int, str]:
    """Try to decode every image.

    Args:
        files: the images.
        workers: processes that decode.
        max_pixels: most pixels of an image.

    Returns:
        By row, what is wrong with the image; images that can be read are not in it.
    """
    tiny = Preprocessing(size=1, fit="squeeze", augment=False, max_pixels=max_pixels)
    loader: DataLoader[tuple[np.ndarray | DataError, int]] = DataLoader(
        ImageRows(files, tiny, None),
        batch_size=64,
        sampler=[(0, row) for row in range(len(files))],
        num_workers=min(workers, len(files)),
        timeout=patience(workers),
        collate_fn=list,
        worker_init_fn=end_with_parent,
        generator=torch.Generator(),
    )
    batches = progress(watched(loader), "checking images", "batch", len(loader))
    return {row: str(image) for batch in batches for image, row in batch if isinstance(image, DataError)}


class ImageRows(Dataset[tuple[np.ndarray | DataError, int]]):
    """The images of a table by (epoch, row); random crops and flips depend on nothing but seed, epoch and row."""

    def __init__(self, files: Sequence[Path], look: Preprocessing, seed: int | None) -> None:
        """Keep what is needed to load any row.

        Args:
            files: the image of each row.
            look: how images are brought to size.
            seed: of the augmentation; None for the test form.
        """
        self._files = list(files)
        self._look = look
        self._seed = seed

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._files)

    def __getitem__(self, place: tuple[int, int]) -> tuple[np.ndarray | DataError, int]:
        """The image of (epoch, row), (size, size, 3) uint8, and its row; an unreadable one is its error.

        Raised in a worker process, the error would arrive wrapped in that process's traceback.
        """
        epoch, row = place
        random = self._look.augment and self._seed is not None
        generator = np.random.default_rng((self._seed or 0, epoch, row)) if random else None
        try:
            whole = open_picture(self._files[row], enough=self._look.size, opening=self._look.opening)
            return fit(whole, self._look, generator), row
        except DataError as error:
            return error, row


class _Order:
    """The (epoch, row) of each image of each piece; worker processes are told anew at each epoch."""

    def __init__(self) -> None:
        self.pieces: list[list[tuple[int, int]]] = []

    def __iter__(self) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        return enumerate(self.pieces)

    def __len__(self) -> int:
        return len(self.pieces)


class _Pieces(Dataset["np.ndarray | DataError | int"]):
    """Pieces by (number, places): written into a ring of shared memory, which is made once; or handed over.

    A slot of the ring is written to again when its piece has been taken: more pieces are never under way.
    """

    def __init__(self, rows: ImageRows, ring: Tensor | None) -> None:
        self._rows, self._ring = rows, ring

    def __getitem__(self, piece: tuple[int, list[tuple[int, int]]]) -> "np.ndarray | DataError | int":
        number, places = piece
        images: list[np.ndarray] = []
        for place in places:
            image, _ = self._rows[place]
            if isinstance(image, DataError):
                return image
            if self._ring is not None:
                self._ring[number % len(self._ring), len(images)] = torch.from_numpy(image)
            images.append(image)
        return np.stack(images) if self._ring is None else number


class ImageLoader:
    """Batches of images, decoded in worker processes, which live as long as this.

    The pixels of small data sets are kept after the first pass where training does not change them, on the device that
    works on them; the processes then end.
    """

    KEEP_BYTES = 512 * 2**20

    def __init__(
        self,
        files: Sequence[Path],
        labels: Mapping[str, np.ndarray],
        look: Preprocessing,
        *,
        batch_size: int,
        workers: int,
        seed: int | None = None,
        group: Group = ALONE,
        keep: bool = True,
        device: torch.device = CPU,
    ) -> None:
        """Set the loader up.

        Args:
            files: the image of each row.
            labels: by attribute, class ids (N,).
            look: how images are brought to size.
            batch_size: images in a batch.
            workers: processes that decode; 0 decodes in this one.
            seed: of order and augmentation in training; None gives the rows in order, in the test form.
            group: the processes that share each batch.
            keep: keep the pixels for further epochs, where they are few and do not change.
            device: where they are kept.

        Raises:
            DataError: there are too few images to train on.
        """
        self._labels = {name: torch.tensor(values) for name, values in labels.items()}
        self._rows = ImageRows(files, look, seed)
        self._batch_size = batch_size
        self._size = look.size
        self._workers = workers
        self._seed = seed
        self._group = group
        self._least = group.size if seed is None else 2 * group.size
        if len(files) < self._least:
            each = "one" if seed is None else "two, which BatchNorm needs,"
            raise DataError(
                f"{len(files)} images are too few: each of the {group.size} processes takes {each} of a batch"
            )
        same = seed is None or (not look.augment and group.size == 1)
        fits = len(files) * 3 * look.size**2 <= self.KEEP_BYTES
        shape = (len(files), look.size, look.size, 3)
        self._device = device if keep and same and fits else CPU
        self._kept = torch.empty(shape, dtype=torch.uint8, device=device) if keep and same and fits else None
        self._filled = False
        self.steps = len(self.batches())
        self._piece = max(LEAST_PIECE, PIECE_BYTES // (3 * look.size**2)) if workers else batch_size
        self._order = _Order()
        self._reader: DataLoader[np.ndarray | DataError | int] | None = None
        self._ring: Tensor | None = None

    def __len__(self) -> int:
        """The number of images."""
        return len(self._rows)

    def batches(self, epoch: int = 0) -> list[np.ndarray]:
        """The rows of each batch of an epoch; a rest that is too small joins the batch before it.

        Each process needs one image of a batch, and two in training, for BatchNorm.
        """
        count = len(self._rows)
        if self._seed is None:
            order = np.arange(count)
        else:
            order = np.random.default_rng((self._seed, epoch)).permutation(count)
        cuts = list(range(self._batch_size, count, self._batch_size))
        if cuts and count - cuts[-1] < self._least:
            cuts.pop()
        return np.split(order, cuts)

    def epoch(self, epoch: int = 0, skip: int = 0) -> Iterator[Batch]:
        """This process's share of the batches of an epoch, but for the first `skip` batches."""
        shares = self.shares(epoch, skip)
        if self._filled:
            yield from self._stored(shares)
            return
        pixels = self._decoded([share for share, _ in shares], epoch)
        for share, weight in shares:
            places = torch.from_numpy(share)
            yield Batch(next(pixels).permute(0, 3, 1, 2), self.labels_of(places), places, weight)
        if self._kept is not None and skip == 0:
            self._filled, self._reader, self._ring = True, None, None
            self._labels = {name: ids.to(self._device) for name, ids in self._labels.items()}

    def shares(self, epoch: int = 0, skip: int = 0) -> list[tuple[np.ndarray, float]]:
        """This process's rows of each batch of an epoch, but for the first `skip`, with the weight of its mean loss."""
        batches = self.batches(epoch)[skip:]
        own = [self._group.share(rows) for rows in batches]
        return [(rows, len(rows) * self._group.size / len(whole)) for rows, whole in zip(own, batches, strict=True)]

    def labels_of(self, rows: Tensor) -> dict[str, Tensor]:
        """By attribute the class ids of some rows."""
        return {name: ids[rows] for name, ids in self._labels.items()}

    def _stored(self, shares: list[tuple[np.ndarray, float]]) -> Iterator[Batch]:
        """Batches of what is kept; what they hold is where it is."""
        assert self._kept is not None
        if not shares:
            return
        order = torch.from_numpy(np.concatenate([rows for rows, _ in shares])).to(self._device)
        for (rows, weight), places in zip(shares, torch.split(order, [len(rows) for rows, _ in shares]), strict=True):
            pixels = self._kept[places].permute(0, 3, 1, 2)
            yield Batch(pixels, self.labels_of(places), torch.from_numpy(rows), weight)

    def _decoded(self, shares: list[np.ndarray], epoch: int) -> Iterator[Tensor]:
        cut = [rows[start : start + self._piece] for rows in shares for start in range(0, len(rows), self._piece)]
        self._order.pieces = [[(epoch, row) for row in piece.tolist()] for piece in cut]
        self._reader = self._reader or self._new_reader()
        pieces = self._pieces(watched(self._reader))
        for rows in shares:
            pixels = self._put_together(pieces, len(rows))
            if self._kept is not None:
                self._kept[torch.from_numpy(rows)] = pixels.to(self._device, non_blocking=True)
            yield pixels

    def _pieces(self, read: Iterator[np.ndarray | DataError | int]) -> Iterator[Tensor]:
        """What the processes have read, in order; a piece of the ring is to be copied before the next is asked for."""
        for number, (found, places) in enumerate(zip(read, self._order.pieces, strict=True)):
            if isinstance(found, DataError):
                raise UnreadableError(str(found))
            if isinstance(found, np.ndarray):
                yield torch.from_numpy(found)
            elif self._ring is not None:
                yield self._ring[number % len(self._ring), : len(places)]

    def _put_together(self, pieces: Iterator[Tensor], count: int) -> Tensor:
        """The next `count` images, where a GPU can reach them if there is one."""
        on_gpu = torch.cuda.is_available()
        piece = next(pieces)
        if len(piece) == count and self._ring is None:
            return piece.pin_memory() if on_gpu else piece
        whole = torch.empty((count, *piece.shape[1:]), dtype=piece.dtype, pin_memory=on_gpu)
        there, done = whole.numpy(), 0
        while True:
            there[done : done + len(piece)] = piece.numpy()  # PyTorch's threads would wait for cores that decode
            done += len(piece)
            if done == count:
                return whole
            piece = next(pieces)

    def _new_reader(self) -> "DataLoader[np.ndarray | DataError | int]":
        """The processes, as a whole epoch needs them; they start when they are first asked."""
        sizes = [len(rows) for rows, _ in self.shares()]
        images = min(self._piece, max(sizes))
        workers = min(self._workers, sum(-(-size // images) for size in sizes))
        slots = workers * AHEAD + 1
        if workers and has_room(slots * images * 3 * self._size**2 * self._group.size):
            ring = torch.empty((slots, images, self._size, self._size, 3), dtype=torch.uint8)
            self._ring = ring.share_memory_()  # type: ignore[no-untyped-call]
        return DataLoader(
            _Pieces(self._rows, self._ring),
            batch_size=None,
            sampler=self._order,
            num_workers=workers,
            persistent_workers=workers > 0,
            timeout=patience(workers),
            collate_fn=_as_it_is,  # nothing is to be put together
            worker_init_fn=end_with_parent,
            prefetch_factor=AHEAD if workers else None,
            generator=torch.Generator(),  # its own: the global one is dropout's, whether or not pixels are kept
        )


def _as_it_is(found: Any) -> Any:
    return found
