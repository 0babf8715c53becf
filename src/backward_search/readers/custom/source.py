"""The user's own images or vectors: any of some forms, brought into the form of a data set with a name of choice."""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backward_search.data import registry, splits
from backward_search.data.class_vectors import ClassVectors
from backward_search.data.opening import USUAL, Opening
from backward_search.data.registry import EMBEDDINGS, DatasetEntry, Preprocessing
from backward_search.data.report import Findings
from backward_search.data.source import Source
from backward_search.data.tables import SPLITS, Samples
from backward_search.errors import DataError, OptionError
from backward_search.readers.custom.columns import captions_of, find_attributes, groups_of, labelled, tags_of
from backward_search.readers.custom.forms import read_listing
from backward_search.readers.custom.guessing import guessed
from backward_search.readers.custom.images import How, make, refuse_own_images
from backward_search.readers.custom.listing import Files, Listing, Reading, Roles
from backward_search.readers.custom.vectors import BLOCK, ListedVectors
from backward_search.storage.atomic import replacing, write_csv
from backward_search.storage.paths import DataPaths
from backward_search.visible import quoted

AS_IT_STANDS = Reading()
NONE: Mapping[str, Path] = {}


@dataclass(frozen=True)
class Split:
    """How the rows are split where the source does not say.

    Attributes:
        test_size: share of the test split, in (0, 1).
        seed: of the split.
    """

    test_size: float
    seed: int


def source(
    paths: DataPaths,
    file: Path,
    roles: Roles,
    split: Split,
    *,
    reading: Reading = AS_IT_STANDS,
    image_size: int,
    augment: bool,
    workers: int,
    opening: Opening = USUAL,
    thumbnails: bool = True,
    class_vectors: Mapping[str, Path] = NONE,
) -> Source:
    """The user's images as `stages.prepare` takes them.

    Args:
        paths: where the data set goes; its name is the user's choice.
        file: a folder of class folders or of Parquet files, a .csv, a .parquet or an .npz file.
        roles: which column says what.
        split: how to split where the source does not say.
        reading: how the source is read.
        image_size: side of the network's input in pixels.
        augment: random crops and flips in training.
        workers: number of processes that make images.
        opening: how the user's images are opened.
        thumbnails: copy the images of vectors.
        class_vectors: by attribute the file of its class vectors, whose guess labels what has no label.

    Raises:
        OptionError: the name is that of a data set that comes with the package, or a named column does not exist.
        MissingError: there is no such file.
        DataError: it cannot be used.
    """
    if registry.is_taken(paths.name):
        raise OptionError(f"--dataset_name {paths.name} is a data set of the package: choose another name for your own")
    whole = read_listing(file, roles, reading)
    known = {name: ClassVectors.read(place) for name, place in class_vectors.items()}
    if known:
        whole = guessed(file, whole, known)
    refuse_own_images(paths, file, whole)
    attributes = find_attributes(file, whole, roles, told=tuple(known))
    listings: list[Listing] = []

    def read(findings: Findings) -> Samples:
        """The rows with all labels; their listing is kept for what is made of them."""
        listings.append(labelled(file, whole, attributes, findings))
        findings.facts |= {"source": str(file), "form": whole.form, **whole.facts, "attributes": ", ".join(attributes)}
        findings.facts |= _guesses_in_words(whole)
        missing = _missing(file, listings[-1], findings)
        rows = samples(paths, listings[-1], attributes, roles, split, findings)
        further = {name: classes.names for name, classes in known.items()}
        return dataclasses.replace(rows, missing=frozenset(missing), further_classes=further)

    how = How(image_size, workers, opening, wanted=thumbnails or whole.vectors is None)
    chosen = {"attributes": attributes, "image_size": image_size, "augment": augment, "listed": fingerprint(whole)}
    chosen |= {} if thumbnails else {"thumbnails": False}
    given = {
        "source": str(file),
        "roles": _settled(roles, whole),
        "test_size": split.test_size,
        "split_seed": split.seed,
    }
    entry = make_entry(paths.name, file, attributes, image_size, augment, whole.vectors, of_classes=bool(known))

    def make_more(kept: Samples) -> None:
        """What goes beside tables and images, and the entry by which other processes know the data set."""
        _make_more(paths, listings[-1], class_vectors, kept)
        registry.save(entry, paths.root)

    return Source(
        entry=entry,
        settings={**given, **chosen, **reading.unusual(), **opening.unusual},
        inputs=whole.inputs | {f"class vectors of {name}": place for name, place in class_vectors.items()},
        read=read,
        make_images=lambda _samples, findings: make(paths, file, listings[-1], how, findings),
        make_more=make_more,
        more=_more(paths, whole, class_vectors),
    )


def _settled(roles: Roles, whole: Listing) -> dict[str, Any]:
    """The roles as settings: captions only where there are some, as what was prepared without them has not changed."""
    return {name: column for name, column in vars(roles).items() if name != "captions" or column in whole.columns}


def _guesses_in_words(whole: Listing) -> dict[str, str]:
    """How many labels are guesses, a line of the report for each attribute that has some."""
    counts = {name: len(guesses) for name, guesses in whole.guessed.items() if guesses}
    return {
        f"labels of {name} that its class vectors guess": f"{count}, as no one knows them"
        for name, count in counts.items()
    }


