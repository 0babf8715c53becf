"""The searcher on one's own heads and embeddings: every method, every form of query, and what is left alone."""

import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
from made import LABELS, E, N, gallery, heads, searcher, students, truth
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.svm import LinearSVC
from torch import nn

from backward_search import METHODS, Adam, Manifold, Not, Searcher, Weighted
from backward_search.methods import assembler as assembling
from backward_search.methods.concept import ClassMeans
from backward_search.solvers.adam import backward_search
from backward_search.storage.paths import PROJECT

CONDITION = "style=Rococo"


@pytest.fixture(scope="module")
def made():
    return searcher()


def test_the_teacher_through_a_plain_module_is_the_search_itself(made):
    found = made.search(made.gallery[:3], CONDITION, lambda_=0.5, k=5)
    head = heads()["style"].eval()
    expected = backward_search([head], made.gallery[:3], torch.ones(3, 1, dtype=int), Adam(0.5))
    torch.testing.assert_close(found.moved, expected.embeddings)
    similarity = torch.cosine_similarity(found.moved[:, None], made.gallery[None], dim=2)
    assert torch.equal(found.rows, similarity.argsort(dim=1, descending=True)[:, :5])
    assert found.keys[1][0] == f"image{int(found.rows[1, 0])}"
    assert (found.steps > 0).all()
    assert found.stopped.shape == (3,)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers(made, method):
    found = made.search(made.gallery[:4], {"style": "Rococo", "genre": "portrait"}, method=method)
    assert found.rows.shape == found.scores.shape == (4, 10)
    assert (found.scores.diff(dim=1) <= 0).all()
    assert found.moved.shape == (4, E)
    assert method in made.methods()


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("class_shift", {"shift": 2.0}),
        ("class_mean", {}),
        ("predicted_filter", {}),
        ("concept_null", {}),
        ("shift_null", {}),
        ("teacher", {"lambda_": 0.1}),
    ],
)
def test_methods_meet_conditions_without_labels(method, settings):
    alone = searcher(truth=None)
    found = alone.search(alone.gallery[:60], "style!=Rococo; genre=portrait", method=method, **settings)
    predicted = {name: head.eval()(alone.gallery).argmax(1) for name, head in heads().items()}
    meets = (predicted["style"] != 1) & (predicted["genre"] == 0)
    assert meets[found.rows].float().mean() > 1.2 * meets.float().mean()


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("teacher", {"solver": "manifold"}),
        ("teacher", {"solver": Manifold(0.6)}),
        ("teacher", {"solver": "manifold", "target_probability": 0.6}),
        ("teacher", {"solver": Adam(0.2, lr=0.05)}),
        ("teacher", {"lambda_": 7.0}),
        ("teacher", {"lr": 0.02}),
        ("teacher", {"max_itr": 2}),
        ("teacher", {"early_stopping": False}),
        ("teacher", {"rerank": 0.5}),
        ("class_shift", {"shift": 0.1}),
        ("shift_null", {"strength": 0.6}),
        ("shift_null", {"shift": 0.1, "strength": 1.0}),
        ("shift_null", {"aim": "context=0.95"}),
        ("concept_null", {"strength": "auto"}),
        ("concept_null", {"strength": 0.7}),
        ("random", {"seed": 4}),
    ],
)
def test_every_setting_counts(made, method, settings):
    plain = made.search(made.gallery[:20], CONDITION, method=method)
    other = made.search(made.gallery[:20], CONDITION, method=method, **settings)
    assert not torch.equal(plain.scores, other.scores) or not torch.equal(plain.rows, other.rows)
    assert torch.equal(plain.rows, made.search(made.gallery[:20], CONDITION, method=method, batch_size=7).rows)


def test_each_query_may_have_a_lambda_and_a_condition_of_its_own(made):
    queries, lambdas = made.gallery[:3], [0.1, 1.0, 9.0]
    conditions = ["style=Rococo", {"style": ["Cubism", "Baroque"]}, {"style": Weighted(Not("Cubism"), 2)}]
    together = made.search(queries, conditions, lambda_=lambdas)
    for place in range(3):
        alone = made.search(queries[place], conditions[place], lambda_=lambdas[place])
        torch.testing.assert_close(together.moved[[place]], alone.moved, atol=1e-5, rtol=1e-5)
        assert torch.equal(together.rows[[place]], alone.rows)


