"""What conditions, class means and logits make of a gallery, against plain loops; and the choice of a strength."""

from dataclasses import replace

import pytest
import torch
from made_heads import CLASSES, E, trained_heads

from backward_search.conditions.batch import Conditions
from backward_search.errors import MissingError, OptionError
from backward_search.gallery.memory import Gallery
from backward_search.library.memory import MemorySource
from backward_search.methods.asking import Ask
from backward_search.methods.assembler import Asked, Assembler, Moving, Ranking, ranked_together
from backward_search.methods.config import Aim, AnswerConfig
from backward_search.methods.registry import METHODS
from backward_search.methods.strength import Trial, chosen
from backward_search.solvers.adam import Adam

NAMES = ("style", "genre")
ALONE = Ranking(ranked_together, Moving.like)
N = 300


def assembled(embeddings, labels, **more):
    heads = {name: head.float() for name, head in zip(NAMES, trained_heads(), strict=False)}
    classes = {name: [str(i) for i in range(k)] for name, k in zip(NAMES, CLASSES, strict=False)}
    return Assembler(MemorySource(heads, classes, embeddings, truth=labels, **more))


@pytest.fixture(scope="module")
def setting():
    torch.manual_seed(0)
    embeddings = torch.tanh(torch.randn(N, E))
    heads = assembled(embeddings, {}).knowledge(NAMES).heads
    counts = dict(zip(NAMES, CLASSES, strict=False))
    labels = {name: heads.logits(embeddings)[i, :, :k].argmax(1) for i, (name, k) in enumerate(counts.items())}
    return assembled(embeddings, labels), embeddings, labels


def config(rerank=0.0, **knobs):
    return AnswerConfig(Adam(0.5), knobs, rerank=rerank)


def ask(queries, targets, settings=None):
    conditions = targets if isinstance(targets, Conditions) else Conditions.of_ids(targets, max(CLASSES[:2]), E_TYPE)
    return Ask(queries, conditions, settings or config())


E_TYPE = torch.float32


def answer(assembler, method, queries, targets, settings, k):
    one = ask(queries, targets, settings)
    return assembler.answer(method, NAMES, queries, one.conditions, settings, k)


def scores(assembler, method, queries, targets, settings):
    known, one, how = assembler.knowledge(NAMES), ask(queries, targets, settings), METHODS[method]()
    return how.scorer(known, one, how.move(known, one).embeddings).block(slice(0, N))


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
    assembler, embeddings, _ = setting
    conditions, probability = rich(kind)
    known = assembler.knowledge(NAMES)
    found = known.likelihood(ask(embeddings[:1], conditions)).block(slice(0, N))[0]
    logits = known.heads.logits(embeddings)
    for row in range(0, N, 37):
        style, genre = (logits[i, row, : CLASSES[i]].softmax(0) for i in range(2))
        assert found[row] == pytest.approx(float(probability(style) + genre[2].log()), rel=1e-4)


def test_an_image_meets_not_c_if_its_label_differs(setting):
    assembler, _, labels = setting
    met = assembler.knowledge(NAMES).labelled(rich("set")[0])[0]
    assert torch.equal(met, (labels["style"] != 0) & (labels["genre"] == 2))


def test_an_image_of_an_unknown_label_meets_nothing(setting):
    _, embeddings, labels = setting
    some = {name: ids.clone() for name, ids in labels.items()}
    some["style"][::3] = -1
    met = assembled(embeddings, some).knowledge(NAMES).labelled(rich("set")[0])[0]
    assert not met[::3].any()
    assert torch.equal(met[1::3], ((labels["style"] != 0) & (labels["genre"] == 2))[1::3])


def test_a_shift_takes_the_query_from_its_class_to_the_other(setting):
    assembler, embeddings, _ = setting
    known, targets = assembler.knowledge(NAMES), torch.tensor([[1, 2]])
    moved = METHODS["class_shift"]().move(known, ask(embeddings[:1], targets)).embeddings
    logits = known.heads.logits(embeddings[:1])
    expected = embeddings[:1].clone()
    for i in range(2):
        means = known.means[i]
        own = sum(p * mean for p, mean in zip(logits[i, 0].softmax(0), means, strict=True))
        expected += means[targets[0, i]] - own
    torch.testing.assert_close(moved, expected)


