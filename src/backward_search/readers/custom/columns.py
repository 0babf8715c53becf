"""What the columns of the user's own table say: attributes, tags, captions and groups."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from backward_search.data.report import Findings
from backward_search.errors import DataError, OptionError
from backward_search.readers.custom.cells import differing_by_case
from backward_search.readers.custom.listing import Listing, Roles
from backward_search.storage.naming import folded, storable

AUTO = "auto"
"""In place of names: the columns that look like labels."""
FILLED, SHARED = 0.9, 10
"""Of those the least share of rows that have one, and the least mean number of rows for a value."""


def find_attributes(file: Path, listing: Listing, roles: Roles, told: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The label columns: those named, or all that have no other role.

    Args:
        file: the source, for messages.
        listing: its rows.
        roles: which column says what.
        told: attributes whose classes are told by vectors: they come first, and of the others, unless they are named,
            those that look like labels.

    Raises:
        OptionError: a named column does not exist.
        DataError: there is none, or one cannot serve as an attribute.
    """
    found = [str(name) for name in listing.columns.columns]
    defaults = Roles()
    labels = () if roles.labels == (AUTO,) else roles.labels
    named = {"--label_columns": labels, "--group_column": (roles.group,) if roles.group else ()}
    named |= {"--tags_column": (roles.tags,) if roles.tags not in ("", defaults.tags) else ()}
    named |= {"--caption_column": (roles.captions,) if roles.captions not in ("", defaults.captions) else ()}
    named |= {"--split_column": (roles.split,) if roles.split not in ("", defaults.split) else ()}
    for option, names in named.items():
        for name in names:
            _require_column(option, name, found, file)
    others = {roles.path, roles.image, roles.tags, roles.captions, roles.split, roles.group}
    free = [name for name in found if name not in others and not name.startswith("Unnamed: ") and name]
    if roles.labels == (AUTO,) or (told and not roles.labels):
        attributes = told + tuple(name for name in _likely_labels(file, listing, free, told) if name not in told)
        _refuse_alike(file, attributes)
        return attributes
    attributes = tuple(dict.fromkeys((*told, *roles.labels))) or tuple(free)
    if not attributes:
        raise DataError(f"{file} has no label column (found: {', '.join(found) or 'none'}): expected at least one")
    _refuse_alike(file, attributes)
    likely = [name for name in free if 1 < _different(listing.columns[name]) <= _most_classes(listing.columns[name])]
    for name in attributes:
        _check_attribute(file, name, listing.columns[name], chosen=bool(roles.labels), likely=likely)
    return attributes


def _likely_labels(file: Path, listing: Listing, free: Sequence[str], told: Sequence[str]) -> tuple[str, ...]:
    """The columns that look like labels: filled almost everywhere, with two values or more that many rows share.

    Raises:
        DataError: there is none, and no attribute is told either.
    """
    found = []
    for name in free:
        values = listing.columns[name]
        if len(free) == 1 and not told:  # as of class folders: there is nothing to choose
            _check_attribute(file, name, values, chosen=True, likely=())
            return (name,)
        filled, different = int((values != "").sum()), _different(values)
        if _can_name(name) and filled >= FILLED * len(values) and 2 <= different <= filled / SHARED:
            found.append(name)
    if not found and not told:
        raise DataError(
            f"no column of {file} looks like labels, {SHARED} rows or more for each of its values: name them with "
            f"--label_columns; found {', '.join(free) or 'none'}"
        )
    return tuple(found)


def _require_column(option: str, name: str, found: Sequence[str], file: Path) -> None:
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise OptionError(f"{option} {name}: {file} has no such column: {hint}found {', '.join(found) or 'none'}")


def _different(values: "pd.Series[str]") -> int:
    return values[values != ""].nunique()


def _most_classes(values: "pd.Series[str]") -> float:
    """More different values than this look like no label."""
    return max(int((values != "").sum()) / 2, 2)


