"""The tags of a bundle, which come in two kinds of pickles."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backward_search.data.report import Findings
from backward_search.data.tables import with_class
from backward_search.errors import DataError
from backward_search.published import plain_pickle
from backward_search.published.bundle.files import REMEDY, plain_text
from backward_search.readers.wikiart.tags import generation_tags, metric_tags


def read_tags(
    file: Path, keys: Sequence[str], labels: Sequence[str], findings: Findings
) -> tuple[list[str], list[str]]:
    """The tags of every image in both forms; the number of fields says which of the two kinds of pickle it is."""
    content = plain_pickle.load(file)
    if not isinstance(content, dict) or not all(isinstance(fields, (list, tuple)) for fields in content.values()):
        raise DataError(f"{file}: expected {{image: [fields]}}: {REMEDY}")
    widths = {len(fields) for fields in content.values()}
    if widths not in ({2}, {4}):
        raise DataError(f"{file} has entries of {sorted(widths)} fields, expected 2 or 4: {REMEDY}")
    strings = four_fields if widths == {4} else partial(class_and_tags, labels=labels)
    texts, pairs = (0 if widths == {4} else 1), []  # a class may be an id
    for key in keys:
        if key not in content:
            findings.repair("images without an entry in the tag table, taken as tagless", key)
        try:
            pairs.append(strings(content[key]) if key in content else ("", ""))
        except (TypeError, IndexError):
            raise DataError(f"{file} has other fields than texts and class ids for {key}: {REMEDY}") from None
        if not all(map(_is_text_or_empty, content.get(key, ())[texts:])):
            findings.repair("images with tags that are no text, taken as none", key)
    return [tags for tags, _ in pairs], [query_tags for _, query_tags in pairs]


def _is_text_or_empty(value: Any) -> bool:
    """Whether a field is a text, or NaN as pandas has what is empty."""
    return value is None or isinstance(value, str) or (isinstance(value, (float, np.floating)) and math.isnan(value))


def class_and_tags(fields: Sequence[Any], labels: Sequence[str]) -> tuple[str, str]:
    """Tags of the form [class, "a,b,c"]: those the metrics use, and those query generation uses.

    Args:
        fields: the class, by label or by id, and the comma-separated tags.
        labels: the label of each id.

    >>> class_and_tags([1, "Ear,Vert Cyl"], ["bird", "cat"]), class_and_tags(["005.Auk", ""], [])
    (('Ear,Vert Cyl,cat', 'Ear,Vert Cyl,cat'), ('005.Auk', ',005.Auk'))
    """
    name, tags = fields
    label = labels[int(name)] if isinstance(name, (int, np.integer)) else plain_text(name)
    return with_class(tags if isinstance(tags, str) else "", label)


def four_fields(fields: Sequence[Any]) -> tuple[str, str]:
    """Tags of the form [genre, style, media, tag], NaN where empty (docs/method.md, 3 and 4).

    >>> four_fields(["portrait", "Ukiyo e", float("nan"), "Male, Hats"])
    ('portrait,ukiyoe,male,hats', 'male,hats,portrait,ukiyoe')
    >>> four_fields([float("nan")] * 4)
    ('', ',,')
    """
    known = [value if isinstance(value, str) else None for value in fields]
    return metric_tags(known), generation_tags(*known)
