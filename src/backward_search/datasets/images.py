"""Images on their way to the network: decoded with Pillow, brought to size as bytes, normalised on the device."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from backward_search.datasets.registry import Preprocessing
from backward_search.errors import DataError


@dataclass(frozen=True)
class Batch:
    """Some images with their labels.

    Attributes:
        pixels: (B, 3, H, W) uint8, in channels-last memory.
        labels: by attribute, class ids (B,) int64.
        rows: the row of each image in its table, (B,) int64.
    """

    pixels: Tensor
    labels: dict[str, Tensor]
    rows: Tensor

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory, for copies to a GPU that do not wait."""
        labels = {name: values.pin_memory() for name, values in self.labels.items()}
        return Batch(self.pixels.pin_memory(), labels, self.rows)


def load_image(path: Path) -> Image.Image:
    """Decode an image as RGB.

    Raises:
        DataError: it cannot be read; the message names it.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise DataError(f"image {path} does not exist: run the data set's A1 script again") from None
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"image {path} cannot be read ({error}): repair or remove it, then run A1 again") from None


def fit(image: Image.Image, look: Preprocessing, generator: np.random.Generator | None = None) -> np.ndarray:
    """Bring an image to the network's size.

    Args:
        image: RGB.
        look: how.
        generator: source of random crop and flips, where the data set's training has them; None for the test form.

    Returns:
        (size, size, 3) uint8.
    """
    size = look.size
    augment = generator if look.augment else None
    if look.fit == "squeeze":
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    else:
        image = _square(_scaled(image, size), size, augment)
    if augment is not None:
        vertical, horizontal = augment.random(2) < 0.5
        image = ImageOps.flip(image) if vertical else image
        image = ImageOps.mirror(image) if horizontal else image
    return np.array(image)


def _scaled(image: Image.Image, short_side: int) -> Image.Image:
    width, height = image.size
    if min(width, height) == short_side:
        return image
    long_side = int(short_side * max(width, height) / min(width, height))
    size = (short_side, long_side) if width <= height else (long_side, short_side)
    return image.resize(size, Image.Resampling.BILINEAR)


def _square(image: Image.Image, size: int, generator: np.random.Generator | None) -> Image.Image:
    room = (image.width - size, image.height - size)
    if generator is None:
        left, top = (round(space / 2) for space in room)
    else:
        left, top = (int(generator.integers(space + 1)) for space in room)
    return image.crop((left, top, left + size, top + size))


def normalise(pixels: Tensor, look: Preprocessing, device: torch.device) -> Tensor:
    """Move pixels to the device and normalise them: (B, 3, H, W) uint8 -> float32 of about zero mean, unit variance."""
    mean = torch.tensor(look.mean, device=device).view(1, 3, 1, 1) * 255
    std = torch.tensor(look.std, device=device).view(1, 3, 1, 1) * 255
    return pixels.to(device, non_blocking=True).float().sub_(mean).div_(std)


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
            return fit(load_image(self._files[row]), self._look, generator), row
        except DataError as error:
            return error, row


class ImageLoader:
    """Batches of images, decoded in worker processes.

    The pixels of small data sets are kept after the first pass where training does not change them.
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
    ) -> None:
        """Set the loader up.

        Args:
            files: the image of each row.
            labels: by attribute, class ids (N,).
            look: how images are brought to size.
            batch_size: images in a batch.
            workers: processes that decode; 0 decodes in this one.
            seed: of order and augmentation in training; None gives the rows in order, in the test form.
        """
        self._labels = {name: torch.tensor(values) for name, values in labels.items()}
        self._rows = ImageRows(files, look, seed)
        self._batch_size = batch_size
        self._workers = workers
        self._seed = seed
        constant = seed is None or not look.augment
        fits = len(files) * 3 * look.size**2 <= self.KEEP_BYTES
        self._kept = torch.empty(len(files), look.size, look.size, 3, dtype=torch.uint8) if constant and fits else None
        self._filled = False

    def batches(self, epoch: int = 0) -> list[np.ndarray]:
        """The rows of each batch of an epoch; a rest of one row joins the batch before it (BatchNorm needs two)."""
        count = len(self._rows)
        if self._seed is None:
            order = np.arange(count)
        else:
            order = np.random.default_rng((self._seed, epoch)).permutation(count)
        cuts = list(range(self._batch_size, count, self._batch_size))
        if self._seed is not None and cuts and count - cuts[-1] == 1:
            cuts.pop()
        return np.split(order, cuts)

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch."""
        batches = self.batches(epoch)
        if self._filled and self._kept is not None:
            for rows in batches:
                yield self._batch(self._kept[rows], rows)
            return
        loader = DataLoader(
            self._rows,
            batch_sampler=[[(epoch, row) for row in rows.tolist()] for rows in batches],
            num_workers=min(self._workers, len(batches)),
            collate_fn=_stack,
            generator=torch.Generator(),  # its own: the global one is dropout's, whether or not pixels are kept
        )
        for pixels, rows in loader:
            if isinstance(pixels, DataError):
                raise pixels
            if self._kept is not None:
                self._kept[rows] = pixels
            yield self._batch(pixels, rows)
        self._filled = self._kept is not None

    def _batch(self, pixels: Tensor, rows: np.ndarray) -> Batch:
        places = torch.from_numpy(rows)
        batch = Batch(pixels.permute(0, 3, 1, 2), {name: ids[places] for name, ids in self._labels.items()}, places)
        return batch.pin_memory() if torch.cuda.is_available() else batch


def _stack(items: Sequence[tuple[np.ndarray | DataError, int]]) -> tuple[Tensor | DataError, np.ndarray]:
    rows = np.array([row for _, row in items])
    images: list[np.ndarray] = []
    for image, _ in items:
        if isinstance(image, DataError):
            return image, rows
        images.append(image)
    return torch.from_numpy(np.stack(images)), rows