def _check_attribute(file: Path, name: str, values: "pd.Series[str]", *, chosen: bool, likely: Sequence[str]) -> None:
    """Refuse a name that cannot stand in options and file names, and labels that leave nothing to learn."""
    if not _can_name(name):
        raise DataError(
            f"{file}: the column {name!r} cannot name an attribute: rename it to letters, digits, '_', '-' and spaces, "
            "or choose others with --label_columns"
        )
    labels, different = values[values != ""], _different(values)
    if different < 2:
        what = f"only the label {labels.iloc[0]!r}" if different else "no labels"
        raise DataError(f"{file}: {name} has {what}, expected two classes or more: choose others with --label_columns")
    if not chosen and different > _most_classes(values):
        raise DataError(
            f"{file}: {name} has {different} different values in {len(labels)} rows, which looks like no label: "
            f"name the label columns with --label_columns{' ' if likely else ''}{','.join(likely)}"
        )


def _refuse_alike(file: Path, attributes: Sequence[str]) -> None:
    """Refuse attributes whose files some disk would take for one another's."""
    by_file: dict[str, str] = {}
    for name in attributes:
        other = by_file.setdefault(folded(name), name)
        if other != name:
            raise DataError(
                f"{file}: the attributes {other!r} and {name!r} differ by case alone, and not every disk tells their "
                "files apart: rename one, or choose with --label_columns"
            )


def _can_name(name: str) -> bool:
    """Whether a column's name can stand in options and file names."""
    plain = all(mark.isalnum() or mark in "_- " for mark in name) and not name.startswith("_")
    return plain and name not in ("path", "key") and storable(name) == name


def labelled(file: Path, listing: Listing, attributes: Sequence[str], findings: Findings) -> Listing:
    """The rows that have a label for each attribute; the others, and those that were never listed, are counted.

    Raises:
        DataError: there is no such row.
    """
    for noted, reasons in ((findings.dropped, listing.left_out), (findings.repaired, listing.repaired)):
        for reason, names in reasons.items():
            noted.setdefault(reason, []).extend(names)
    complete = np.ones(len(listing.names), bool)
    for name in attributes:
        empty = (listing.columns[name] == "").to_numpy()
        for row in np.flatnonzero(empty & complete).tolist():
            findings.drop(f"rows without {name}", listing.names[row])
        complete &= ~empty
    if not complete.any():
        raise DataError(f"{file} has no row with a label for {', '.join(attributes)}: expected them in every row")
    rows = listing.take(np.flatnonzero(complete).tolist())
    for name in attributes:
        alike = differing_by_case(rows.columns[name].tolist())
        if alike:
            findings.facts[f"WARNING: labels of {name} that differ by case alone"] = ", ".join(alike[:5])
        if rows.columns[name].nunique() < 2:
            raise DataError(f"{file} has a single label of {name} in the rows with all of {', '.join(attributes)}")
    return rows


def groups_of(listing: Listing, roles: Roles) -> list[str] | None:
    """The group of each row; one without a group is its own. None where there are none."""
    if not roles.group:
        return None
    return [group or key for group, key in zip(listing.columns[roles.group], listing.keys, strict=True)]


def tags_of(listing: Listing, roles: Roles) -> list[str] | None:
    """The tags of each row, without empty ones; None where no row has any."""
    if roles.tags not in listing.columns:
        return None
    tags = [",".join(tag.strip() for tag in text.split(",") if tag.strip()) for text in listing.columns[roles.tags]]
    return tags if any(tags) else None


def captions_of(listing: Listing, roles: Roles, attributes: Sequence[str]) -> list[str] | None:
    """The caption of each row in one line; None where no row has any.

    A column that is called as captions are by default, but was named for something else, is not one of captions too.
    """
    taken = {*attributes, roles.tags, roles.split, roles.group} if roles.captions == Roles().captions else set()
    if not roles.captions or roles.captions not in listing.columns or roles.captions in taken:
        return None
    captions = [" ".join(text.split()) for text in listing.columns[roles.captions]]
    return captions if any(captions) else None
