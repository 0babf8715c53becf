"""What conditions, class means and logits make of a gallery, against plain loops; and the choice of a weight."""

from dataclasses import replace

import pytest
import torch
from made_heads import CLASSES, E, trained_heads

from backward_search.conditions.batch import Conditions
from backward_search.gallery.memory import Gallery
from backward_search.methods.answers import Answerer
from backward_search.methods.background import Background
from backward_search.methods.concept import ClassMeans
from backward_search.methods.registry import METHODS
from backward_search.methods.strength import STRENGTHS, WEIGHTS, Trial, choose_weight
from backward_search.solvers.adam import SearchConfig
from backward_search.solvers.heads import FrozenHeads

NAMES = ("style", "genre")
N = 300


@pytest.fixture(scope="module")
def setting():
    torch.manual_seed(0)
    heads = FrozenHeads.of([head.float() for head in trained_heads()[:2]], torch.device("cpu"))
    embeddings = torch.tanh(torch.randn(N, E))
    logits = heads.logits(embeddings)
    counts = dict(zip(NAMES, CLASSES, strict=False))
    labels = {name: logits[i, :, :k].argmax(1) for i, (name, k) in enumerate(counts.items())}
    by_name = {name: logits[i, :, :k] for i, (name, k) in enumerate(counts.items())}
    means = ClassMeans.of(embeddings, labels, counts)
    background = Background.of(means, NAMES, embeddings, by_name, labels)
    answerer = Answerer(Gallery(embeddings), heads, SearchConfig(0.5), background=background, weight=0.2)
    return answerer, embeddings, labels


def rich(kind):
    """One condition on two attributes: a class, a set ("not class 0"), or a mixture; and how probable it is."""
    wanted = torch.zeros(2, 1, max(CLASSES[:2]))
    wanted[1, 0, 2] = 1
    any_of = torch.tensor([[kind == "set"], [False]])
    if kind == "set":
        wanted[0, 0, 1 : CLASSES[0]] = 1
        probability = lambda p: (1 - p[0]).log()  # noqa: E731
    elif kind == "mixture":
        wanted[0, 0, 0], wanted[0, 0, 1] = 0.6, 0.4
        probability = lambda p: 0.6 * p[0].log() + 0.4 * p[1].log()  # noqa: E731
    else:
        wanted[0, 0, 1] = 1
        probability = lambda p: p[1].log()  # noqa: E731
    return Conditions(wanted, any_of), probability


@pytest.mark.parametrize("kind", ["class", "set", "mixture"])
def test_the_likelihood_of_a_condition_is_that_of_a_plain_loop(setting, kind):
    answerer, embeddings, _ = setting
    conditions, probability = rich(kind)
    found = answerer.log_likelihood(embeddings[:1], conditions)[0]
    logits = answerer.heads.logits(embeddings)
    for row in range(0, N, 37):
        style, genre = (logits[i, row, : CLASSES[i]].softmax(0) for i in range(2))
        assert found[row] == pytest.approx(float(probability(style) + genre[2].log()), rel=1e-4)


def test_an_image_meets_not_c_if_its_label_differs(setting):
    answerer, embeddings, labels = setting
    met = answerer.labelled(embeddings[:1], rich("set")[0])[0]
    assert torch.equal(met, (labels["style"] != 0) & (labels["genre"] == 2))


def test_a_shift_takes_the_query_from_its_class_to_the_other(setting):
    answerer, embeddings, _ = setting
    targets = torch.tensor([[1, 2]])
    moved = answerer.move(METHODS["class_shift"], embeddings[:1], targets).embeddings
    logits = answerer.heads.logits(embeddings[:1])
    expected = embeddings[:1].clone()
    for i in range(2):
        means = answerer.known.means[i]
        own = sum(p * mean for p, mean in zip(logits[i, 0].softmax(0), means, strict=True))
        expected += means[targets[0, i]] - own
    torch.testing.assert_close(moved, expected)


