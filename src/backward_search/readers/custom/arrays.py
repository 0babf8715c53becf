"""The user's own images, or vectors, in an .npz file of arrays."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from backward_search.data.splits import TEST_NAMES, TRAIN_NAMES, VALIDATION_NAMES
from backward_search.errors import DataError
from backward_search.readers.custom.cells import cleaned
from backward_search.readers.custom.embedded import listing_of_vectors
from backward_search.readers.custom.listing import Listing, Pixels, Reading, Roles
from backward_search.readers.custom.names import column_text, row_keys
from backward_search.readers.custom.vectors import ListedVectors, stacked
from backward_search.storage.mapped import FAULTS
from backward_search.storage.swelling import refuse_swollen_zip

_VECTORS = ("embeddings", "embedding", "vectors", "features", "emb", "x", "X")
_IMAGES, _LABELS = ("images", "image", "x", "X"), ("labels", "label", "y", "Y")
_PARTS = "|".join((*TRAIN_NAMES, *TEST_NAMES, *VALIDATION_NAMES))
_OF_SPLIT = re.compile(rf"(?:(?P<before>{_PARTS})_(?P<first>.+)|(?P<last>.+)_(?P<after>{_PARTS}))$", re.IGNORECASE)

Arrays = dict[str, np.ndarray]


def read_npz(source: Path, roles: Roles, reading: Reading) -> Listing:
    """Read an .npz file: images (N, H, W) or (N, H, W, 3) uint8, and arrays of length N that say something about them.

    The images are the array `images` or `x`, else the only one of such a shape. An array `labels` or `y` becomes the
    attribute `label`; any other array of length N, or (N, 1), keeps its name. Where every array is of a split, as
    `train_images` and `test_labels` of MedMNIST or `x_train` and `y_test` of Keras, that is the split. Without images
    vectors (N, d) stand for them, such as `embeddings`.

    Raises:
        DataError: it cannot be read, or there are neither.
    """
    arrays = _load_arrays(source)
    taken = ", ".join(arrays)
    arrays, splits = _joined(source, arrays)
    vectors = _vectors_in(source, arrays, reading)
    name = "" if vectors is not None and not _pictures(arrays) else _images_in(source, arrays)
    images = arrays.pop(name) if name else None
    pixels = None if images is None else Pixels(images[..., 0] if images.shape[3:] == (1,) else images)
    count = len(images) if images is not None else len(vectors or ())
    columns, others = _columns(arrays, count)
    frame = pd.DataFrame(columns, index=range(count))
    if splits:
        frame[roles.split] = splits
    left_out = {"arrays that are not of one dimension with an entry for each image": others} if others else {}
    if vectors is not None:
        suffix = "" if pixels is None else ".png"
        listing = listing_of_vectors("arrays", source, frame, vectors, roles, reading, images=pixels, suffix=suffix)
    else:
        cells, noted = cleaned(frame, reading.missing_words)
        names = [f"row {row}" for row in range(count)]
        keys = row_keys(count, ".png")
        listing = Listing(f"arrays, images in {name!r}", cells, names, keys, range(count), pixels, facts=noted.facts())
    facts = {"arrays": taken} | listing.facts
    return replace(listing, inputs={source.name: source}, left_out=left_out | listing.left_out, facts=facts)


def _columns(arrays: Arrays, count: int) -> tuple[dict[str, "pd.Series[str]"], list[str]]:
    """What the arrays of one entry for each image say, as text, and the others with their shapes."""
    flat = {key: array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array for key, array in arrays.items()}
    label = next((key for key in _LABELS if key in flat), None)
    columns = {
        ("label" if key == label else key): column_text(pd.Series(array.tolist(), dtype=object))
        for key, array in flat.items()
        if array.shape == (count,)
    }
    return columns, [f"{key} {array.shape}" for key, array in flat.items() if array.shape != (count,)]


def _vectors_in(source: Path, arrays: Arrays, reading: Reading) -> ListedVectors | None:
    """The array of vectors, which is taken out; None where the images count."""
    wanted = reading.vector_column
    fitting = [name for name, array in arrays.items() if array.ndim == 2 and array.shape[1] > 1]
    if wanted == "-" or (not wanted and (_pictures(arrays) or not fitting)):
        return None
    named = [name for name in (wanted,) if name] or [name for name in _VECTORS if name in fitting][:1] or fitting
    if len(named) != 1 or named[0] not in arrays:
        raise DataError(f"{source} holds {_shapes(arrays)}: name the array of vectors (N, d) with --vector_column")
    return stacked([arrays.pop(named[0])], [f"{named[0]} of {source}"])


def _pictures(arrays: Arrays) -> list[str]:
    """The arrays whose shapes are those of images."""
    return [name for name, array in arrays.items() if array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3))]


def _shapes(arrays: Arrays) -> str:
    return ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in arrays.items()) or "nothing"


def _load_arrays(source: Path) -> Arrays:
    refuse_swollen_zip(source)
    try:
        with np.load(source, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FAULTS as error:  # a single array has no names
        raise DataError(f"{source} cannot be read ({error}), expected an .npz file without Python objects") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise DataError(f"{source} holds {name!r}, which is no array: save arrays alone by numpy.savez")
    return arrays


def _joined(source: Path, arrays: Mapping[str, np.ndarray]) -> tuple[Arrays, list[str]]:
    """The arrays of all splits, one after the other, and the split of each row; none where they are of no split.

    Raises:
        DataError: a split lacks an array that another has, or theirs do not fit together.
    """
    parts: dict[str, Arrays] = {}
    for key, array in arrays.items():
        found = _OF_SPLIT.match(key)
        if not found:
            return dict(arrays), []
        split, name = found["before"] or found["after"], found["first"] or found["last"]
        parts.setdefault(split.lower(), {})[name] = array
    names = list(next(iter(parts.values()), {}))
    whole: Arrays = {}
    for name in names:
        try:
            whole[name] = np.concatenate([part[name] for part in parts.values()])
        except (KeyError, ValueError):
            raise DataError(
                f"{source} holds {', '.join(arrays)}: expected the same arrays of the same shapes for each split"
            ) from None
    counts = {split: len(part[names[0]]) for split, part in parts.items()} if names else {}
    return whole, [split for split, count in counts.items() for _ in range(count)]


def _images_in(source: Path, arrays: Arrays) -> str:
    fitting = _pictures(arrays)
    named = [name for name in _IMAGES if name in fitting][:1] or fitting
    shapes = _shapes(arrays)
    first = next((name for name, array in arrays.items() if array.ndim == 4 and array.shape[1] in (1, 3)), None)
    if not named and first is not None:
        raise DataError(
            f"{source} holds {shapes}: expected the channels last, as {first}.transpose(0, 2, 3, 1) has them"
        )
    if len(named) != 1:
        raise DataError(
            f"{source} holds {shapes}: expected one array of images (N, H, W) or (N, H, W, 3), called images"
        )
    if arrays[named[0]].dtype != np.uint8:
        raise DataError(f"{source} holds {shapes}: expected images as uint8, values 0 to 255")
    return named[0]
