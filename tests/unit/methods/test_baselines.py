"""The methods of neighbouring fields, against their formulas written out for one query and one image at a time."""

import numpy as np
import pytest
import torch
from made_heads import CLASSES, E, trained_heads

from backward_search.conditions.batch import Conditions
from backward_search.library.memory import MemorySource
from backward_search.methods.asking import Ask
from backward_search.methods.assembler import Assembler
from backward_search.methods.baselines import Contrast, contrastive_directions
from backward_search.methods.config import AUTO, AnswerConfig
from backward_search.methods.registry import METHODS
from backward_search.solvers.adam import Adam

NAMES, N, TRAINED, B = ("style", "genre"), 120, 200, 4


@pytest.fixture(scope="module")
def setting():
    """An assembler whose gallery and training images differ, and the queries."""
    torch.manual_seed(0)
    gallery, training = torch.tanh(torch.randn(N, E)), torch.tanh(torch.randn(TRAINED, E) + 0.3)
    heads = {name: head.float() for name, head in zip(NAMES, trained_heads(), strict=False)}
    classes = {name: [str(i) for i in range(k)] for name, k in zip(NAMES, CLASSES, strict=False)}
    ids = {name: torch.randint(k, (TRAINED,)) for name, k in zip(NAMES, CLASSES, strict=False)}
    return Assembler(MemorySource(heads, classes, gallery, training=(training, ids))), gallery, training, ids


def ask(gallery, strength):
    targets = torch.tensor([[0, 1], [2, 2], [1, 0], [4, 1]])
    conditions = Conditions.of_ids(targets, max(CLASSES[:2]), torch.float32)
    return Ask(gallery[:B], conditions, AnswerConfig(Adam(0.5), {"strength": strength})), targets.tolist()


def scores(setting, method, strength):
    assembler, gallery, _, _ = setting
    known, one, how = assembler.knowledge(NAMES), ask(gallery, strength)[0], METHODS[method]()
    return how.scorer(known, one, how.move(known, one).embeddings)


def log_p(setting, images, targets):
    """The condition's log-probability for each image (n,)."""
    logits = setting[0].knowledge(NAMES).heads.logits(images)
    each = (logits[i, :, : CLASSES[i]].double().log_softmax(1)[:, c] for i, c in enumerate(targets))
    return sum(each).numpy()


def unit(array):
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


def written_out(setting, query, targets, weight):
    """BASIC's scores of the gallery for one query, by the formula."""
    _, gallery, training, ids = setting
    images, trained = unit(gallery.double().numpy()), unit(training.double().numpy())
    mean = trained.mean(0)
    rest, means = trained - mean, []
    for name in NAMES:
        own = ids[name].numpy()
        each = {c: (trained - mean)[own == c].mean(0) for c in set(own.tolist())}
        rest = rest - np.stack([each[c] for c in own.tolist()])
        means += each.values()
    contrast = 0.8 * np.cov(rest.T, bias=True) - 0.2 * np.cov(np.stack(means).T, bias=True)
    values, vectors = np.linalg.eigh(contrast)
    assert (values[-5:] > 0).all()
    projection = vectors[:, -5:] @ vectors[:, -5:].T  # 250 / 768 of 16 directions
    least_v = min((a - mean) @ projection @ (b - mean) for a in trained for b in trained)
    least_t = log_p(setting, training, targets).min()
    v = ((images - mean) @ projection @ (unit(query) - mean) - least_v) / abs(least_v)
    t = (log_p(setting, gallery, targets) - least_t) / abs(least_t)
    v, t = np.maximum(v, 0), np.maximum(t, 0)
    return v * t - weight * (v + t) ** 2


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.22])
def test_basic_is_the_formula_written_out(setting, weight):
    gallery = setting[1]
    found = scores(setting, "basic", weight).block(slice(0, N))
    for row, targets in enumerate(ask(gallery, weight)[1]):
        expected = written_out(setting, gallery[row].double().numpy(), targets, weight)
        np.testing.assert_allclose(found[row].numpy(), expected, atol=2e-5)


