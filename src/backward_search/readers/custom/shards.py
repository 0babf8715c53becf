"""Data sets in several Parquet files, as the Hugging Face hub has them: which belong together, and to which split."""

import re
from collections.abc import Sequence
from pathlib import Path

from backward_search.data.splits import TEST_NAMES, TRAIN_NAMES, VALIDATION_NAMES
from backward_search.errors import DataError
from backward_search.images.kinds import SUFFIXES
from backward_search.readers.custom.listing import Reading
from backward_search.readers.folders import walk
from backward_search.readers.outside import quoted, refuse_outside

_SPLIT = re.compile(rf"({'|'.join((*TRAIN_NAMES, *TEST_NAMES, *VALIDATION_NAMES))})(?:[-_.]|$)", re.IGNORECASE)
_NUMBER = re.compile(r"^(.*)-(\d+)-of-(\d+)$")


def shards_in(folder: Path) -> list[Path]:
    """The Parquet files of a folder, and of those below it, in order; none where there are images too.

    Raises:
        DataError: some are of data sets of their own, as in `default/` and `large/`.
    """
    files = [place / name for place, names in walk(folder) for name in names]
    found = [file for file in files if file.suffix.lower() == ".parquet"]
    if any(file.suffix.lower() in SUFFIXES for file in files):
        return []
    named = sorted({file.parent for file in found if split_of(file)})
    groups = {place.parent if _SPLIT.fullmatch(place.name) else place for place in named}
    if len(groups) > 1:
        raise DataError(
            f"--source {folder} holds several data sets of Parquet files, such as "
            f"{' and '.join(str(place) for place in sorted(groups)[:2])}: name one of these folders"
        )
    return found


def refuse_links(folder: Path, files: Sequence[Path], reading: Reading) -> dict[str, str]:
    """Files of a folder that are links to what lies outside of it are refused as images are; see `refuse_outside`."""
    names = quoted(file.relative_to(folder).as_posix() for file in files)
    return refuse_outside(folder, folder, files, names, allowed=reading.allow_outside, what="files")


def split_of(file: Path) -> str:
    """The split of a shard: by its name (`train-00000-of-00002.parquet`), else its folder's (`train/0000.parquet`)."""
    for name in (file.stem, file.parent.name):
        if found := _SPLIT.match(name):
            return found[1].lower()
    return ""


def incomplete(files: Sequence[Path]) -> str:
    """What is missing, in words, by names such as `train-00000-of-00002`; "" where nothing is."""
    held: dict[tuple[str, int], set[int]] = {}
    for file in files:
        if numbered := _NUMBER.match(file.stem):
            held.setdefault((numbered[1], int(numbered[3])), set()).add(int(numbered[2]))
    parts = [f"{len(numbers)} of {total} of {name}" for (name, total), numbers in held.items() if len(numbers) < total]
    if not parts:
        return ""
    return f"{', '.join(parts)}: to take all, give the folder that holds them as --source"