def test_a_run_of_its_own_lambda_is_the_usual(made):
    usual = searcher(lambda_=6.0)
    assert torch.equal(
        usual.search(usual.gallery[:3], CONDITION).moved, made.search(made.gallery[:3], CONDITION, lambda_=6.0).moved
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_arrays_of_any_precision_find_the_same(made, dtype):
    array = gallery().numpy().astype(dtype)
    other = Searcher(heads(), LABELS, array, truth={name: ids.numpy() for name, ids in truth().items()})
    found = other.search(array[:5], CONDITION, method="class_shift")
    expected = made.search(gallery()[:5], CONDITION, method="class_shift")
    assert (found.rows == expected.rows).double().mean() > (0.9 if dtype == np.float16 else 0.999)
    assert found.rows.tolist() == list(found.keys)


def test_one_query_and_many_and_tensors_of_any_making(made):
    one = made.search(made.gallery[3], CONDITION, method="unchanged")
    assert one.rows.shape == (1, 10)
    grown = made.gallery[:4].clone().requires_grad_()
    with torch.inference_mode():
        inferred = made.gallery[:4].clone()
    for method in METHODS:
        for queries in (grown, inferred, grown.detach().double(), np.asarray(made.gallery[:4])):
            assert_ordinary(made.search(queries, CONDITION, method=method))
    assert grown.grad is None


def assert_ordinary(found):
    for part in (found.rows, found.scores, found.moved, found.steps, found.stopped):
        assert not part.requires_grad
        assert not part.is_inference()


@pytest.mark.parametrize("method", METHODS)
def test_a_program_in_inference_mode_gets_the_same(made, method):
    expected = made.search(gallery()[:3], CONDITION, method=method)
    with torch.inference_mode():
        inside = searcher()
        assert_ordinary(inside.search(gallery()[:3], CONDITION, method=method))
        inside.explain(gallery()[0], CONDITION, method=method)
    found = inside.search(gallery()[:3], CONDITION, method=method)
    torch.testing.assert_close(found.moved, expected.moved)
    assert torch.equal(found.rows, expected.rows)


@pytest.mark.parametrize("method", METHODS)
def test_where_queries_were_moved_to_is_not_the_callers_own_tensor(made, method):
    queries = gallery()[:3].clone()
    made.search(queries, CONDITION, method=method).moved.add_(1)
    assert torch.equal(queries, gallery()[:3])


@pytest.mark.parametrize("method", METHODS)
def test_double_precision_serves_every_method(method):
    fine = Searcher(heads(), LABELS, gallery().double(), truth=truth(), students=students())
    found = fine.search(gallery()[:3], CONDITION, method=method)
    assert found.moved.dtype == torch.float64
    assert found.rows.shape == (3, 10)


def test_nothing_of_the_callers_is_changed():
    mine, images = heads(), gallery()
    for name, module in mine.items():
        module.train(name == "style")
        module[0].weight.requires_grad_(name == "genre")
    before = images.clone()
    made = Searcher(mine, LABELS, images)
    expected = made.search(images[:5], CONDITION).rows
    assert mine["style"].training
    assert not mine["genre"].training
    assert [module[0].weight.requires_grad for module in mine.values()] == [False, True]
    assert all(parameter.grad is None for module in mine.values() for parameter in module.parameters())
    assert torch.equal(images, before)
    with torch.no_grad():
        mine["style"][0].weight.mul_(-1)
    assert torch.equal(made.search(images[:5], CONDITION).rows, expected)


def test_a_dropout_in_a_head_is_asleep():
    noisy = {"style": nn.Sequential(nn.Linear(E, 3), nn.Dropout(0.9)).train()}
    made = Searcher(noisy, {"style": LABELS["style"]}, gallery())
    assert torch.equal(made.search(gallery()[:5], CONDITION).moved, made.search(gallery()[:5], CONDITION).moved)


def test_unknown_labels_meet_nothing_and_do_not_spoil_the_means(made):
    partly = truth()
    partly["style"][::2] = -1
    some = searcher(truth=partly)
    found = some.search(some.gallery[:3], CONDITION, method="label_filter", k=40)
    known = partly["style"] == 1
    assert known[found.rows].all()
    means = some.assembler.knowledge(("style",)).class_means.centred["style"]
    assumed = torch.where(partly["style"] < 0, heads()["style"].eval()(gallery()).argmax(1), partly["style"])
    torch.testing.assert_close(means, ClassMeans.of(gallery(), {"style": assumed}, {"style": 3}).centred["style"])


@pytest.mark.parametrize("method", METHODS)
def test_a_gallery_of_one_image_and_more_hits_than_images(method):
    single = searcher(1, keys=["only"])
    assert single.search(single.gallery, CONDITION, method=method, k=7).keys == [["only"]]
    few = searcher(5)
    assert sorted(few.search(gallery()[9], CONDITION, method=method, k=50).rows[0].tolist()) == [0, 1, 2, 3, 4]


def test_labels_may_hold_any_character():
    labels = {"style": ["Rock & Roll; live=1", "!x|y", "0.5*a:2"]}
    odd = Searcher({"style": heads()["style"]}, labels, gallery())
    plain = Searcher({"style": heads()["style"]}, {"style": ["a", "b", "c"]}, gallery())
    for mine, theirs in zip(labels["style"], "abc", strict=True):
        found = odd.search(gallery()[:3], {"style": mine})
        assert torch.equal(found.rows, plain.search(gallery()[:3], f"style={theirs}").rows)
        assert odd.search(gallery()[:3], {"style": Not(mine)}).rows.shape == (3, 10)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "classifier",
    [LogisticRegression(), LinearSVC(), SGDClassifier(random_state=0), RidgeClassifier()],
    ids=lambda value: type(value).__name__,
)
def test_a_linear_classifier_of_scikit_learn_is_a_head(classifier, classes):
    images = gallery().double().numpy()
    ids = np.digitize(images[:, 0] + 0.3 * images[:, 1], [-0.5, 0.5][: classes - 1])
    classifier.fit(images, ids)
    names = [f"c{i}" for i in range(classes)]
    made = Searcher({"a": classifier}, {"a": names}, images)
    predicted = made.assembler.source.shown.logits("a").argmax(1).numpy()
    assert np.array_equal(predicted, classifier.predict(images))
    found = made.search(images[:20], {"a": names[-1]}, lambda_=0.1, k=5)
    assert (classifier.predict(found.moved.numpy()) == classes - 1).mean() > 0.9