def _more(paths: DataPaths, whole: Listing, class_vectors: Mapping[str, Path]) -> dict[str, Path]:
    """What is written beside tables and images, by a name for each."""
    more = {} if whole.vectors is None else {split: paths.vectors(split) for split in SPLITS}
    return more | {f"class vectors of {name}": paths.class_vectors(name) for name in class_vectors}


def _make_more(paths: DataPaths, listing: Listing, class_vectors: Mapping[str, Path], kept: Samples) -> None:
    """Write the vectors, the class vectors, and which labels those guessed; what an earlier A1 wrote of these goes."""
    for older in (paths.vectors("train").parent, paths.class_vectors("any").parent):
        shutil.rmtree(older, ignore_errors=True)
    paths.guessed.unlink(missing_ok=True)
    if listing.vectors is not None:
        _write_vectors(paths, listing, kept)
    for name, file in class_vectors.items():
        with replacing(paths.class_vectors(name)) as temporary:
            temporary.write_bytes(file.read_bytes())
    guesses = [
        (listing.keys[place], name)
        for rows in kept.splits.values()
        for place in np.asarray(rows).tolist()
        for name, guesses in listing.guessed.items()
        if listing.rows[place] in guesses
    ]
    if guesses:
        write_csv(paths.guessed, ["key", "attribute"], guesses)


def _write_vectors(paths: DataPaths, listing: Listing, kept: Samples) -> None:
    """Write the vectors of each split, in the order of its table, with the names of the rows beside them."""
    assert listing.vectors is not None
    for split, places in kept.splits.items():
        rows, file = np.asarray(listing.rows)[np.asarray(places)], paths.vectors(split)
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary, temporary.open("wb") as opened:
            shape = (len(rows), listing.vectors.width)
            np.lib.format.write_array_header_1_0(opened, {"descr": "<f4", "fortran_order": False, "shape": shape})
            for start in range(0, len(rows), BLOCK):
                opened.write(listing.vectors.take(rows[start : start + BLOCK]).data)
        write_csv(file.with_suffix(".csv"), ["key"], ([listing.keys[place]] for place in np.asarray(places).tolist()))


def make_entry(
    name: str,
    file: Path,
    attributes: Sequence[str],
    image_size: int,
    augment: bool,
    vectors: ListedVectors | None = None,
    *,
    of_classes: bool = False,
) -> DatasetEntry:
    """The registry entry of the data set: all attributes are its default category type."""
    return DatasetEntry(
        name=name,
        category_types={",".join(attributes): tuple(attributes)},
        preprocessing=Preprocessing(size=image_size, augment=augment),
        encoder_model="convnext_base" if vectors is None else EMBEDDINGS,
        holdout=0.1,
        vectors=0 if vectors is None else vectors.width,
        encoding_size=0 if of_classes else 256,
        prepare=f"A1.Data-Preprocessing-custom.py --dataset_name {name} --source {quoted(str(file))}",
    )


def fingerprint(listing: Listing) -> str:
    """A hash of the names and, for files, their sizes: what changes when images come, go or are replaced."""
    rows: dict[str, Any] = {"name": listing.names}  # files of vectors are inputs, whose content counts
    if isinstance(listing.images, Files):
        rows["size"] = [listing.images.sizes[row] for row in listing.rows]
    return str(pd.util.hash_pandas_object(pd.DataFrame(rows)).sum())


def _missing(file: Path, listing: Listing, findings: Findings) -> list[int]:
    """The rows whose file does not exist."""
    if not isinstance(listing.images, Files) or listing.vectors is not None:
        return []
    missing = [place for place, row in enumerate(listing.rows) if listing.images.sizes[row] < 0]
    if len(missing) == len(listing.rows):
        raise DataError(
            f"none of the {len(missing)} images of {file} exists, such as {listing.images.paths[listing.rows[0]]}: "
            "expected paths relative to the table's folder, or absolute"
        )
    for place in missing:
        findings.drop("missing image", listing.names[place])
    return missing


def samples(
    paths: DataPaths, listing: Listing, attributes: Sequence[str], roles: Roles, split: Split, findings: Findings
) -> Samples:
    """The rows of the data set, split as the source says, else by groups, else stratified by the labels.

    Raises:
        DataError: the rows cannot be split.
    """
    labels = {name: listing.columns[name].tolist() for name in attributes}
    groups = groups_of(listing, roles)
    if roles.split in listing.columns:
        parts, how = splits.given(listing.columns[roles.split].tolist())
        how += _straddling(groups, parts)
    elif groups is not None:
        parts, how = splits.grouped(groups, split.test_size, split.seed)
    else:
        parts, how = splits.stratified(labels, split.test_size, split.seed)
    findings.facts["split"] = how
    captions = captions_of(listing, roles, attributes)
    if captions is not None:
        findings.facts["captions"] = (
            f"{sum(map(bool, captions))} of {len(captions)} rows, of the column {roles.captions}"
        )
    return Samples(
        paths=[f"./data/{paths.name}/images/{key}" for key in listing.keys],
        labels=labels,
        splits=parts,
        tags=tags_of(listing, roles),
        groups=groups,
        captions=captions,
    )


def _straddling(groups: Sequence[str] | None, parts: dict[str, Any]) -> str:
    if groups is None:
        return ""
    both = len(set.intersection(*({groups[row] for row in rows} for rows in parts.values())))
    return f"; WARNING: {both} groups are on both sides" if both else ""
