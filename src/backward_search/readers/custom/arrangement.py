"""How images lie in folders: which level names the class, which the split, and what lies beside them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from backward_search.data.splits import TEST_NAMES, TRAIN_NAMES, VALIDATION_NAMES
from backward_search.errors import DataError

SPLIT_NAMES = (*TRAIN_NAMES, *TEST_NAMES, *VALIDATION_NAMES)
UNLABELLED = ("pred", "predict", "prediction", "unlabeled", "unlabelled", "unsup", "unsupervised")
"""Folders beside train and test whose images have no label."""
_PLAIN = ("set", "data", "dataset", "split", "images", "image", "imgs", "img", "pictures", "photos")
"""What else may stand in the name of a split's folder, as in `training_set`."""
_LABELS_NEEDED = (
    "labels are needed, either a folder for each class, or a CSV table with the columns path and label as --source"
)
SHOWN = 5

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where an image lies.

    Attributes:
        path: from the source.
        folders: those that name classes, the first level first.
        split: train, test or val; "" where nothing says it.
    """

    path: PurePosixPath
    folders: Parts
    split: str = ""


@dataclass(frozen=True)
class Arrangement:
    """All images of a folder.

    Attributes:
        form: in words.
        places: the images that have a class.
        left_out: the others, by reason.
    """

    form: str
    places: list[Place]
    left_out: dict[str, list[PurePosixPath]] = field(default_factory=dict)


def arranged(source: Path, images: Sequence[PurePosixPath]) -> Arrangement:
    """Recognise class folders, and folders of a split above or below them.

    Args:
        source: the folder, for messages.
        images: paths from it, at least one.

    Raises:
        DataError: the images have no classes, or a split's folder stands beside class folders.
    """
    places = [Place(path, path.parent.parts) for path in images]
    if all(not place.folders for place in places):
        raise DataError(f"--source {source} holds {len(images)} images and no class folders: {_LABELS_NEEDED}")
    places = _unwrapped(places)
    tops = _tops(places)
    splits = split_words(list(tops))
    if not splits:
        return _split_below(source, places) or _classes("class folders", places)
    others = {name: own for name, own in tops.items() if name not in splits}
    unlabelled = {name: own for name, own in others.items() if _is_unlabelled(name, own)}
    if set(others) - set(unlabelled):
        alone = list(splits.values()) == ["train"] and not _with_classes(tops[next(iter(splits))])
        if alone:  # a class of vehicles
            return _classes("class folders", places)
        raise DataError(
            f"--source {source} holds {_shown(tops)}: expected either class folders, or folders of the splits alone "
            "(train, test, val) with class folders in each; move the others away, or name the split in a CSV table"
        )
    return _of_splits(source, tops, splits, unlabelled, places)


def split_words(names: Sequence[str]) -> dict[str, str]:
    """By folder the split that its name says: exactly, or with a plain word, or with what all names share.

    >>> split_words(["seg_train", "seg_test", "seg_pred"])
    {'seg_train': 'train', 'seg_test': 'test'}
    >>> split_words(["Training_set", "val"]), split_words(["trains", "test tube"])
    ({'Training_set': 'training', 'val': 'val'}, {})
    """
    tokens = {name: [token.rstrip("0123456789") for token in re.split(r"[-_. ]+", name.lower())] for name in names}
    shared = set.intersection(*map(set, tokens.values())) if len(tokens) > 1 else set()
    found = {}
    for name, own in tokens.items():
        words = [token for token in own if token in SPLIT_NAMES]
        rest = [token for token in own if token and token not in SPLIT_NAMES]
        if len(words) == 1 and all(token in _PLAIN or token in shared for token in rest):
            found[name] = words[0]
    return found


def _of_splits(
    source: Path,
    tops: Mapping[str, list[Place]],
    splits: Mapping[str, str],
    unlabelled: Mapping[str, list[Place]],
    places: list[Place],
) -> Arrangement:
    """Folders of the splits, each with class folders; a test folder without is of no use, and is left out."""
    if not any(word in TRAIN_NAMES for word in splits.values()):
        raise DataError(f"--source {source} holds {_shown(tops)}: expected a folder train beside it, or class folders")
    left_out: dict[str, list[PurePosixPath]] = {}
    kept: list[Place] = []
    for name, own in tops.items():
        word = splits.get(name, "")
        inner = _inside(name, own)
        if name in unlabelled or (word not in TRAIN_NAMES and not _with_classes(inner, 0)):
            left_out[f"images of {name}/ without a class"] = [place.path for place in own]
        elif not _with_classes(inner, 0):
            raise DataError(f"--source {source} holds {_shown(tops)}: {_LABELS_NEEDED}")
        else:
            kept += [replace(place, split=word) for place in inner]
    loose = [place for place in places if not place.folders]
    return _classes("train and test folders of class folders", [*kept, *loose], left_out)


def _split_below(source: Path, places: list[Place]) -> Arrangement | None:
    """Class folders with train and test folders in each; None where no class has such."""
    splits = {place.folders[1]: word for place in places for word in _word(place.folders[1:2])}
    if not splits:
        return None
    deep = [place for place in places if place.folders]
    others = [place for place in deep if len(place.folders) < 2 or place.folders[1] not in splits]
    if others:
        first = next(place for place in deep if place not in others)
        raise DataError(
            f"--source {source} holds {first.path.parent} and also {others[0].path}: expected folders of the splits in "
            "each class folder, or in none"
        )
    kept = [
        replace(place, folders=(place.folders[0], *place.folders[2:]), split=splits[place.folders[1]]) for place in deep
    ]
    loose = [place for place in places if not place.folders]
    return _classes("class folders with train and test folders in each", [*kept, *loose])


def _word(name: Parts) -> list[str]:
    return [part.lower() for part in name if part.lower() in SPLIT_NAMES]


def _classes(form: str, places: list[Place], left_out: Mapping[str, list[PurePosixPath]] | None = None) -> Arrangement:
    """The images that have a class; a split of one part is none."""
    kept = [place for place in places if place.folders]
    if len({place.split for place in kept}) == 1:
        kept = [replace(place, split="") for place in kept]
    loose = [place.path for place in places if not place.folders]
    outside = {"images outside of a class folder": loose} if loose else {}
    return Arrangement(form, kept, {**(left_out or {}), **outside})


def _unwrapped(places: list[Place]) -> list[Place]:
    """The same below the folders that hold all of them, as long as there are folders in these."""
    while len({place.folders[:1] for place in places}) == 1 and all(len(place.folders) > 1 for place in places):
        places = [replace(place, folders=place.folders[1:]) for place in places]
    return places


def _inside(name: str, places: list[Place]) -> list[Place]:
    """What a split's folder holds, also where it stands in itself, as `seg_train/seg_train`."""
    inner = [replace(place, folders=place.folders[1:]) for place in places]
    plain = {name, *_PLAIN}
    while all(len(place.folders) > 1 for place in inner) and len({place.folders[0] for place in inner}) == 1:
        if inner[0].folders[0] not in plain:
            break
        inner = [replace(place, folders=place.folders[1:]) for place in inner]
    if all(place.folders == (name,) for place in inner):
        inner = [replace(place, folders=()) for place in inner]
    return inner


def _tops(places: Sequence[Place]) -> dict[str, list[Place]]:
    tops: dict[str, list[Place]] = {}
    for place in places:
        if place.folders:
            tops.setdefault(place.folders[0], []).append(place)
    return tops


def _with_classes(places: Sequence[Place], level: int = 1) -> bool:
    """Whether there are folders below a level."""
    return any(len(place.folders) > level for place in places)


def _is_unlabelled(name: str, places: Sequence[Place]) -> bool:
    tokens = re.split(r"[-_. ]+", name.lower())
    return any(token in UNLABELLED for token in tokens) and not _with_classes(_inside(name, list(places)), 0)


def _shown(tops: Mapping[str, Sequence[Place]]) -> str:
    parts = []
    for name, own in list(tops.items())[:SHOWN]:
        classes = len({place.folders[1] for place in own if len(place.folders) > 1})
        what = f"{len(own)} images in {classes} folders" if classes else f"{len(own)} images, no folders"
        parts.append(f"{name}/ ({what})")
    more = f" and {len(tops) - SHOWN} more folders" if len(tops) > SHOWN else ""
    return ", ".join(parts) + more