@pytest.mark.parametrize("method", ["label_filter", "predicted_filter"])
def test_images_that_pass_a_filter_stand_first_each_part_by_similarity(setting, method):
    answerer, embeddings, labels = setting
    pairs, counts = torch.stack([labels[name] for name in NAMES], dim=1).unique(dim=0, return_counts=True)
    wanted, count = pairs[counts.argmin()], int(counts.min())
    passed = (labels["style"] == wanted[0]) & (labels["genre"] == wanted[1])
    answer = replace(answerer, weight=0.0).answer(method, embeddings[:4], wanted.repeat(4, 1), count + 30)
    plain = Answerer(Gallery(embeddings), answerer.heads, answerer.search)
    similarity = plain.gallery.similarity(embeddings[:4])
    for row, hits in enumerate(answer.hits.rows):
        assert passed[hits[:count]].all()
        assert not passed[hits[count:]].any()
        for part in (hits[:count], hits[count:]):
            assert (similarity[row, part].diff() <= 1e-6).all()


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0, 1.6])
def test_best_moves_part_of_the_way_and_adds_the_mean_probability(setting, strength):
    answerer, embeddings, _ = setting
    queries, targets = embeddings[:3], torch.tensor([[0, 1], [2, 2], [1, 0]])
    whole = answerer.move(METHODS["class_shift"], queries, targets).embeddings
    moved = queries + min(strength, 1) * (whole - queries)
    cosine = torch.nn.functional.normalize(moved, dim=1) @ torch.nn.functional.normalize(embeddings, dim=1).T
    p = answerer.heads.logits(embeddings).softmax(2)
    both = torch.stack([(p[0, :, style] * p[1, :, genre]).sqrt() for style, genre in targets])
    score = 0.5 * cosine + 0.5 * answerer.known.likeness.of(queries).block(slice(0, N)) + strength * both
    answer = replace(answerer, weight=strength).answer("best", queries, targets, 10)
    assert torch.equal(answer.hits.rows, score.argsort(dim=1, descending=True)[:, :10])
    torch.testing.assert_close(answer.hits.similarity, score.sort(dim=1, descending=True).values[:, :10])


@pytest.mark.parametrize("method", ["unchanged", "teacher", "concept_null", "best"])
def test_rerank_adds_the_log_probability_to_any_method(setting, method):
    answerer, embeddings, _ = setting
    queries, targets, how = embeddings[:3], torch.tensor([[0, 1], [2, 2], [1, 0]]), METHODS[method]
    moved = answerer.move(how, queries, targets).embeddings
    plain, more = (one.scores(how, queries, moved, targets) for one in (answerer, replace(answerer, rerank=0.3)))
    torch.testing.assert_close(more, plain + 0.3 * answerer.log_likelihood(queries, targets))


def test_probabilities_are_those_of_the_calibrated_heads(setting):
    answerer, embeddings, labels = setting
    counts = dict(zip(NAMES, CLASSES, strict=False))
    logits = {name: answerer.heads.logits(embeddings)[i, :, : counts[name]] for i, name in enumerate(NAMES)}
    means = ClassMeans.of(embeddings, labels, counts)
    known = Background.of(means, NAMES, embeddings, logits, labels, {"genre": 3.0})
    torch.testing.assert_close(known.log_p[0, :, : CLASSES[0]], logits["style"].log_softmax(1))
    torch.testing.assert_close(known.log_p[1, :, : CLASSES[1]], (logits["genre"] / 3).log_softmax(1))


def test_the_answer_does_not_depend_on_the_batch(setting):
    answerer, embeddings, _ = setting
    targets = torch.stack([torch.randint(k, (50,)) for k in CLASSES[:2]], dim=1)
    whole = answerer.answer("best", embeddings[:50], targets, 10).hits.rows
    parts = [answerer.answer("best", embeddings[i : i + 1], targets[i : i + 1], 10).hits.rows for i in range(50)]
    assert torch.equal(whole, torch.cat(parts))


def test_a_method_without_its_background_says_so(setting):
    answerer, embeddings, _ = setting
    bare = Answerer(answerer.gallery, answerer.heads, answerer.search)
    with pytest.raises(ValueError, match="background"):
        bare.answer("class_shift", embeddings[:1], torch.tensor([[0, 0]]), 3)


def precision(trial: Trial, method: str, weight: float) -> float:
    """Precision@10 of a trial's queries, one by one, their own image left out."""
    answerer, met = replace(trial.answerer, weight=weight), 0
    labels = [ids.tolist() for ids in trial.answerer.known.labels]
    for row, target in zip(trial.rows.tolist(), trial.targets, strict=True):
        hits = answerer.answer(method, trial.embeddings[[row]], target[None], 11).hits.rows[0].tolist()
        others = [hit for hit in hits if hit != row][:10]
        met += sum(all(labels[a][hit] == want for a, want in enumerate(target.tolist())) for hit in others)
    return met / (10 * len(trial.rows))


def test_the_chosen_weight_is_the_first_that_attains_its_aim(setting):
    answerer, embeddings, _ = setting
    torch.manual_seed(5)
    targets = torch.stack([torch.randint(k, (100,)) for k in CLASSES[:2]], dim=1)
    trial = Trial(answerer, embeddings, torch.arange(100), targets)
    for method, tried in (("concept_null", WEIGHTS), ("best", STRENGTHS)):
        reached = [precision(trial, method, weight) for weight in tried]
        assert reached[0] < 0.9 * reached[-1]
        for share in (0.5, 0.9, 1.0):
            first = next(weight for weight, value in zip(tried, reached, strict=True) if value >= share * reached[-1])
            assert choose_weight(trial, METHODS[method], "precision", share) == first
    kept = [choose_weight(trial, METHODS["concept_null"], "context", share) for share in (1e-9, 0.5, 0.9, 1.0)]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == WEIGHTS[-1] != kept[-1]
