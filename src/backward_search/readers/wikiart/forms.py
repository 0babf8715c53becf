"""The forms in which WikiArt is passed around, and which of them is there."""

from collections.abc import Callable
from pathlib import Path

from backward_search.data.report import Findings
from backward_search.errors import MissingError
from backward_search.readers.wikiart.artgan import read_artgan
from backward_search.readers.wikiart.images import holds_named, raw_home
from backward_search.readers.wikiart.parquet import find_shards
from backward_search.readers.wikiart.rows import HOMES, REMEDY, Form, Rows, locate, locate_list
from backward_search.readers.wikiart.wclasses import read_class_data, read_wclasses


def find_form(folder: Path) -> Form:
    """Find out in which form the data set is there; lists without files to list give way to Parquet files.

    Raises:
        MissingError: it is there in none, or not wholly.
    """
    lists = find_lists(folder)
    if lists is not None and (raw_home(folder) or holds_named(folder / "images")):
        return lists
    form = find_shards(folder) or lists
    if form is None:
        raise MissingError(
            f"no WikiArt in {folder}: neither wclasses.csv nor class_data.json nor style_train.csv (looked in "
            f"{', '.join(HOMES)}) nor Parquet files (looked in it and the folders in it): {REMEDY}"
        )
    return form


def find_lists(folder: Path) -> Form | None:
    """The form whose lists are there; None where there are none.

    Raises:
        MissingError: some lists of the ArtGAN release are there and others are not.
    """
    for name, read in (("wclasses.csv", read_wclasses), ("class_data.json", read_class_data)):
        file = locate(folder, name)
        if file is not None:
            return Form(f"folders with {name}", {name: file}, _reader(read, file), published=name == "wclasses.csv")
    if locate_list(folder, "style_train.csv") is None:
        return None
    inputs: dict[str, Path] = {}
    for name in (f"{task}_{part}.csv" for task in ("style", "genre", "artist") for part in ("train", "val")):
        file = locate_list(folder, name)
        if file is None:
            raise MissingError(f"no {name} in {folder} (looked in {', '.join(HOMES)}), but style_train.csv: {REMEDY}")
        inputs[name] = file
    names = (f"{task}_class.txt" for task in ("style", "genre", "artist"))
    inputs |= {name: file for name in names if (file := locate_list(folder, name)) is not None}
    return Form("the ArtGAN release", inputs, lambda findings: read_artgan(inputs, findings))


def _reader(read: Callable[[Path, Findings], Rows], file: Path) -> Callable[[Findings], Rows]:
    return lambda findings: read(file, findings)
