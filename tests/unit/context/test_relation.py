"""How much images belong together, by what they share and by the images themselves, against plain formulas."""

import pytest
import torch

from backward_search.context.relation import ByBest, ByImages, tasks_of
from backward_search.context.shared import Shared

CLASSES = {"style": ["a", "b", "c"], "genre": ["p", "q"]}
N, VIEWED = 40, 12
STYLE, GENRE, BOTH = tasks_of(list(CLASSES))
TASKS = {"style": STYLE, "genre": GENRE, "both": BOTH}


def drawn(views=0):
    """Features, class ids and the image that each row shows; the first images have a view behind all images."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.stack([torch.randint(len(k), (N,), generator=generator) for k in CLASSES.values()])
    features = torch.randn(N + views, 6, generator=generator)
    image = torch.cat([torch.arange(N), torch.arange(views)])
    own = ids[:, image]
    features[:, 0] += 5 * own[0]  # the classes are far apart
    features[:, 1] += 5 * own[1]
    return ByImages(features, own, image)


def left_of(relation, dropped):
    """The features less the mean of their class, attribute by attribute, in a plain loop."""
    left = relation.features.double().numpy().copy()
    for ids, drop in zip(relation.ids.numpy(), dropped.tolist(), strict=True):
        if drop:
            means = {k: left[ids == k].mean(0) for k in set(ids.tolist())}
            for row, k in enumerate(ids.tolist()):
                left[row] -= means[k]
    return torch.tensor(left)


def likeness(relation, rows, others, dropped):
    left, image = left_of(relation, dropped), relation.image
    found = torch.zeros(len(rows), len(others))
    for i, row in enumerate(rows.tolist()):
        for j, other in enumerate(others.tolist()):
            cosine = float(torch.cosine_similarity(left[row], left[other], dim=0))
            found[i, j] = 1.0 if image[row] == image[other] else max(cosine, 0.0)
    return found


ROWS, OTHERS = torch.tensor([0, 3, 11, 39, 44]), torch.tensor([0, 1, 4, 20, 43, 51])


@pytest.mark.parametrize("task", TASKS)
def test_likeness_is_that_of_what_the_class_means_leave_and_views_count_1(task):
    relation = drawn(VIEWED)
    found = relation.target(ROWS, OTHERS, TASKS[task])
    torch.testing.assert_close(found, likeness(relation, ROWS, OTHERS, TASKS[task]))
    assert found[0, 0] == found[1, 4] == found[2, 5] == found[4, 2] == 1
    assert (found == 0).any()
    assert found.max() <= 1


def test_a_class_without_an_image_does_no_harm():
    relation = drawn()
    ids = relation.ids.clone()
    ids[0][ids[0] == 1] = 2
    other = ByImages(relation.features, ids, relation.image)
    rows = torch.arange(N)
    torch.testing.assert_close(other.target(rows, rows, STYLE), likeness(other, rows, rows, STYLE))


def test_mates_by_images_are_views_of_the_same_image():
    relation = drawn(VIEWED)
    rows = torch.arange(N + VIEWED).repeat(50)
    mates = relation.mates(rows, torch.Generator().manual_seed(0))
    assert torch.equal(relation.image[mates], relation.image[rows])
    assert set(mates[rows == 3].tolist()) == set(mates[rows == 43].tolist()) == {3, 43}


@pytest.fixture(scope="module")
def tags():
    generator = torch.Generator().manual_seed(1)
    return [[f"t{k}" for k in range(5) if torch.rand((), generator=generator) < 0.4] for _ in range(N)]


def labels_of(images):
    return {name: [[CLASSES[name][k]] for k in ids[:N].tolist()] for name, ids in zip(CLASSES, images.ids, strict=True)}


@pytest.mark.parametrize("task", TASKS)
def test_tags_count_alone_for_views_as_for_their_images(tags, task):
    images = drawn(VIEWED)
    relation = ByBest(Shared.gathered({"tags": tags} | labels_of(images), CLASSES), images)
    own, others = images.image[ROWS], images.image[OTHERS]
    expected = relation.shared.overlap(own, others, TASKS[task])
    assert torch.equal(relation.target(ROWS, OTHERS, TASKS[task]), expected)
    torch.testing.assert_close(
        relation.target(ROWS, ROWS, TASKS[task]), relation.shared.overlap(own, own.clone(), TASKS[task])
    )
    assert "likeness" not in relation.by(TASKS[task])


@pytest.mark.parametrize("task", ["style", "genre"])
def test_labels_that_are_not_conditioned_double_likeness(task):
    images = drawn()
    relation = ByBest(Shared.gathered(labels_of(images), CLASSES), images)
    rows, dropped = torch.arange(N), TASKS[task]
    kept = images.ids[1 if task == "style" else 0]
    same = (kept[:, None] == kept).float()
    expected = likeness(images, rows, rows, dropped) * (1 + same) / 2
    torch.testing.assert_close(relation.target(rows, rows, dropped), expected)
    other = "genre" if task == "style" else "style"
    assert relation.by(dropped) == f"{other} and likeness apart from the condition"


@pytest.mark.parametrize("source", ["labels", "tags", "nothing"])
def test_likeness_speaks_alone_where_no_token_counts(source):
    images = drawn(VIEWED)
    found = {
        "labels": labels_of(images),
        "tags": {"tags": [["A", "own"] if row == 0 else ["a"] for row in range(N)]},  # of two images a label's name
        "nothing": {"nothing": [[] for _ in range(N)]},
    }[source]
    relation = ByBest(Shared.gathered(found, CLASSES), images)
    torch.testing.assert_close(relation.target(ROWS, OTHERS, BOTH), likeness(images, ROWS, OTHERS, BOTH))
    assert relation.by(BOTH) == "views of one image, and likeness apart from the condition"
    assert drawn().by(BOTH) == "likeness apart from the condition"


def test_mates_go_by_tokens_where_there_are_any(tags):
    images = drawn(VIEWED)
    rows = torch.arange(N + VIEWED).repeat(20)
    by_tokens = ByBest(Shared.gathered({"tags": tags}, CLASSES), images)
    mates = by_tokens.mates(rows, torch.Generator().manual_seed(0)).tolist()
    for row, mate in zip(images.image[rows].tolist(), mates, strict=True):
        assert set(tags[row]) & set(tags[mate]) or row == mate
    without = ByBest(Shared.gathered({"nothing": [[]] * N}, CLASSES), images)
    mates = without.mates(rows, torch.Generator().manual_seed(0))
    assert torch.equal(images.image[mates], images.image[rows])


def test_a_map_is_learnt_for_each_attribute_any_two_and_all():
    assert [task.tolist() for task in tasks_of("a")] == [[True]]
    assert [task.tolist() for task in tasks_of("ab")] == [[True, False], [False, True], [True, True]]
    four = [{i for i, drop in enumerate(task.tolist()) if drop} for task in tasks_of("abcd")]
    assert four == [{0}, {1}, {2}, {3}, {0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}, {0, 1, 2, 3}]
