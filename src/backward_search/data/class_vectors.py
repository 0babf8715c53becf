"""Classes that are told by a vector each, such as the text embeddings of their names, in the space of the images'."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backward_search.errors import DataError, MissingError, OptionError
from backward_search.storage.mapped import FAULTS
from backward_search.storage.swelling import refuse_swollen_zip

TEMPERATURE = 0.01
"""What cosines are divided by where nothing tells it: that of the CLIP models."""
EXPECTED = "expected an .npz with names (K,) and vectors (K, E), and perhaps a temperature"


@dataclass(frozen=True)
class ClassVectors:
    """The classes of one attribute.

    Attributes:
        names: of the classes, K, each once.
        vectors: of each (K, E) float32, of any length but 0.
        temperature: what the cosine with an image is divided by to be a logit; None where nobody says.
    """

    names: tuple[str, ...]
    vectors: np.ndarray
    temperature: float | None = None

    @classmethod
    def read(cls, file: Path) -> "ClassVectors":
        """Read an `.npz` of `names`, `vectors` and, if there is one, `temperature`.

        Raises:
            MissingError: there is no such file.
            DataError: it is none.
        """
        if not file.is_file():
            raise MissingError(f"the class vectors {file} do not exist: {EXPECTED}")
        refuse_swollen_zip(file)
        try:
            with np.load(file, allow_pickle=False) as arrays:
                names = tuple(str(name) for name in arrays["names"])
                vectors = arrays["vectors"].astype(np.float32)
                temperature = float(arrays["temperature"]) if "temperature" in arrays.files else None
        except FAULTS as error:
            raise DataError(f"{file} holds no class vectors ({error}): {EXPECTED}") from None
        if vectors.ndim != 2 or len(vectors) != len(names) or len(names) < 2:
            raise DataError(f"{file} holds {len(names)} names and vectors {vectors.shape}: {EXPECTED}, two or more")
        if len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise DataError(f"{file} names a class twice, or not at all: each needs a name of its own")
        if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
            raise DataError(f"{file} holds a vector that is not finite, or zeros alone")
        if temperature is not None and not 0 < temperature < np.inf:
            raise DataError(f"{file} has the temperature {temperature}: expected a positive number")
        return cls(names, vectors, temperature)

    def of(self, classes: Sequence[str], attribute: str) -> "ClassVectors":
        """Those of some classes, in their order.

        Raises:
            DataError: one is missing.
        """
        row = {name: number for number, name in enumerate(self.names)}
        missing = [name for name in classes if name not in row]
        if missing:
            raise DataError(
                f"the class vectors of {attribute} have none for {len(missing)} of its {len(classes)} classes, such as "
                f"{missing[0]!r}: they have {', '.join(self.names[:5])}{', ...' if len(row) > 5 else ''}"
            )
        return ClassVectors(tuple(classes), self.vectors[[row[name] for name in classes]], self.temperature)

    def nearest(self, vectors: np.ndarray) -> np.ndarray:
        """The class whose vector has the largest cosine with each of some vectors (n, E): its number (n,)."""
        directions = self.vectors / np.linalg.norm(self.vectors, axis=1, keepdims=True)
        return np.asarray((vectors @ directions.T).argmax(axis=1))


def named_files(text: str) -> dict[str, Path]:
    """By attribute the file of its class vectors: `style.npz`, or `style=FILE.npz`, comma-separated.

    >>> {name: file.name for name, file in named_files("clip/style.npz, genre=words.npz").items()}
    {'style': 'style.npz', 'genre': 'words.npz'}

    Raises:
        OptionError: an attribute is named twice.
    """
    found: dict[str, Path] = {}
    for word in (word.strip() for word in text.split(",") if word.strip()):
        name, equals, place = word.partition("=")
        file = Path(place if equals else word).expanduser().absolute()
        name = name.strip() if equals else file.stem
        if name in found:
            raise OptionError(f"--class_vectors names {name} twice: pass one file for each attribute")
        found[name] = file
    return found
