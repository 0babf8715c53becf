"""What images share against Python's sets, and the words of captions against a plain count."""

import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from nasty import CHARACTERS, texts, words

from backward_search.context.gathering import LEAST_IMAGES, MOST_SHARE
from backward_search.context.gathering import words as words_of
from backward_search.context.shared import Shared
from backward_search.data.spellings import names_of

VOCABULARY = ("red", "Red", "RED!", "r e d", "ré", "re", "", " ", ",", "x" * 300, "日本", "oil", "ﬁ", "fi")
CLASSES = {"style": ["Red", "other"], "genre": ["x", "日本", "red"]}


@st.composite
def tokens(draw):
    """By source the tokens of a few images, none of them twice in an image; labels are a token each."""
    count = draw(st.integers(1, 7))
    some = st.lists(st.sampled_from(VOCABULARY) | texts(most=3), max_size=5, unique=True)
    found = {source: draw(st.lists(some, min_size=count, max_size=count)) for source in draw(SOURCES)}
    for name in draw(st.sets(st.sampled_from(sorted(CLASSES)))):
        found[name] = [[draw(st.sampled_from(CLASSES[name]))] for _ in range(count)]
    return found, count


SOURCES = st.lists(st.sampled_from(("tags", "captions", "groups")), min_size=1, max_size=3, unique=True)


def counting(found, image: int, dropped: list[bool]) -> set[tuple[str, str]]:
    """What counts of an image, as a set: not the labels of what is dropped, nor what is no more than their names."""
    out = {name for name, drop in zip(CLASSES, dropped, strict=True) if drop}
    every = {word for source, each in found.items() if source not in CLASSES for words in each for word in words}
    named = set().union(*(names_of(CLASSES[name], every) for name in out)) if out else set()
    own = {(source, word) for source, each in found.items() for word in each[image]}
    return {(source, word) for source, word in own if source not in out and (source in CLASSES or word not in named)}


@given(tokens(), st.lists(st.booleans(), min_size=2, max_size=2), st.data())
def test_overlaps_are_those_of_sets(made, dropped, data):
    found, count = made
    shared, drop = Shared.gathered(found, CLASSES), torch.tensor(dropped)
    some = st.lists(st.integers(0, count - 1), min_size=1, max_size=9)
    rows, others = torch.tensor(data.draw(some)), torch.tensor(data.draw(some))
    sets = [counting(found, image, dropped) for image in range(count)]
    for these in (others, rows):
        overlap = shared.overlap(rows, these, drop)
        for (i, j), value in zip(torch.cartesian_prod(rows, these).tolist(), overlap.flatten().tolist(), strict=True):
            union = sets[i] | sets[j]
            assert abs(value - (len(sets[i] & sets[j]) / len(union) if union else 0)) < 1e-6
    together = any(sets[i] & sets[j] for i in range(count) for j in range(i))
    assert shared.says_something(drop) == together


@given(tokens(), st.integers(0, 99))
def test_a_mate_shares_a_token_and_one_without_is_its_own(made, seed):
    found, count = made
    shared, rows = Shared.gathered(found, CLASSES), torch.arange(count)
    mates = shared.mates(rows, torch.Generator().manual_seed(seed)).tolist()
    sets = [counting(found, image, [False, False]) for image in range(count)]
    assert all(sets[row] & sets[mate] if sets[row] else mate == row for row, mate in enumerate(mates))


@given(st.lists(words(most=4), min_size=1, max_size=6), st.sets(words(most=4), max_size=8))
def test_names_of_labels_are_told_by_letters_and_digits_alone(labels, tags):
    named = names_of(labels, tags)
    assert named <= tags
    assert {tag for tag in tags if tag in labels} <= named
    assert names_of([label.swapcase() for label in labels if label.isascii()], tags) <= named
    assert named == set().union(*(names_of([label], tags) for label in labels))


CAPTION = st.lists(st.sampled_from(("a", "red", "Red", "shoe", "été", "ete", "the", "x", "42", "日本")), max_size=6)


@given(st.lists(CAPTION.map(" ".join) | st.text(CHARACTERS, max_size=20), min_size=1, max_size=8))
def test_words_tell_some_of_the_images_apart_but_not_all(captions):
    found = words_of(captions)
    assert [len(set(own)) for own in found] == [len(own) for own in found]
    counts = {word: sum(word in own for own in found) for own in found for word in own}
    assert all(LEAST_IMAGES <= count <= MOST_SHARE * len(captions) for count in counts.values())
    assert words_of(captions[::-1]) == found[::-1]
    assert words_of([caption.upper() for caption in captions]) == found or any(
        caption.upper().lower() != caption.lower() for caption in captions
    )


@given(st.lists(CAPTION, min_size=4, max_size=8))
def test_a_word_counts_wherever_it_stands(each):
    found = words_of([" ".join(own) for own in each])
    holders = [row for row, own in enumerate(each) if "red" in own or "Red" in own]
    assume(2 <= len(holders) <= len(each) / 2)
    assert [row for row, own in enumerate(found) if "red" in own] == holders
