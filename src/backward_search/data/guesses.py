"""Labels that nobody has given: what the class vectors of an attribute guess, and what that means for measures."""

from collections.abc import Sequence

from backward_search.storage.keys import read_columns, read_keys
from backward_search.storage.manifest import is_there
from backward_search.storage.paths import DataPaths

AGAIN = "run the A1 script again"


def load_guessed(paths: DataPaths) -> dict[str, set[str]]:
    """By attribute the keys of the images whose label is a guess of class vectors; empty where all were known."""
    found: dict[str, set[str]] = {}
    if is_there(paths.manifest("A1"), paths.guessed, AGAIN):
        columns = read_columns(paths.guessed, AGAIN, "attribute")
        for name, key in zip(columns["attribute"], read_keys(paths.guessed, AGAIN), strict=True):
            found.setdefault(name, set()).add(key)
    return found


def counts_of_guesses(paths: DataPaths, attributes: Sequence[str], keys: Sequence[str]) -> dict[str, int]:
    """By attribute how many of some images have a guess for a label; those with none are left out."""
    guessed = load_guessed(paths)
    counts = {name: sum(key in guessed.get(name, ()) for key in keys) for name in attributes}
    return {name: count for name, count in counts.items() if count}


def warnings_of_guesses(paths: DataPaths, attributes: Sequence[str], keys: Sequence[str]) -> list[str]:
    """What is to be said where some of the labels by which is judged are guesses, a line for each attribute.

    Args:
        paths: the data set.
        attributes: those that are judged by.
        keys: of the images that are judged.
    """
    return [
        f"the labels of {name} are guesses of its class vectors in {count} of {len(keys)} images: accuracy and "
        "precision by them say how well they agree with those vectors, not how often they are right"
        for name, count in counts_of_guesses(paths, attributes, keys).items()
    ]
