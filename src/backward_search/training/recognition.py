"""How well heads recognise classes: a condition on a class that its head hardly knows is hardly ever met."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backward_search.storage.atomic import write_sheet

POOR = 0.5
"""A class that is recognised in a smaller share of its images is recognised poorly."""
FEWEST = 5
"""Of fewer images a share says too little to warn of it."""
NAMED = 3
"""Classes that a line names; the others are counted."""
COLUMNS = (
    "attribute",
    "class",
    "train_images",
    "test_images",
    "recognised",
    "precision",
    "taken_for",
    "share_taken_for",
)


@dataclass(frozen=True)
class Recognition:
    """How well a head recognises one of its classes, by some images whose class is known.

    Attributes:
        label: the class.
        images: those of the class.
        right: how many of them the head gives the class.
        given: how many images of any class it gives this one.
        taken_for: the other class that it gives most of them, the first of equals; "" where it gives them none.
        taken: how many it gives that.
    """

    label: str
    images: int
    right: int
    given: int
    taken_for: str = ""
    taken: int = 0

    @property
    def recognised(self) -> float:
        """The share of the class's images that the head gives the class (recall), in [0, 1]; NaN without images."""
        return _share(self.right, self.images)

    @property
    def precision(self) -> float:
        """The share of the images given the class that are of it, in [0, 1]; NaN where none is given it."""
        return _share(self.right, self.given)

    @property
    def share_taken(self) -> float:
        """The share of the class's images that are taken for `taken_for`, in [0, 1]; NaN where there is none."""
        return _share(self.taken, self.images if self.taken else 0)

    @property
    def poor(self) -> bool:
        """Whether there are images, and fewer than half of them are recognised."""
        return self.recognised < POOR

    @property
    def doubtful(self) -> bool:
        """Whether it is recognised poorly by enough images to warn of it."""
        return self.poor and self.images >= FEWEST

    @property
    def rank(self) -> tuple[float, int]:
        """By which classes with images are sorted, the least recognised first; of equals those of more images."""
        return self.recognised, -self.images

    def __str__(self) -> str:
        """In how many images it is recognised, and what most others are taken for.

        >>> print(Recognition("Rococo", 24, 3, 5, "Baroque", 15))
        Rococo in 3 of its 24 images (12 %; 15 are taken for Baroque)
        """
        taken = f"; {self.taken} {'is' if self.taken == 1 else 'are'} taken for {self.taken_for}" if self.taken else ""
        return f"{self.label} in {self.right} of its {self.images} images ({100 * self.recognised:.0f} %{taken})"


def confusion(predicted: np.ndarray, ids: np.ndarray, classes: int) -> np.ndarray:
    """How many images of each class are given each class.

    Args:
        predicted: class ids by a head (N,), in 0..K-1.
        ids: true class ids (N,), in 0..K-1.
        classes: K.

    Returns:
        (K, K) int64; the true class has the row, the predicted one the column.

    >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    return np.bincount(ids * classes + predicted, minlength=classes**2).reshape(classes, classes)


def recognitions(counts: np.ndarray, labels: Sequence[str]) -> list[Recognition]:
    """What a confusion says of each class, in the order of the labels.

    Args:
        counts: (K, K), see `confusion`.
        labels: of the K classes.

    >>> [each.recognised for each in recognitions(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]), ["a", "b", "c"])]
    [0.75, 1.0, nan]
    """
    others = counts.copy()
    np.fill_diagonal(others, 0)
    numbers = zip(counts.sum(1), counts.diagonal(), counts.sum(0), others.argmax(1), others.max(1), strict=True)
    found = []
    for label, each in zip(labels, numbers, strict=True):
        images, right, given, other, taken = map(int, each)
        found.append(Recognition(label, images, right, given, labels[other] if taken else "", taken))
    return found


def worst_first(each: Iterable[Recognition]) -> list[Recognition]:
    """Those with images, the least recognised first."""
    return sorted((one for one in each if one.images), key=lambda one: one.rank)


@dataclass(frozen=True)
class Pair:
    """Images of one class that are given another: `taken` of the `images` of `label`."""

    label: str
    taken_for: str
    taken: int
    images: int


def confused(counts: np.ndarray, labels: Sequence[str], most: int) -> list[Pair]:
    """The pairs of classes that most images are confused between, in one direction each; at most so many.

    >>> confused(np.array([[3, 1, 0], [0, 2, 0], [0, 4, 5]]), ["a", "b", "c"], 5)
    [Pair(label='c', taken_for='b', taken=4, images=9), Pair(label='a', taken_for='b', taken=1, images=4)]
    """
    others, images = counts.copy(), counts.sum(1)
    np.fill_diagonal(others, 0)
    places = np.argsort(-others, axis=None, kind="stable")[:most]
    rows, columns = (part.tolist() for part in np.unravel_index(places, others.shape))
    return [
        Pair(labels[row], labels[column], int(others[row, column]), int(images[row]))
        for row, column in zip(rows, columns, strict=True)
        if others[row, column]
    ]


def poor_in_words(each: Sequence[Recognition]) -> str:
    """How many classes are recognised poorly, and the worst of them.

    >>> poor_in_words([Recognition("a", 4, 1, 1, "b", 3), Recognition("b", 4, 4, 7), Recognition("c", 0, 0, 0)])
    '1 of 2 classes is recognised in fewer than half of its images: a in 1 of its 4 images (25 %; 3 are taken for b)'
    """
    judged = worst_first(each)
    poor = [one for one in judged if one.poor]
    if not poor:
        return f"all {len(judged)} classes are recognised in half of their images or more"
    verb, whose = ("is", "its") if len(poor) == 1 else ("are", "their")
    named = ", ".join(map(str, poor[:NAMED]))
    more = f" and {len(poor) - NAMED} more" if len(poor) > NAMED else ""
    return f"{len(poor)} of {len(judged)} classes {verb} recognised in fewer than half of {whose} images: {named}{more}"


def write_table(path: Path, found: Mapping[str, Sequence[Recognition]], trained: Mapping[str, np.ndarray]) -> Path:
    """Write what is known of each class of each attribute; a share that nothing says anything of is an empty cell.

    Args:
        path: the CSV file.
        found: by attribute, each class.
        trained: by attribute, the training images of each class (K,).
    """
    rows = (
        (
            *(name, one.label, int(count), one.images, _cell(one.recognised), _cell(one.precision)),
            *(one.taken_for, _cell(one.share_taken)),
        )
        for name, each in found.items()
        for one, count in zip(each, trained[name], strict=True)
    )
    return write_sheet(path, COLUMNS, rows)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _cell(share: float) -> float | str:
    return "" if math.isnan(share) else share