def test_the_weight_of_the_harris_term_is_the_published_one_unless_given(setting):
    assembler, gallery, _, _ = setting
    one = ask(gallery, 0.1)[0]
    usual = AnswerConfig(Adam(0.5))
    each = [assembler.answer("basic", NAMES, one.queries, one.conditions, how, 5) for how in (usual, one.config)]
    assert torch.equal(each[0].hits.similarity, each[1].hits.similarity)


def test_contrastive_directions_leave_out_what_the_classes_vary_in():
    torch.manual_seed(3)
    ids, axes = torch.randint(4, (4000,)), torch.linalg.qr(torch.randn(12, 12).double()).Q
    embeddings = 0.1 * torch.randn(4000, 12).double()
    embeddings += torch.randn(4, 2).double()[ids] @ axes[:2]  # the class
    embeddings += torch.randn(4000, 4).double() @ axes[2:6]  # content
    directions = contrastive_directions(embeddings - embeddings.mean(0), [ids])
    torch.testing.assert_close(directions.T @ directions, torch.eye(4).double())  # 250 / 768 of 12
    torch.testing.assert_close((axes[2:6] @ directions).norm(), torch.tensor(2.0).double(), atol=0.02, rtol=0)
    assert (axes[:2] @ directions).norm() < 0.1


def test_a_direction_stays_where_every_image_has_a_class_of_its_own():
    embeddings = torch.randn(8, 6).double()
    assert contrastive_directions(embeddings - embeddings.mean(0), [torch.arange(8)]).shape == (6, 1)


def test_the_constants_are_those_of_the_training_images_and_made_once(setting, monkeypatch):
    assembler, gallery, _, _ = setting
    scores(setting, "basic", 0.1)
    monkeypatch.setattr(Contrast, "of", None)
    scores(setting, "basic", 0.2)
    known = assembler.knowledge(NAMES)
    some = known.among(known.shown.part(torch.arange(30)))
    one, how = ask(gallery, 0.1)[0], METHODS["basic"]()
    found = how.scorer(some, one, one.queries).block(slice(0, 30))
    torch.testing.assert_close(found, scores(setting, "basic", 0.1).block(slice(0, N))[:, :30])


@pytest.mark.parametrize("strength", [0.0, 0.1, 2.0])
def test_the_product_of_experts_is_the_formula_written_out(setting, strength):
    gallery = setting[1]
    found, images = scores(setting, "product", strength).block(slice(0, N)), gallery.double().numpy()
    for row, targets in enumerate(ask(gallery, strength)[1]):
        expected = unit(images) @ unit(images[row]) + strength * log_p(setting, gallery, targets)
        np.testing.assert_allclose(found[row].numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("method", ["basic", "product"])
def test_a_strength_can_be_chosen(setting, method):
    assembler = setting[0]
    chosen = assembler.settled(method, NAMES, AnswerConfig(Adam(0.5), {"strength": AUTO})).knobs["strength"]
    assert chosen in METHODS[method].tried


def test_the_product_goes_from_likeness_alone_to_the_condition_alone(setting):
    assembler, gallery, _, _ = setting
    least, most = (ask(gallery, METHODS["product"].tried[place])[0] for place in (0, -1))
    plain, start, end = (
        assembler.answer(name, NAMES, one.queries, one.conditions, one.config, 10).hits.rows
        for name, one in (("unchanged", least), ("product", least), ("product", most))
    )
    assert torch.equal(start, plain)
    for first, targets in zip(end[:, 0].tolist(), ask(gallery, 0)[1], strict=True):
        each = log_p(setting, gallery, targets)
        assert each[first] >= each.max() - 0.2  # two cosines differ by 2 at most, a tenth of which is left
