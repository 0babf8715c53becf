"""Labels for vectors that have none: the class whose vector is nearest to each."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from backward_search.data.class_vectors import ClassVectors
from backward_search.errors import DataError
from backward_search.readers.custom.listing import Listing
from backward_search.readers.custom.vectors import BLOCK


def guessed(file: Path, listing: Listing, known: Mapping[str, ClassVectors]) -> Listing:
    """The listing with a label in every row for some attributes; which of them are guesses stands in `guessed`.

    Args:
        file: the source, for messages.
        listing: of vectors.
        known: by attribute the vectors of its classes.

    Raises:
        DataError: the listing is of images, or the vectors are of another width, or a label is none of the classes.
    """
    if listing.vectors is None:
        raise DataError(
            f"{file} lists images, and --class_vectors labels vectors: pass --vectors too, or --class_vectors to B1"
        )
    columns, guesses = listing.columns.copy(), {}
    for attribute, classes in known.items():
        if classes.vectors.shape[1] != listing.vectors.width:
            raise DataError(
                f"the class vectors of {attribute} have {classes.vectors.shape[1]} numbers, the vectors of {file} "
                f"{listing.vectors.width}: expected both of one encoder"
            )
        labels = np.full(len(listing.names), "", object)
        if attribute in columns:
            labels[:] = columns[attribute]
        unknown = sorted({label for label in labels.tolist() if label} - set(classes.names))
        if unknown:
            raise DataError(
                f"{file} has the {attribute} {unknown[0]!r}, of which there is no class vector: expected one of "
                f"{', '.join(classes.names[:5])}{', ...' if len(classes.names) > 5 else ''}"
            )
        empty = np.flatnonzero(labels == "")
        for start in range(0, len(empty), BLOCK):
            some = empty[start : start + BLOCK]
            found = classes.nearest(listing.vectors.take(np.asarray(listing.rows)[some]))
            labels[some] = np.array(classes.names, object)[found]
        columns[attribute] = labels
        guesses[attribute] = frozenset(np.asarray(listing.rows)[empty].tolist())
    return dataclasses.replace(listing, columns=columns, guessed=guesses)
