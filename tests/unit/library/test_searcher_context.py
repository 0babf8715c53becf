"""The context map of a searcher: learnt when it is first needed, once; given; saved; refused where it does not fit."""

import json
from functools import partial

import pytest
import torch
from made import LABELS, E, gallery, heads, searcher

from backward_search import Searcher
from backward_search.context.learning import LearningConfig
from backward_search.context.network import ContextConfig, ContextMap
from backward_search.errors import DataError, MissingError
from backward_search.library import context as learning
from backward_search.storage.tensors import load_tensors, save_tensors

CONDITION, N = "style=Rococo", 80
TAGS = [[f"tag{i % 7}", f"other{i % 3}"] for i in range(N)]


class Watched(learning.Learner):
    """A learner, and what each one was made with."""

    made: list = []  # noqa: RUF012

    def __init__(self, *arguments):
        Watched.made.append(arguments)
        super().__init__(*arguments)


@pytest.fixture(autouse=True)
def learners(monkeypatch):
    """The arguments of the learners that are made; they take few steps."""
    monkeypatch.setattr(learning, "LearningConfig", partial(LearningConfig, steps=6, size=8, hidden=16))
    monkeypatch.setattr(learning, "Learner", Watched)
    monkeypatch.setattr(Watched, "made", [])
    return Watched.made


def made_map(attributes=tuple(LABELS), size=E):
    torch.manual_seed(4)
    return ContextMap(ContextConfig(size, tuple(attributes), 8, 16)).requires_grad_(False)


def searched(one, method="context", condition=CONDITION):
    return one.search(gallery(N)[:5], condition, method=method, strength=0.3)


def test_a_map_is_learnt_when_it_is_first_needed_and_once(learners):
    one = searcher(N, tags=TAGS)
    searched(one, "shift_null")
    assert not learners
    first = searched(one)
    assert len(learners) == 1
    searched(one, "best", "style=Rococo; genre=portrait")
    assert torch.equal(searched(one).scores, first.scores)
    assert len(learners) == 1
    assert torch.equal(searched(searcher(N, tags=TAGS)).scores, first.scores)


def test_it_is_learnt_from_tags_and_from_labels_where_there_are_none(learners):
    searched(searcher(N, tags=TAGS))
    searched(searcher(N))
    by = [relation.by(torch.tensor([True, False])) for _, relation, *_ in learners]
    assert by == ["tags", "genre and likeness apart from the condition"]


def test_held_out_training_images_are_not_learnt_from(learners):
    images = torch.randn(60, E, generator=torch.Generator().manual_seed(5))
    ids = {name: torch.arange(60) % len(labels) for name, labels in LABELS.items()}
    searched(searcher(N, training=(images, ids), held_out=[0, 5, 59], tags=TAGS[:60]))
    embeddings, _, names, _, rows = learners[0]
    assert torch.equal(embeddings, images)
    assert names == list(LABELS)
    assert rows.tolist() == [row for row in range(60) if row not in (0, 5, 59)]


@pytest.mark.parametrize("attributes", [("style", "genre"), ("genre", "style")])
def test_a_map_that_is_given_is_used(learners, attributes):
    context = made_map(attributes)
    found = searched(searcher(N, context=context))
    assert not learners
    vectors = context(gallery(N), context.conditioned(["style"]))
    shared = vectors[:5] @ vectors.T
    chance = searcher(N).search(gallery(N)[:5], CONDITION, method="context", strength=0.3)
    assert not torch.equal(found.scores, chance.scores)
    plain = searcher(N, context=context).search(gallery(N)[:5], CONDITION, method="context", strength=0.0)
    torch.testing.assert_close(plain.scores, shared.sort(dim=1, descending=True).values[:, :10], atol=1e-5, rtol=0)


def test_a_map_of_another_precision_takes_that_of_the_gallery():
    expected = searched(searcher(N, context=made_map()))
    found = searched(searcher(N, context=made_map().double()))
    assert torch.equal(found.rows, expected.rows)
    assert found.scores.dtype == expected.scores.dtype == torch.float32


def test_learning_leaves_torchs_generator_and_the_gallery_alone():
    one, before = searcher(N, tags=TAGS), torch.get_rng_state()
    searched(one)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.gallery, gallery(N))


