"""Features that training does not change: given with the data set, or made once by a frozen encoder and kept."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backward_search.data.registry import Preprocessing
from backward_search.data.tables import Table
from backward_search.distributed import Group
from backward_search.errors import DataError, MissingError, StaleError
from backward_search.model.embedding import batches_of, outcomes
from backward_search.model.network import Model
from backward_search.model.passes import fill
from backward_search.model.precision import precision_of
from backward_search.storage.atomic import write_csv
from backward_search.storage.keys import read_keys
from backward_search.storage.manifest import Stage, refuse_changed
from backward_search.storage.mapped import mapped
from backward_search.storage.paths import DataPaths, require
from backward_search.storage.shards import Shards, remove

LOG = logging.getLogger(__name__)
AGAIN = "delete the folder and run the same command again"


@dataclass(frozen=True)
class Features:
    """Features of some images.

    Attributes:
        array: (N, d) float32, memory-mapped.
        keys: what the images are called, in the order of the rows.
    """

    array: np.ndarray
    keys: Sequence[str]

    @property
    def width(self) -> int:
        """The number d of features of an image."""
        return int(self.array.shape[1])

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self.keys)}

    def rows(self, keys: Sequence[str]) -> np.ndarray:
        """The rows of some images, (n,).

        Raises:
            DataError: one is not among them.
        """
        missing = [key for key in keys if key not in self._places]
        if missing:
            raise DataError(f"there are no vectors of {len(missing)} images, such as {missing[0]}: run A1 again")
        return np.array([self._places[key] for key in keys], np.int64)

    def take(self, rows: np.ndarray) -> Tensor:
        """Some rows, (n, d)."""
        return torch.from_numpy(np.ascontiguousarray(self.array[rows]))


def given_features(data: DataPaths, split: str) -> Features:
    """The vectors that a data set came with instead of images.

    Raises:
        MissingError: A1 has not written them.
        DataError: they are damaged, or not one for each name.
    """
    remedy = f"run the A1 script of {data.name} again"
    file = require(data.vectors(split), f"vectors of {data.name} {split}", remedy)
    refuse_changed(data.manifest("A1"), [file, file.with_suffix(".csv")], remedy)
    return _stored(file, remedy)


def _stored(file: Path, remedy: str) -> Features:
    names = require(file.with_suffix(".csv"), "list of names", remedy)
    keys = read_keys(names, remedy)
    array = mapped(file, remedy)
    if array.ndim != 2 or array.dtype != np.float32 or len(array) != len(keys):
        raise DataError(f"{file} holds {array.dtype} {array.shape} for {len(keys)} names: {remedy}")
    return Features(array, keys)


@dataclass(frozen=True)
class HowImagesAreRead:
    """How images go through an encoder.

    Attributes:
        batch_size: images at once.
        workers: processes that decode.
        device: of the encoder.
    """

    batch_size: int
    workers: int
    device: torch.device


@dataclass(frozen=True)
class KeptFeatures:
    """What one frozen encoder makes of a data set's images under the test transform, in a folder that its weights name.

    Every training on it and C1 take them from there; the folder may be deleted at any time.

    Attributes:
        data: the data set.
        model: whose encoder it is, on its device.
        look: how the images are prepared.
        settings: what the features depend on, beside the images.
    """

    data: DataPaths
    model: Model
    look: Preprocessing
    settings: dict[str, Any]

    @classmethod
    def of(cls, data: DataPaths, model: Model, look: Preprocessing) -> "KeptFeatures":
        """Of a model's encoder as it is now.

        Args:
            data: the data set.
            model: the model.
            look: how the images are prepared; features have no augmentation.
        """
        seen = {name: value for name, value in look.in_json.items() if name != "augment"}
        precision = precision_of(model.mixed_precision)
        return cls(data, model, look, {"look": seen, "precision": precision, "encoder": _digest_of(model.encoder)})

    @cached_property
    def folder(self) -> Path:
        """Where they lie."""
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:12]
        name = self.model.config.encoder_model.replace(":", "_").replace("/", "_")
        return self.data.features(f"{name}-{digest}")

    def there(self, table: Table) -> Features | None:
        """Those of a table's images, where they are finished, whole, and of the images as they are now."""
        stage = self._stage(table)
        try:
            return _stored(self._file(table.split), AGAIN) if stage.is_done(overwrite=False) else None
        except (StaleError, DataError, MissingError):
            LOG.info("the features in %s are damaged, or of other images: they are made again", self.folder)
            return None

    def make(self, table: Table, how: HowImagesAreRead, group: Group) -> Features:
        """Those of the images of a table, each image read once, by all processes of a group.

        Raises:
            DataError: an image cannot be read.
        """
        files = [self.data.image(path) for path in table.paths]
        stage, place = self._stage(table), self._file(table.split)
        width = self.model.features
        shards = Shards(self.folder / f".{table.split}.shards", (len(files), width), how.batch_size)
        self.model.eval()
        title = f"features of {table.split}"

        def made(rows: Sequence[int]) -> Iterator[Tensor]:
            """The features of some images."""
            batches = batches_of([files[row] for row in rows], self.look, how.batch_size, how.workers, title)
            return outcomes(self.model.encode, batches, self.look, how.device)

        with stage.alone() if group.leads else nullcontext():
            if group.leads:
                stage.begin()
                shards.claim(json.dumps([stage.settings, table.keys, how.batch_size]))
            fill(shards, made, group)
            if group.leads:
                shards.cut({place: width})
                write_csv(place.with_suffix(".csv"), ["key"], ([key] for key in table.keys))
                stage.finish(images=len(files))
                remove(self.folder / f".{table.split}.shards")
                LOG.info("wrote %s: %d features of %d images", place, width, len(files))
        group.wait()
        return _stored(place, AGAIN)

    def _file(self, split: str) -> Path:
        return self.folder / f"{split}.npy"

    def _stage(self, table: Table) -> Stage:
        split, file = table.split, self._file(table.split)
        settings = self.settings | {"images": _stamp(self.data, table)}
        outputs = [file, file.with_suffix(".csv")]
        return Stage(f"features of {split}", self.folder / f"manifest-{split}.json", settings, {}, outputs)


def _stamp(data: DataPaths, table: Table) -> str:
    """A hash of the names, sizes and times of a table's images: it changes when one is made anew."""
    digest = hashlib.sha256()
    for key, path in zip(table.keys, table.paths, strict=True):
        try:
            found = data.image(path).stat()
            digest.update(f"{key}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
        except OSError:
            digest.update(f"{key}\0missing\0".encode())
    return digest.hexdigest()


def _digest_of(encoder: nn.Module) -> str:
    """A hash of an encoder's weights, and of their names."""
    digest = hashlib.sha256()
    for name, tensor in encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def through(
    network: Callable[[Tensor], Tensor], features: Features, rows: np.ndarray, batch_size: int, device: torch.device
) -> Iterator[Tensor]:
    """What a network makes of features, in batches on the CPU.

    Args:
        network: features (B, d) to anything (B, width), in evaluation mode.
        features: those.
        rows: of which images, (n,).
        batch_size: images at once.
        device: of the network.
    """
    for start in range(0, len(rows), batch_size):
        with torch.inference_mode():
            made = network(features.take(rows[start : start + batch_size]).to(device)).cpu()
        yield made