def test_keys_of_numpy_are_pythons_own():
    images = gallery(5)
    for keys in (np.arange(5), torch.arange(5), list(np.arange(5))):
        assert all(type(key) is int for key in Searcher(heads(), LABELS, images, keys=keys).keys)


def test_a_query_is_moved_once_and_what_is_known_is_made_once(monkeypatch):
    made, moves, means, choices = searcher(), [], [], []
    how = METHODS["shift_null"]
    monkeypatch.setattr(how, "move", lambda self, *given, old=how.move: moves.append(1) or old(self, *given))
    monkeypatch.setattr(ClassMeans, "of", lambda *given, old=ClassMeans.of: means.append(1) or old(*given))
    old = assembling.choose_strength
    monkeypatch.setattr(assembling, "choose_strength", lambda *given: choices.append(1) or old(*given))
    made.search(made.gallery[:5], CONDITION, method="shift_null")
    chosen = len(moves) - 1
    for _ in range(3):
        made.search(made.gallery[:5], CONDITION, method="shift_null")
        made.search(made.gallery[:5], "style=Baroque", method="concept_null")
    assert len(moves) - chosen == 4
    assert len(means) == len(choices) == 1


def test_the_images_are_measured_once(monkeypatch):
    made, measured, old = searcher(), [], torch.linalg.vector_norm
    monkeypatch.setattr(torch.linalg, "vector_norm", lambda x, *a, **k: measured.append(x.shape) or old(x, *a, **k))
    for method in ("unchanged", "shift_null", "concept_null"):
        for each in (made.gallery[3], made.gallery[:4]):
            made.search(each, CONDITION, method=method)
    measured.clear()
    for method in ("unchanged", "shift_null", "concept_null"):
        for each in (made.gallery[8], made.gallery[4:9]):
            made.search(each, CONDITION, method=method)
    assert not [shape for shape in measured if shape[0] == N]  # queries and hits alone


