"""WikiArt: 81,444 paintings of 27 styles, 11 genres and 129 artists, in any of the forms in which they come."""

import numpy as np
import pandas as pd

from backward_search.data.download import HubDownload
from backward_search.data.opening import USUAL, Opening
from backward_search.data.registry import DatasetEntry, EmptyTags
from backward_search.data.report import Findings
from backward_search.data.source import Source
from backward_search.data.tables import Samples
from backward_search.readers.wikiart.forms import find_form
from backward_search.readers.wikiart.images import How, Plan, make, plan_images
from backward_search.readers.wikiart.labels import GENRES, STYLES
from backward_search.readers.wikiart.rows import HUB, Form, Rows, locate
from backward_search.readers.wikiart.tags import ATTRIBUTIONS, FIELDS, from_attributions, from_labels
from backward_search.storage.paths import DataPaths

ENTRY = DatasetEntry(
    name="wikiart",
    category_types={"stylegenre": ("style", "genre"), "style": ("style",)},
    empty_tags=EmptyTags.IN_GENERATION,
    prepare="A1.Data-Preprocessing-wikiart.py",
)
DOWNLOADS = (
    HubDownload(
        repo_id="huggan/wikiart",
        target="parquet",
        patterns=("data/*.parquet",),
        alternatives=f"download the files of {HUB}/tree/main/data by hand into data/wikiart/parquet/data/",
    ),
)
TRAIN_SHARE, SPLIT_SEED = 0.8, 777
"""The paper's split: the share, and the seed of NumPy's legacy generator."""


def source(
    paths: DataPaths, seed: int, *, workers: int = 1, opening: Opening = USUAL, as_published: bool = False
) -> Source:
    """The data set as `stages.prepare` takes it.

    Args:
        paths: where it lies.
        seed: of the split, where the form does not allow the paper's.
        workers: number of processes that make images.
        opening: how the owners' images are opened.
        as_published: encode every image anew, also one that could be copied.

    Raises:
        MissingError: the data set is not there.
    """
    form = find_form(paths.folder)
    anew = {"as_published": True} if as_published else {}
    attributions = None if form.shards else locate(paths.folder, ATTRIBUTIONS)
    planned: list[Plan] = []

    def read(findings: Findings) -> Samples:
        """Read the lists, split the rows and find their images."""
        findings.facts["form"] = form.name
        rows, splits = split(form.read(findings), None if form.published else seed, findings)
        plan = plan_images(paths, form, rows.keys, findings)
        planned[:] = [plan]
        tags = (
            from_attributions(attributions, rows.keys, findings)
            if attributions
            else from_labels(rows, placeholders=as_published)
        )
        _describe(form, rows, attributions is not None, seed, findings)
        return Samples(
            paths=[f"./data/{paths.name}/images/{key}" for key in plan.keys],
            labels={"artist": rows.artists, "genre": rows.genres, "style": rows.styles},
            splits=splits,
            tags=tags.tags,
            query_tags=tags.query_tags,
            missing=frozenset() if form.shards else frozenset(plan.missing),
        )

    return Source(
        entry=ENTRY,
        settings={
            "form": form.name,
            "split_seed": SPLIT_SEED if form.published else seed,
            **form.settings,
            **anew,
            **opening.unusual,
        },
        inputs=form.inputs | ({ATTRIBUTIONS: attributions} if attributions else {}),
        read=read,
        make_images=lambda _samples, findings: make(
            paths, form, planned[0], How(workers, opening, as_published), findings
        ),
    )


def split(rows: Rows, seed: int | None, findings: Findings) -> tuple[Rows, dict[str, np.ndarray]]:
    """Split the rows in a random order, which the tables keep; a row that repeats an image is left out after that.

    Args:
        rows: in the order of the lists.
        seed: of the order; None for the paper's, which NumPy's legacy generator makes.
        findings: takes the repeated rows.

    Returns:
        The rows that are left, and those of each split.
    """
    order = np.arange(len(rows.keys))
    if seed is None:
        np.random.RandomState(SPLIT_SEED).shuffle(order)
    else:
        np.random.default_rng(seed).shuffle(order)
    train = int(len(order) * TRAIN_SHARE)
    splits = {"train": order[:train], "test": order[train:]}
    repeated = pd.Series(rows.keys).duplicated().to_numpy()
    if not repeated.any():
        return rows, splits
    for row in np.flatnonzero(repeated).tolist():
        findings.drop("image listed before", rows.keys[row])
    place = np.cumsum(~repeated) - 1
    return rows.take(np.flatnonzero(~repeated)), {name: place[part[~repeated[part]]] for name, part in splits.items()}


def _describe(form: Form, rows: Rows, attributed: bool, seed: int, findings: Findings) -> None:
    """Say how far the tables are the paper's."""
    why = f"file names to look up in {ATTRIBUTIONS} are not there" if form.shards else f"there is no {ATTRIBUTIONS}"
    findings.facts |= {
        "split": "as published" if form.published else f"made with --seed {seed}, not the published one",
        "tags": f"{', '.join(FIELDS)} of {ATTRIBUTIONS}" if attributed else f"genre, style and artist, as {why}",
        "test queries": "the paper's" if form.published and attributed else "will not be the paper's",
    }
    findings.expect("styles listed", len(STYLES), len(set(rows.styles)))
    findings.expect("genres listed", len(GENRES), len(set(rows.genres)))
