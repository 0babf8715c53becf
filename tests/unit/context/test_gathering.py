"""The tokens of a data set's images by source: which there are, which are taken unasked, and which words count."""

import numpy as np
import pytest

from backward_search.context.gathering import LEAST_IMAGES, MOST_SHARE, SOURCES, tokens_of, words
from backward_search.data.registry import DatasetEntry
from backward_search.data.tables import Table, Tags
from backward_search.errors import OptionError

KEYS = [f"a/{row}.png" for row in range(4)]
TAGS = dict(zip(KEYS, ["sea,ship", "", ",sea,,sea", "tree"], strict=True))
CAPTIONS = dict(zip(KEYS, ["A red ship", "the red sea", "", "ships"], strict=True))
GROUPS = dict(zip(KEYS, ["g", "g", "", "h"], strict=True))


def table():
    ids = {"style": np.array([0, 1, 1, 0]), "artist": np.array([2, 0, 1, 1])}
    entry = DatasetEntry("mine", {"style": ("style",)})
    paths = [f"./data/mine/images/{key}" for key in KEYS]
    return Table(entry, "train", paths, ids, {"style": ["new", "old"], "artist": ["x", "y", "z"]})


def of_set(*, tags=False, captions=False, groups=False):
    nothing = dict.fromkeys(KEYS, "")
    return Tags(TAGS if tags else nothing, {}, GROUPS if groups else {}, CAPTIONS if captions else {})


LABELS = {"style": [["new"], ["old"], ["old"], ["new"]], "artist": [["z"], ["x"], ["y"], ["y"]]}
OF_TAGS = {"tags": [["sea", "ship"], [], ["sea"], ["tree"]]}
OF_CAPTIONS = {"captions": [["red"], ["red"], [], []]}
OF_GROUPS = {"groups": [["g"], ["g"], [], ["h"]]}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((), LABELS),
        (("groups",), OF_GROUPS | LABELS),
        (("tags",), OF_TAGS),
        (("captions",), OF_CAPTIONS),
        (("tags", "captions", "groups"), OF_TAGS | OF_CAPTIONS | OF_GROUPS),
    ],
    ids=str,
)
def test_unasked_all_that_there_is_counts_and_labels_where_nothing_describes_the_images(there, expected):
    assert tokens_of(table(), of_set(**dict.fromkeys(there, True))) == expected


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (("captions", "tags"), OF_TAGS | OF_CAPTIONS),
        (("groups",), OF_GROUPS),
        (("tags", "labels"), OF_TAGS | LABELS),
        (("labels",), LABELS),
        (("images",), {}),
        (("images", "tags"), OF_TAGS),
    ],
    ids=str,
)
def test_named_sources_count_alone(sources, expected):
    assert tokens_of(table(), of_set(tags=True, captions=True, groups=True), sources) == expected


@pytest.mark.parametrize("source", ["tags", "captions", "groups"])
def test_a_source_of_which_there_is_nothing_is_refused(source):
    others = {name: True for name in ("tags", "captions", "groups") if name != source}
    with pytest.raises(OptionError, match=f"mine have no {source}: there are {', '.join(others)}$"):
        tokens_of(table(), of_set(**others), ("labels", source))
    assert source in SOURCES


def test_tags_of_the_images_of_another_split_are_none():
    tags = Tags({"b/9.png": "sea"}, {}, {}, {"b/9.png": "a text"})
    assert tokens_of(table(), tags) == LABELS


def test_words_are_neither_rare_nor_common_and_without_case_accents_and_punctuation():
    said = ["Rococó, rose; the rose!", "rococo lily", "a daisy", "daisy-chain", "the lilies", ""]
    found = words(said)
    assert found == [["rococo"], ["rococo"], ["daisy"], ["daisy"], [], []]
    assert (LEAST_IMAGES, MOST_SHARE) == (2, 0.5)
    common = ["sun moon"] * 3 + ["sun"] + ["star"] * 2
    assert words(common) == [["moon"]] * 3 + [[]] + [["star"]] * 2  # 3 of 6 are half of them, 4 are more
    assert words([]) == []