def test_threads_get_the_same_and_make_things_once(monkeypatch):
    made, expected, means = searcher(), {}, []
    monkeypatch.setattr(ClassMeans, "of", lambda *given, old=ClassMeans.of: means.append(1) or old(*given))
    methods = [
        "teacher",
        "shift_null",
        "concept_null",
        "class_shift",
        "student",
        "unchanged",
        "predicted_filter",
        "shift_null",
    ]
    alone = searcher()
    for method in methods:
        expected[method] = [alone.search(alone.gallery[i], CONDITION, method=method).rows.tolist() for i in range(20)]
    means.clear()
    found, barrier = {}, threading.Barrier(len(methods))

    def ask(number, method):
        barrier.wait()
        found[number] = [made.search(made.gallery[i], CONDITION, method=method).rows.tolist() for i in range(20)]

    threads = [threading.Thread(target=ask, args=each) for each in enumerate(methods)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(len(methods))] == [expected[method] for method in methods]
    assert len(means) == 1


def test_the_hits_as_a_table(made):
    frame = made.search(made.gallery[:2], CONDITION, k=3).frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame["query"].tolist() == [0, 0, 0, 1, 1, 1]
    assert frame["rank"].tolist() == [1, 2, 3] * 2
    assert list(frame.columns) == ["query", "rank", "key", "row", "score"]


@pytest.mark.parametrize(
    ("method", "settings"), [("teacher", {}), ("teacher", {"solver": "manifold"}), ("shift_null", {"strength": 1.0})]
)
def test_the_way_leads_from_the_query_to_the_answer(made, method, settings):
    condition = {"style": "Rococo", "genre": "portrait"}
    way = made.explain(made.gallery[2], condition, method=method, **settings)
    found = made.search(made.gallery[2], condition, method=method, **settings)
    assert torch.equal(way.points[0], made.gallery[2])
    torch.testing.assert_close(way.points[-1:], found.moved, atol=1e-5, rtol=1e-5)
    assert torch.equal(way.found.rows, found.rows)
    assert way.steps == len(way.points) - 1 == len(way.frame()) - 1
    assert {name: values.shape for name, values in way.probabilities.items()} == {
        name: (len(way.points), len(labels)) for name, labels in LABELS.items()
    }
    if method == "teacher":  # which the head itself has to believe
        assert way.probabilities["style"][-1, 1] > way.probabilities["style"][0, 1]
    assert way.frame()["style=Rococo"].iloc[-1] == pytest.approx(float(way.probabilities["style"][-1, 1]))


def test_importing_the_package_is_light():
    code = "import backward_search, sys; print('torch' in sys.modules)"
    start = time.perf_counter()
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT / "src", check=True)
    assert said.stdout.strip() == "False"
    assert time.perf_counter() - start < 5  # the limit is for a busy machine; idle it is some 0.02 s


def test_every_public_name_can_be_had():
    import backward_search

    assert all(getattr(backward_search, name) is not None for name in backward_search.__all__)
    assert set(backward_search.__all__) <= set(dir(backward_search))
    with pytest.raises(AttributeError):
        _ = backward_search.nothing


def test_students_are_those_of_their_attributes(made):
    moved = made.search(made.gallery[:3], CONDITION, method="student").moved
    expected = students()[("style",)].move(made.gallery[:3], torch.ones(3, 1, dtype=int))
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=1e-5)
    assert len(made) == N


@pytest.mark.parametrize("method", ["teacher", "class_shift", "student"])
def test_a_query_that_is_explained_is_moved_once(made, monkeypatch, method):
    kind, moves = METHODS[method], []
    names = [name for name in ("move", "_search") if name in vars(kind)][-1:]
    for name in names:
        own = getattr(kind, name)
        monkeypatch.setattr(kind, name, lambda *given, own=own, **more: moves.append(1) or own(*given, **more))
    way = made.explain(made.gallery[0], CONDITION, method=method)
    assert moves == [1]
    assert torch.equal(way.points[-1], way.found.moved[0])


def test_the_methods_of_a_searcher_are_those_of_any_of_its_attributes():
    both = searcher(students={("style", "genre"): students()["style", "genre"]})
    assert "student" in both.methods()
    assert "student" not in both.methods(CONDITION)


@pytest.mark.parametrize("kind", [">f4", ">f8", "f2", np.longdouble])
def test_numbers_of_any_machine(made, kind):
    query = np.asarray(made.gallery[0]).astype(kind)
    assert made.search(query, CONDITION).rows[0, 0] >= 0