def test_a_searcher_in_inference_mode_learns_the_same(learners):
    expected = searched(searcher(N, tags=TAGS))
    with torch.inference_mode():
        found = searched(searcher(N, tags=TAGS))
    assert torch.equal(found.scores, expected.scores)
    assert len(learners) == 2


def test_a_map_is_saved_and_loaded(learners, tmp_path):
    one = searcher(N, tags=TAGS)
    expected = searched(one, "best")
    again = Searcher.load(one.save(tmp_path / "learnt"))
    assert torch.equal(searched(again, "best").scores, expected.scores)
    assert len(learners) == 1
    given = searcher(N, context=made_map())
    again = Searcher.load(given.save(tmp_path / "given"))
    assert torch.equal(searched(again).scores, searched(given).scores)
    assert len(learners) == 1


def test_one_that_was_not_needed_is_learnt_after_loading(learners, tmp_path):
    folder = searcher(N).save(tmp_path / "s")
    assert json.loads((folder / "searcher.json").read_text())["context"] is None
    content = json.loads((folder / "searcher.json").read_text())
    del content["context"]  # as an older version writes it
    (folder / "searcher.json").write_text(json.dumps(content))
    assert torch.equal(searched(Searcher.load(folder)).scores, searched(searcher(N)).scores)
    assert len(learners) == 2


def test_tags_come_back_with_a_searcher_that_has_not_learnt_yet(learners, tmp_path):
    again = Searcher.load(searcher(N, tags=TAGS).save(tmp_path / "s"))
    assert torch.equal(searched(again).scores, searched(searcher(N, tags=TAGS)).scores)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"context": "map"}, "context is a str: expected a ContextMap"),
        ({"context": made_map(size=E + 1)}, f"takes {E + 1} numbers and knows style, genre: expected {E}"),
        ({"context": made_map(["style"])}, "knows style: expected 16 and style, genre"),
        ({"tags": TAGS[1:]}, f"tags are of {N - 1} images, the gallery is of {N}"),
        ({"tags": "abc"}, "expected for each image a list of texts"),
        ({"tags": ["abc"] * N}, "expected for each image a list of texts"),
        ({"tags": [[1]] * N}, "expected for each image a list of texts"),
    ],
    ids=lambda value: "",
)
def test_what_does_not_fit_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        searcher(N, **wrong)


def emptied(file):
    file.write_bytes(b"")


def gone(file):
    file.unlink()


def not_finite(file):
    tensors, _ = load_tensors(file)
    save_tensors(file, tensors | {"last.bias": tensors["last.bias"] * float("nan")})


def of_another_shape(file):
    tensors, _ = load_tensors(file)
    save_tensors(file, tensors | {"last.bias": tensors["last.bias"][:-1]})


@pytest.mark.parametrize("spoil", [emptied, gone, not_finite, of_another_shape], ids=lambda value: value.__name__)
def test_a_damaged_map_is_one_line(tmp_path, spoil):
    folder = searcher(N, context=made_map()).save(tmp_path / "s")
    spoil(folder / "context.safetensors")
    with pytest.raises((DataError, MissingError)) as failure:
        Searcher.load(folder)
    assert "\n" not in str(failure.value)
    assert str(folder) in str(failure.value)


@pytest.mark.parametrize("value", [5, {}, {"embedding": 3}, [1], {"attributes": 5, "embedding": E}], ids=str)
def test_a_damaged_shape_of_a_map_is_one_line(tmp_path, value):
    folder = searcher(N, context=made_map()).save(tmp_path / "s")
    content = json.loads((folder / "searcher.json").read_text()) | {"context": value}
    (folder / "searcher.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="holds no whole searcher"):
        Searcher.load(folder)


def test_the_map_of_one_searcher_serves_another(learners):
    first = searcher(N, tags=TAGS)
    second = searcher(N, context=first.context)
    assert torch.equal(searched(second).scores, searched(first).scores)
    assert len(learners) == 1


def test_a_map_that_is_given_stays_as_it_is():
    given = made_map().train()
    double = {name: head.double() for name, head in heads().items()}
    assert Searcher(double, LABELS, gallery(N).double(), context=given).context.mean.dtype == torch.float64
    assert given.training
    assert given.mean.dtype == torch.float32