@pytest.mark.parametrize("method", ["label_filter", "predicted_filter"])
def test_images_that_pass_a_filter_stand_first_each_part_by_similarity(setting, method):
    assembler, embeddings, labels = setting
    pairs, counts = torch.stack([labels[name] for name in NAMES], dim=1).unique(dim=0, return_counts=True)
    wanted, count = pairs[counts.argmin()], int(counts.min())
    passed = (labels["style"] == wanted[0]) & (labels["genre"] == wanted[1])
    found = answer(assembler, method, embeddings[:4], wanted.repeat(4, 1), config(), count + 30)
    similarity = Gallery(embeddings).similarity(embeddings[:4])
    for row, hits in enumerate(found.hits.rows):
        assert passed[hits[:count]].all()
        assert not passed[hits[count:]].any()
        for part in (hits[:count], hits[count:]):
            assert (similarity[row, part].diff() <= 1e-6).all()


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0, 1.6])
def test_shift_null_moves_part_of_the_way_and_adds_the_mean_probability(setting, strength):
    assembler, embeddings, _ = setting
    known = assembler.knowledge(NAMES)
    queries, targets = embeddings[:3], torch.tensor([[0, 1], [2, 2], [1, 0]])
    whole = METHODS["class_shift"]().move(known, ask(queries, targets)).embeddings
    moved = queries + min(strength, 1) * (whole - queries)
    cosine = torch.nn.functional.normalize(moved, dim=1) @ torch.nn.functional.normalize(embeddings, dim=1).T
    p = known.heads.logits(embeddings).softmax(2)
    both = torch.stack([(p[0, :, style] * p[1, :, genre]).sqrt() for style, genre in targets])
    score = 0.5 * cosine + 0.5 * known.likeness.of(queries).block(slice(0, N)) + strength * both
    hits = answer(assembler, "shift_null", queries, targets, config(strength=strength), 10).hits
    assert torch.equal(hits.rows, score.argsort(dim=1, descending=True)[:, :10])
    torch.testing.assert_close(hits.similarity, score.sort(dim=1, descending=True).values[:, :10])


@pytest.mark.parametrize("method", ["unchanged", "teacher", "concept_null", "shift_null"])
def test_rerank_adds_the_log_probability_to_any_method(setting, method):
    assembler, embeddings, _ = setting
    queries, targets = embeddings[:3], torch.tensor([[0, 1], [2, 2], [1, 0]])
    plain, more = (scores(assembler, method, queries, targets, config(each, strength=0.2)) for each in (0.0, 0.3))
    known = assembler.knowledge(NAMES)
    torch.testing.assert_close(more, plain + 0.3 * known.likelihood(ask(queries, targets)).block(slice(0, N)))


def test_probabilities_are_those_of_the_calibrated_heads(setting):
    _, embeddings, labels = setting
    known = assembled(embeddings, labels, temperatures={"genre": 3.0}).knowledge(NAMES)
    logits = known.heads.logits(embeddings)
    torch.testing.assert_close(known.log_p[0, :, : CLASSES[0]], logits[0, :, : CLASSES[0]].log_softmax(1))
    torch.testing.assert_close(known.log_p[1, :, : CLASSES[1]], (logits[1, :, : CLASSES[1]] / 3).log_softmax(1))
    calibrated = known.calibrated_heads.logits(embeddings)
    torch.testing.assert_close(calibrated[1, :, : CLASSES[1]], logits[1, :, : CLASSES[1]] / 3)


@pytest.mark.parametrize("method", ["shift_null", "teacher", "random"])
def test_the_answer_does_not_depend_on_the_batch(setting, method):
    assembler, embeddings, _ = setting
    targets = torch.stack([torch.randint(k, (50,)) for k in CLASSES[:2]], dim=1)
    whole = answer(assembler, method, embeddings[:50], targets, config(strength=0.2), 10).hits.rows
    settings = AnswerConfig(Adam(0.5), {"strength": 0.2}, batch_size=7)
    assert torch.equal(whole, answer(assembler, method, embeddings[:50], targets, settings, 10).hits.rows)
    if method == "shift_null":
        rows = torch.arange(50).split(1)
        parts = [answer(assembler, method, embeddings[row], targets[row], settings, 10).hits.rows for row in rows]
        assert torch.equal(whole, torch.cat(parts))


def test_hits_of_moved_queries_are_found_again_without_moving_them(setting):
    assembler, embeddings, _ = setting
    targets = torch.stack([torch.randint(k, (20,)) for k in CLASSES[:2]], dim=1)
    found = answer(assembler, "teacher", embeddings[:20], targets, config(), 10)
    conditions = Conditions.of_ids(targets, max(CLASSES[:2]), E_TYPE)
    asked = assembler.asked("teacher", NAMES, embeddings[:20], conditions, config())
    again = asked.exactly(10, found.moved.embeddings)
    assert torch.equal(again.rows, found.hits.rows)


def test_what_a_method_lacks_is_said(setting):
    assembler, embeddings, _ = setting
    blind = assembled(embeddings, {})
    assert "true labels of the gallery" not in blind.refusal("shift_null", NAMES, config())
    assert "style, genre" in blind.refusal("label_filter", NAMES, config())
    assert "no student of style+genre" in assembler.refusal("student", NAMES, config())
    assert not assembler.refusal("label_filter", NAMES, config())
    with pytest.raises(OptionError, match="true labels"):
        answer(blind, "label_filter", embeddings[:1], torch.tensor([[0, 0]]), config(), 3)
    with pytest.raises(MissingError, match="no student"):
        answer(blind, "student", embeddings[:1], torch.tensor([[0, 0]]), config(), 3)


