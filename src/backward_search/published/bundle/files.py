"""The files of the authors' preprocessed bundle: tables, and pickles of classes, tags and queries."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backward_search.data.tables import SPLITS
from backward_search.errors import DataError
from backward_search.storage.paths import DataPaths

CLASSES, TAGS = "classes.label2num.pkl", "filename.tag.pkl"
REMEDY = "get the bundle again, or run the data set's A1 script on the raw data"


def plain_text(value: object) -> str:
    """A text, or a number as text.

    Raises:
        TypeError: it is anything else; a list of lists may be endless when it is written out.
    """
    if not isinstance(value, (str, int, float, np.generic)):
        raise TypeError(type(value).__name__)
    return str(value)


@dataclass(frozen=True)
class Bundle:
    """The files of a bundle.

    Attributes:
        tables: by split, the table of paths and class ids.
        classes: the pickle of the class list.
        tags: the pickle of the tags.
        queries: the pickles of the queries.
    """

    tables: dict[str, Path]
    classes: Path
    tags: Path
    queries: list[Path]

    @property
    def files(self) -> dict[str, Path]:
        """Every file by its name."""
        return {path.name: path for path in (*self.tables.values(), self.classes, self.tags, *self.queries)}


def find_bundle(paths: DataPaths) -> Bundle | None:
    """The bundle of a data set, in `attributions/` or in `attributes/`; None if there is none.

    Raises:
        DataError: there is one, but one of its files is missing.
    """
    for folder in (paths.attributions, paths.published_attributes):
        if not (folder / CLASSES).exists():
            continue
        bundle = Bundle(
            {split: folder / paths.table(split).name for split in SPLITS},
            folder / CLASSES,
            folder / TAGS,
            sorted(folder.glob(f"query_*_{paths.name}_*_random.pkl")),
        )
        missing = [name for name, path in bundle.files.items() if not path.exists()]
        if missing:
            raise DataError(f"the authors' bundle in {folder} is incomplete, without {', '.join(missing)}: {REMEDY}")
        return bundle
    return None
