"""What images share: overlap against plain sets, and the tokens that name a conditioned label."""

import numpy as np
import pytest
import torch

from backward_search.context.shared import Shared

CLASSES = {"style": ["Art_Nouveau", "Rococo"], "genre": ["genre painting", "portrait"]}
NOTHING, STYLE, GENRE = (torch.tensor(each) for each in ([False, False], [True, False], [False, True]))
WORDS = [
    "sea",
    "ship",
    "oil",
    "tree",
    "artnouveau",
    "ROCOCO",
    "genre-painting",
    "portraits",
    *(f"w{i}" for i in range(9)),
]


def drawn(count=60):
    """Tags of images, a third of them without any, and the labels of each image in both attributes."""
    rng = np.random.default_rng(0)
    tags = [list(rng.choice(WORDS, rng.integers(1, 7), replace=False)) if i % 3 else [] for i in range(count)]
    return tags, {name: [[labels[rng.integers(2)]] for _ in range(count)] for name, labels in CLASSES.items()}


def jaccard(one, other):
    return len(one & other) / len(one | other) if one | other else 0.0


TAGS, LABELS = drawn()
NAMED = {"style": {"artnouveau", "ROCOCO"}, "genre": {"genre-painting"}}


def sets(dropped):
    """The tokens that count as sets, written out."""
    out = [name for name, drop in zip(CLASSES, dropped.tolist(), strict=True) if drop]
    for row, tags in enumerate(TAGS):
        yield {("tags", tag) for tag in tags if not any(tag in NAMED[name] for name in out)} | {
            (name, label) for name in CLASSES if name not in out for label in LABELS[name][row]
        }


@pytest.mark.parametrize("dropped", [NOTHING, STYLE, GENRE, STYLE | GENRE], ids=str)
def test_the_overlap_is_that_of_plain_sets(dropped):
    shared, plain = Shared.gathered({"tags": TAGS, **LABELS}, CLASSES), list(sets(dropped))
    rows, others = torch.randperm(60, generator=torch.Generator().manual_seed(0))[:40], torch.arange(5, 60, 2)
    rows[3] = rows[7]  # an image may be there twice
    expected = torch.tensor([[jaccard(plain[i], plain[j]) for j in others] for i in rows])
    torch.testing.assert_close(shared.overlap(rows, others, dropped), expected)
    expected = torch.tensor([[jaccard(plain[i], plain[j]) for j in rows] for i in rows])
    torch.testing.assert_close(shared.overlap(rows, rows, dropped), expected)
    torch.testing.assert_close(shared.overlap(rows, rows.clone(), dropped), expected)
    assert (expected > 0).float().mean() > 0.1


def test_images_without_tokens_overlap_with_none_not_even_themselves():
    shared = Shared.gathered({"tags": [["a"], [], ["b"], []]}, {})
    rows, none = torch.arange(4), torch.zeros(0, dtype=torch.bool)
    wanted = torch.diag(torch.tensor([1.0, 0.0, 1.0, 0.0]))
    assert torch.equal(shared.overlap(rows, rows, none), wanted)
    assert torch.equal(shared.overlap(rows, torch.arange(4), none), wanted)
    assert len(shared) == 4
    assert shared.sources == {"tags": 2}


def test_a_tag_counts_as_a_label_whatever_spelling_it_has():
    tags = [["Art Nouveau", "artnouveau", "art-nouveau", "artnouveaux", "rococó", "sea"]]
    shared = Shared.gathered({"tags": tags}, CLASSES)
    assert shared.counting(STYLE).tolist() == [False, False, False, True, False, True]
    assert shared.counting(GENRE).all()
    assert shared.counting(NOTHING).all()


def test_labels_as_a_source_are_dropped_with_their_own_attribute_alone():
    labels = {"style": [["Rococo"], ["Rococo"]], "genre": [["portrait"], ["Rococo"]], "school": [["Rococo"], ["x"]]}
    shared = Shared.gathered(labels, CLASSES)
    # in order of numbering: style Rococo; genre portrait, Rococo; school Rococo, x
    assert shared.counting(STYLE).tolist() == [False, True, True, False, True]
    assert shared.counting(GENRE).tolist() == [True, False, False, True, True]


def test_something_is_said_where_a_token_that_counts_is_on_two_images():
    tags = [["rococo", "a"], ["Rococo", "b"], ["rococo", "c"]]
    shared = Shared.gathered({"tags": tags}, CLASSES)
    assert shared.says_something(NOTHING)
    assert shared.says_something(GENRE)
    assert not shared.says_something(STYLE)
    assert not Shared.gathered({"nothing": [[], []]}, CLASSES).says_something(NOTHING)
    assert not Shared.gathered({"nothing": [[], []]}, CLASSES).overlap(torch.arange(2), torch.arange(2), STYLE).any()


def test_mates_share_a_token_and_every_one_of_them_is_drawn():
    shared = Shared.gathered({"tags": TAGS}, CLASSES)
    rows = torch.arange(60).repeat(3000)
    mates = shared.mates(rows, torch.Generator().manual_seed(0))
    found = {(i, j) for i, j in zip(rows.tolist(), mates.tolist(), strict=True)}
    sharing = {(i, j) for i in range(60) for j in range(60) if set(TAGS[i]) & set(TAGS[j])}
    assert found == sharing | {(i, i) for i in range(60)}  # one without tokens is its own
    again = shared.mates(rows, torch.Generator().manual_seed(0))
    assert torch.equal(mates, again)
