"""The columns of the user's tables by the names that are expected of them, and the parts of a path."""

import os
from pathlib import PurePosixPath

import pandas as pd

from backward_search.readers.custom.listing import Roles


def named_as_expected(frame: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """The table with `Path`, `Tags` and the like called as they are expected, where nothing else is called so."""
    names = (roles.path, roles.tags, roles.captions, roles.split, roles.group, roles.image)
    wanted = {name.casefold(): name for name in names if name}
    renamed = {}
    for name in frame.columns:
        expected = wanted.get(str(name).casefold())
        alike = [other for other in frame.columns if str(other).casefold() == str(name).casefold()]
        if expected is not None and expected not in frame.columns and len(alike) == 1:
            renamed[name] = expected
    return frame.rename(columns=renamed)


def inside(path: str) -> tuple[str, ...]:
    """The parts of a path that name something.

    >>> inside("../photos/./a.jpg")
    ('photos', 'a.jpg')
    """
    return tuple(part for part in PurePosixPath(os.path.normpath(path)).parts if part not in ("/", "..", "."))
