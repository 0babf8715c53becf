"""Where the tables of a data set come from: what has to go with them into every later result."""

import dataclasses
from typing import Any

from backward_search.data.registry import DatasetEntry, Preprocessing
from backward_search.storage.manifest import read_manifest
from backward_search.storage.paths import DataPaths


def provenance(paths: DataPaths) -> dict[str, Any]:
    """The settings that A1 made the tables with, such as `{"as_published": True, ...}`; empty before A1 has finished.

    Raises:
        DataError: A1's manifest is damaged.
    """
    manifest = paths.manifest("A1")
    return dict(read_manifest(manifest)["settings"]) if manifest.exists() else {}


def prepared_look(entry: DatasetEntry, paths: DataPaths) -> Preprocessing:
    """How the images of a prepared data set become the network's input: on the background that A1 was given."""
    look = entry.preprocessing
    return dataclasses.replace(look, background=provenance(paths).get("background", look.background))


def in_words(tables: dict[str, Any]) -> str:
    """The settings in one line; lists of names are left to the files.

    >>> in_words({"as_published": True, "split_seed": 42})
    'as_published True, split_seed 42'
    """
    return ", ".join(f"{name} {value}" for name, value in tables.items() if not isinstance(value, (dict, list)))