def precision(trial, method, value):
    """Precision@10 of a trial's queries, one by one, their own image left out."""
    known, met, how = trial.known, 0, METHODS[method]()
    labels = [ids.tolist() for ids in known.labels]
    wanted = trial.conditions.ids()
    for place, (row, target) in enumerate(zip(trial.rows.tolist(), wanted, strict=True)):
        one = Ask(known.shown.embeddings[[row]], trial.conditions.at(torch.tensor([place])), config(strength=value))
        hits = how.find(known, one, how.move(known, one).embeddings, 11, known.gallery).rows[0].tolist()
        others = [hit for hit in hits if hit != row][:10]
        met += sum(all(labels[a][hit] == want for a, want in enumerate(target.tolist())) for hit in others)
    return met / (10 * len(trial.rows))


@pytest.mark.slow
def test_the_chosen_strength_is_the_first_that_attains_its_aim(setting):
    assembler, _, _ = setting
    torch.manual_seed(5)
    targets = torch.stack([torch.randint(k, (100,)) for k in CLASSES[:2]], dim=1)
    conditions = Conditions.of_ids(targets, max(CLASSES[:2]), E_TYPE)
    trial = Trial(assembler.knowledge(NAMES), torch.arange(100), conditions)

    def choice(method, kind, share):
        return chosen(trial, METHODS[method](), AnswerConfig(Adam(0.5), aim=Aim(kind, share)))

    for method in ("concept_null", "shift_null"):
        tried = METHODS[method].tried
        reached = [precision(trial, method, value) for value in tried]
        assert reached[0] < 0.9 * reached[-1]
        for share in (0.5, 0.9, 1.0):
            first = next(value for value, found in zip(tried, reached, strict=True) if found >= share * reached[-1])
            assert choice(method, "precision", share) == first
    kept = [choice("concept_null", "context", share) for share in (1e-9, 0.5, 0.9, 1.0)]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == METHODS["concept_null"].tried[-1] != kept[-1]


@pytest.mark.parametrize("method", [name for name in METHODS if not METHODS[name].at_once and name != "student"])
@pytest.mark.parametrize("rerank", [0.0, 0.1])
def test_single_queries_ranked_together_get_the_hits_of_each_alone(setting, method, rerank):
    assembler, embeddings, _ = setting
    known, how = assembler.knowledge(NAMES), METHODS[method]()
    settings = replace(config(rerank), knobs={knob.option: 0.5 for knob in how.knobs})
    plain = Conditions.of_ids(torch.tensor([[1, 0]]), max(CLASSES[:2]), E_TYPE)
    conditions = [plain, rich("set")[0], rich("mixture")[0], replace(plain, weight=torch.tensor([[2.0], [1.0]]))]
    each = []
    for row, one in enumerate(conditions):
        some = Ask(embeddings[row : row + 1], one, settings)
        asked = Asked(how, known, some, ALONE)
        each.append(Moving(asked, how.move(known, some).embeddings, 10))
    assert all(each[0].like(other) for other in each)
    for hits, moving in zip(ranked_together(each), each, strict=True):
        alone = moving.find()
        assert torch.equal(hits.rows, alone.rows)
        torch.testing.assert_close(hits.similarity, alone.similarity, atol=1e-6, rtol=0)


def test_what_has_other_hits_or_settings_is_not_ranked_together(setting):
    assembler, embeddings, _ = setting
    asked = Asked(METHODS["teacher"](), assembler.knowledge(NAMES), ask(embeddings[:1], rich("set")[0]), ALONE)
    one = Moving(asked, embeddings, 10)
    others = [
        replace(one, k=5),
        replace(one, asked=replace(asked, how=METHODS["unchanged"]())),
        replace(one, asked=replace(asked, known=assembler.knowledge(NAMES[:1]))),
        replace(one, asked=replace(asked, ask=replace(asked.ask, config=config(0.1)))),
    ]
    assert one.like(replace(one, moved=embeddings + 1))
    assert not any(one.like(other) for other in others)


def test_a_strength_is_chosen_once_for_each_setting(setting, monkeypatch):
    _, embeddings, labels = setting
    assembler, asked = assembled(embeddings, labels), []
    from backward_search.methods import assembler as module

    original = module.choose_strength
    monkeypatch.setattr(module, "choose_strength", lambda *given: asked.append(given[1].name) or original(*given))
    for _ in range(3):
        assembler.settled("shift_null", NAMES, config())
        assembler.settled("shift_null", NAMES, config(rerank=0.5))
    assert asked == ["shift_null"]
    assembler.settled("shift_null", NAMES, AnswerConfig(Adam(0.5), aim=Aim("context", 0.9)))
    assembler.settled("shift_null", NAMES[:1], config())
    assert len(asked) == 3
