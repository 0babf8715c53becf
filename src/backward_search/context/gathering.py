"""What is known of a data set's images beside their conditions, as tokens by source."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backward_search.errors import OptionError

if TYPE_CHECKING:  # the options of C4 name the sources, and need no tables for that
    from backward_search.data.tables import Table, Tags

LEAST_IMAGES, MOST_SHARE = 2, 0.5
"""A word of a caption counts in so many images at least, and in this share of them at most."""

SOURCES = ("tags", "captions", "groups", "labels", "images")
"""What can say what images share; the last of them needs no tokens."""


def tokens_of(table: "Table", tags: "Tags", sources: Sequence[str] = ()) -> dict[str, list[list[str]]]:
    """The tokens of a table's images by source, labels under the names of their attributes.

    Args:
        table: the images.
        tags: of the data set.
        sources: which of `SOURCES`; none of them for all that there are, labels where there is neither tag nor caption
            (they are few and shared by many: beside tags they would count for more than they are worth).

    Raises:
        OptionError: there is nothing of a source that is named.
    """
    keys, found = table.keys, {}
    if any(tags.tags.get(key) for key in keys):
        found["tags"] = [_tags(tags.tags.get(key, "")) for key in keys]
    if any(tags.captions.get(key) for key in keys):
        found["captions"] = words([tags.captions.get(key, "") for key in keys])
    if tags.groups:
        found["groups"] = [[group] if (group := tags.groups.get(key)) else [] for key in keys]
    labels = {name: [[label] for label in table.labels(name)] for name in table.ids}
    if not sources:
        return found | (labels if found.keys() <= {"groups"} else {})
    for source in sources:
        if source not in (*found, "labels", "images"):
            raise OptionError(
                f"the images of {table.entry.name} have no {source}: there are {', '.join(found) or 'none'}"
            )
    chosen = {source: each for source, each in found.items() if source in sources}
    return chosen | (labels if "labels" in sources else {})


def words(captions: Sequence[str]) -> list[list[str]]:
    """The words of captions that tell images apart, each once: neither too rare, too common, nor an English article.

    >>> words(["A red dress", "the red shoe", "a shoe", "hats"])
    [['red'], ['red', 'shoe'], ['shoe'], []]
    """
    from sklearn.feature_extraction.text import CountVectorizer  # half a second, needed here alone

    reader = CountVectorizer(binary=True, stop_words="english", strip_accents="unicode")
    counts = reader.build_analyzer()
    each = [sorted(set(counts(caption))) for caption in captions]
    images: dict[str, int] = {}
    for own in each:
        for word in own:
            images[word] = images.get(word, 0) + 1
    kept = {word for word, count in images.items() if LEAST_IMAGES <= count <= MOST_SHARE * len(captions)}
    return [[word for word in own if word in kept] for own in each]


def _tags(text: str) -> list[str]:
    return sorted({tag for tag in text.split(",") if tag})
