"""What a program cannot mean is one line that says what is wrong; nothing is dropped without a word."""

import re
import warnings

import numpy as np
import pytest
import torch
from made import LABELS, E, N, gallery, heads, searcher, truth
from sklearn.linear_model import LinearRegression, LogisticRegression
from torch import nn

from backward_search import Adam, Not, Searcher, Weighted
from backward_search.gallery.memory import Gallery
from backward_search.methods.config import Aim
from backward_search.student.network import Student, StudentConfig

NAN, INF = float("nan"), float("inf")


def spoiled(value, row=7):
    images = gallery()
    images[row, 3] = value
    return images


class Every:
    """An engine that proposes every image."""

    def shortlist(self, scorer, count):
        return torch.arange(N).expand(len(scorer.guide), -1)


@pytest.fixture(scope="module")
def made():
    return searcher()


QUERIES = [
    (spoiled(NAN)[:9], "query has NaN or infinite numbers in 1 rows, the first is row 7"),
    (spoiled(-INF)[7], "row 0"),
    (torch.zeros(32, 4), r"shape \(32, 4\): expected \(E,\) or \(B, E\) with E = 16"),
    (torch.zeros(2, 3, E), "expected"),
    (torch.zeros(0, E), "no queries"),
    (torch.zeros(E, dtype=torch.int64), "floating-point"),
    ("a text", "expected a tensor or an array"),
    ([["a"]], "expected"),
    (None, "expected"),
    ([torch.ones(E, requires_grad=True)] * 2, "expected a tensor or an array of numbers, got list"),
    (torch.full((E,), 1e300, dtype=torch.float64), "NaN or infinite"),
]


@pytest.mark.parametrize(("queries", "message"), QUERIES, ids=range(len(QUERIES)))
def test_queries(made, queries, message):
    for method in ("unchanged", "teacher", "shift_null"):
        with pytest.raises(ValueError, match=message):
            made.search(queries, "style=Rococo", method=method)


SETTINGS = [
    ("teacher", {"lambda_": NAN}, "lambda is nan"),
    ("teacher", {"lambda_": -1}, "lambda is -1"),
    ("teacher", {"lambda_": [0.1, NAN]}, "lambda_"),
    ("teacher", {"lambda_": [0.1, 0.2, 0.3]}, "for each of 2 queries"),
    ("teacher", {"lambda_": "much"}, "lambda_ is 'much'"),
    ("teacher", {"lr": 0}, "learning rate"),
    ("teacher", {"lambda_": None}, "lambda_ is None: expected a number"),
    ("teacher", {"lambda_": True}, "lambda_ is True"),
    ("teacher", {"lr": "x"}, "lr is 'x': expected a number"),
    ("teacher", {"lr": INF}, "learning rate"),
    ("teacher", {"max_itr": 2.5}, "max_itr is 2.5: expected a whole number"),
    ("teacher", {"max_itr": True}, "max_itr is True"),
    ("teacher", {"early_stopping": "no"}, "early_stopping is 'no': expected True or False"),
    ("student", {"lr": 0.1}, "lr has no part in the answer of this student of style"),
    ("student", {"solver": "manifold"}, "solver has no part"),
    ("student", {"lambda_": [0.1, 0.2]}, "lambda_ has no part"),
    ("teacher", {"max_itr": 0}, "max_itr"),
    ("teacher", {"solver": "newton"}, "solver newton is none of adam, manifold"),
    ("teacher", {"solver": 3}, "expected a name or a solver"),
    ("teacher", {"solver": Adam(1.0), "lambda_": 2}, "lambda_ stands beside a solver that has it"),
    ("teacher", {"solver": "manifold", "target_probability": 1.5}, "target_probability is 1.5"),
    ("teacher", {"solver": "manifold", "lambda_": 0.5}, "lambda_ has no part in teacher"),
    ("teacher", {"target_probability": 0.5}, "target_probability has no part in teacher"),
    ("teacher", {"strength": 1}, "strength has no part in teacher"),
    ("teacher", {"weight": 0.2}, "weight has no part in teacher, whose settings are solver, lambda_"),
    ("shift_null", {"lambda_": 1}, "lambda_ has no part in shift_null, whose settings are strength, shift"),
    ("shift_null", {"solver": "adam"}, "solver has no part in shift_null"),
    ("shift_null", {"strength": -0.1}, "strength is -0.1"),
    ("shift_null", {"strength": "much"}, "strength is 'much'"),
    ("shift_null", {"strength": NAN}, "strength is nan"),
    ("shift_null", {"shift": INF}, "shift is inf"),
    ("shift_null", {"shift": -1}, "shift is -1"),
    ("shift_null", {"shift": "auto"}, "shift is 'auto'"),
    ("shift_null", {"strength": 1, "aim": "precision=0.5"}, "leave one of them out"),
    ("shift_null", {"aim": Aim("precision", 3)}, "between 0 and 1"),
    ("shift_null", {"aim": "recall=1"}, "neither precision=S nor context=S"),
    ("shift_null", {"aim": "context=2"}, "between 0 and 1"),
    ("concept_null", {"aim": "context=0.5"}, "leave one of them out"),
    ("unchanged", {"strength": 1}, "strength has no part in unchanged, whose settings are rerank"),
    ("unchanged", {"rerank": -1}, "rerank is -1"),
    ("unchanged", {"rerank": True}, "rerank is True"),
    ("unchanged", {"seed": -1}, "seed is -1"),
    ("unchanged", {"seed": 2.5}, "seed is 2.5: expected a whole number"),
    ("unchanged", {"seed": 2**70}, "seed is 1180591620717411303424"),
    ("unchanged", {"batch_size": 2.5}, "batch_size is 2.5"),
    ("unchanged", {"batch_size": 0}, "batch_size is 0"),
    ("label_filter", {"rerank": 0.1}, "leave it out"),
    ("unchanged", {"k": 0}, "k is 0"),
    ("unchanged", {"k": -3}, "k is -3"),
    ("unchanged", {"k": 2.5}, "k is 2.5"),
    ("unchanged", {"k": True}, "k is True"),
    ("unchanged", {"k": None}, "k is None"),
    (None, {}, "method is None: expected one of random, unchanged"),
    (["best"], {}, "expected one of"),
    ("uncanny", {}, "method uncanny is none of .*: unchanged?"),
]


@pytest.mark.parametrize(("method", "settings", "message"), SETTINGS, ids=lambda value: str(value)[:40])
def test_settings(made, method, settings, message):
    with pytest.raises(ValueError, match=message) as failure:
        made.search(made.gallery[:2], "style=Rococo", method=method, **settings)
    assert "\n" not in str(failure.value)


CONDITIONS = [
    ("style=Roccoco", "did you mean Rococo"),
    ({"style": "Roccoco"}, "did you mean Rococo"),
    ({}, "says nothing"),
    ("", "says nothing"),
    ({"stile": "Rococo"}, "did you mean style"),
    (["style=Rococo"], "1 conditions for 2 queries"),
    (["style=Rococo", "genre=portrait"], "different attributes"),
    ({"style": {"Rococo": -1}}, "not a positive number"),
    ("style=Rococo:0", "not a positive number"),
    (None, "the condition None: expected a text"),
    (5, "the condition 5"),
    (b"style=Rococo", "the condition b'style"),
    ([None, None], "the condition None"),
    ({"style": Weighted("Rococo", 0)}, "not a positive number"),
    ({"style": Weighted("Rococo", NAN)}, "not a positive number"),
    ({"style": Weighted(Weighted("Rococo", 2), 3)}, "a weight within a weight"),
    ({"style": Not()}, "without a label says nothing"),
    ({"style": {"Rococo": 0}}, "not a positive number"),
]


@pytest.mark.parametrize(("condition", "message"), CONDITIONS, ids=str)
def test_conditions(made, condition, message):
    with pytest.raises(ValueError, match=message):
        made.search(made.gallery[:2], condition)


def constant(value, classes=3):
    module = nn.Linear(E, classes)
    nn.init.constant_(module.bias, value)
    return module


class Odd(nn.Module):
    """A head that gives, or raises, what it is told to."""

    def __init__(self, made):
        super().__init__()
        self.made = made

    def forward(self, z):
        if isinstance(self.made, Exception):
            raise self.made
        return self.made(z)


def spoilt_student():
    student = Student(E, [3])
    nn.init.constant_(student[0].weight, NAN)
    return student


def of_text(*names):
    """A classifier whose classes are texts."""
    images = gallery().numpy()
    return LogisticRegression().fit(images, np.array(names)[np.arange(N) % len(names)])


STYLE = ("style",)
PARTS = [
    ({"gallery": torch.zeros(0, E)}, "gallery is empty"),
    ({"gallery": torch.zeros(N)}, r"expected \(N, E\)"),
    ({"gallery": torch.zeros(N, 0)}, "rows of 0 numbers"),
    ({"gallery": torch.ones(N, E, dtype=int)}, "floating-point"),
    ({"gallery": spoiled(NAN)}, "gallery has NaN or infinite numbers in 1 rows, the first is row 7"),
    ({"gallery": spoiled(INF).numpy()}, "gallery has NaN"),
    ({"gallery": "images"}, "gallery"),
    ({"keys": ["a"]}, "1 keys for 400 images"),
    ({"heads": {}}, r"heads are of \[\]"),
    ({"heads": {"style": heads()["style"]}}, "labels of"),
    ({"heads": heads() | {"style": nn.Linear(E + 1, 3)}}, "does not take embeddings of 16 numbers"),
    ({"heads": heads() | {"style": nn.Linear(E, 4)}}, "knows 4 classes, 3 are named"),
    ({"heads": heads() | {"style": nn.Sequential(nn.Linear(E, 3), nn.Flatten(0))}}, "expected"),
    ({"heads": heads() | {"style": constant(NAN)}}, "no finite numbers"),
    ({"heads": heads() | {"style": lambda z: z}}, "expected a torch module, or a fitted linear"),
    ({"heads": heads() | {"style": Odd(lambda z: (z[:, :3],))}}, "gives tuple for 64"),
    ({"heads": heads() | {"style": Odd(lambda z: z[:, :3].long())}}, "gives torch.int64"),
    ({"heads": heads() | {"style": Odd(IndexError("far off"))}}, "does not take embeddings of 16 numbers: far off"),
    ({"heads": heads() | {"style": Odd(AssertionError())}}, "16 numbers: AssertionError"),
    ({"heads": heads() | {"style": LogisticRegression()}}, "is a LogisticRegression: expected .* fitted"),
    ({"heads": heads() | {"style": LinearRegression().fit(gallery(), range(N))}}, "is a LinearRegression"),
    (
        {"heads": heads() | {"style": of_text("Rococo", "Baroque", "Cubism")}},
        "Baroque, Cubism, Rococo: give the labels",
    ),
    ({"labels": LABELS | {"style": None}}, "different strings"),
    ({"labels": LABELS | {"style": "abc"}}, "different strings"),
    ({"labels": LABELS | {"style": [["a"], ["b"], ["c"]]}}, "different strings"),
    ({"labels": LABELS | {"style": ["a", "a", "b"]}}, "different strings"),
    ({"labels": LABELS | {"style": [1, 2, 3]}}, "different strings"),
    ({"truth": {"colour": torch.zeros(N, dtype=int)}}, "colour, which has no head: there are style, genre"),
    ({"truth": {"style": torch.zeros(3, dtype=int)}}, "3 for 400 images"),
    ({"truth": {"style": torch.full((N,), 3)}}, "3 to 3, expected -1 to 2"),
    ({"truth": {"style": torch.full((N,), -2)}}, "expected -1 to 2"),
    ({"truth": {"style": torch.zeros(N)}}, "expected whole numbers"),
    ({"truth": {"style": ["a"] * N}}, "expected whole numbers"),
    ({"truth": {"style": None}}, "expected whole numbers"),
    ({"truth": [1]}, "expected class ids by attribute, got list"),
    ({"training": gallery()}, "expected a pair"),
    ({"training": (gallery(),)}, "expected a pair"),
    ({"training": (gallery(), None)}, "expected class ids by attribute"),
    ({"training": (torch.zeros(0, E), {})}, "training is empty"),
    ({"training": (gallery(), {"style": torch.zeros(N)})}, "expected whole numbers"),
    ({"held_out": [1, 2]}, "give training= too"),
    ({"training": (torch.zeros(5, E + 1), {})}, "training has rows of 17 numbers: expected 16"),
    ({"training": (spoiled(NAN), {})}, "training has NaN"),
    ({"training": (gallery(), {"colour": truth()["style"]})}, "colour, which has no head"),
    ({"training": (gallery(), truth()), "held_out": np.array([N])}, "expected 0 to 399"),
    ({"temperatures": {"style": 0}}, "temperature"),
    ({"temperatures": {"colour": 1}}, "temperature"),
    ({"temperatures": {"style": None}}, "the temperature of style is None: expected a number above 0"),
    ({"temperatures": {"style": NAN}}, "the temperature of style is nan"),
    ({"students": {"style": Student(E, [3])}}, "the key 'style': expected a tuple of attributes"),
    ({"students": {("colour",): Student(E, [3])}}, "expected a tuple of attributes"),
    ({"students": {("genre", "style"): Student(E, [2, 3])}}, "in the order of the heads"),
    ({"students": {STYLE: nn.Linear(E, E)}}, "is a Linear: expected a Student"),
    ({"students": {STYLE: Student(E, [4])}}, r"of \(4,\) classes .*: expected \(3,\) and 19"),
    ({"students": {STYLE: Student(E + 1, [3])}}, "takes 20 numbers: expected .* 19"),
    ({"students": {STYLE: spoilt_student()}}, "no finite numbers"),
    ({"keys": 5}, "keys are a int"),
    ({"keys": "a" * N}, "keys are a str"),
    ({"shortlist": 0}, "shortlist is 0"),
    ({"device": "abacus"}, "device is 'abacus'"),
    ({"engine": 5}, "the engine is a int"),
    ({"lambda_": NAN}, "lambda_ is nan"),
]


@pytest.mark.parametrize(("part", "message"), PARTS, ids=range(len(PARTS)))
def test_parts(part, message):
    given = {"heads": heads(), "labels": LABELS, "gallery": gallery()} | part
    with pytest.raises(ValueError, match=message) as failure:
        Searcher(given.pop("heads"), given.pop("labels"), given.pop("gallery"), **given)
    assert "\n" not in str(failure.value)


def test_probabilities_in_place_of_logits_are_warned_of():
    with pytest.warns(UserWarning, match="the head of style seems to give probabilities"):
        Searcher({"style": nn.Sequential(nn.Linear(E, 3), nn.Softmax(1))}, {"style": LABELS["style"]}, gallery())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        searcher()


def test_the_warning_names_the_line_that_makes_the_searcher():
    with pytest.warns(UserWarning, match="probabilities") as warned:
        Searcher({"style": nn.Sequential(nn.Linear(E, 3), nn.Softmax(1))}, {"style": LABELS["style"]}, gallery())
    assert warned[0].filename == __file__


def test_a_head_that_fails_on_an_image_it_was_not_tried_on():
    images = gallery()
    images[:64, 0], images[100, 0] = 0, 99
    late = Odd(lambda z: torch.where(z[:, :1] > 50, NAN, z[:, :3]))
    made = Searcher({"style": late}, {"style": LABELS["style"]}, images)
    for method in ("predicted_filter", "shift_null", "concept_null"):
        with pytest.raises(ValueError, match=r"what the head of style gives has NaN .* first is row 100"):
            made.search(images[0], "style=Rococo", method=method)
    labelled = Searcher({"style": late}, {"style": LABELS["style"]}, images, truth={"style": truth()["style"]})
    with pytest.raises(ValueError, match="moved to no finite numbers"):
        labelled.search(images[100], "style=Rococo", method="class_shift")


def test_a_student_that_takes_lambda_is_given_one_above_0():
    wide = Student(E, [3], StudentConfig(lambda_range=(0.1, 2.0))).eval()
    made = searcher(students={STYLE: wide})
    near, far = (made.search(gallery()[:2], "style=Rococo", method="student", lambda_=x).moved for x in (2.0, 0.1))
    assert not torch.equal(near, far)
    with pytest.raises(ValueError, match="lambda is 0"):
        made.search(gallery()[:2], "style=Rococo", method="student", lambda_=0)
    with pytest.raises(ValueError, match="lr has no part"):
        made.search(gallery()[:2], "style=Rococo", method="student", lr=0.1)


def test_what_a_method_needs_and_is_not_there():
    blind = Searcher(heads(), LABELS, gallery())
    with pytest.raises(ValueError, match="true labels of style are not known: give truth="):
        blind.search(gallery()[0], "style=Rococo", method="label_filter")
    with pytest.raises(ValueError, match="no student of style: give one"):
        blind.search(gallery()[0], "style=Rococo", method="student")
    with pytest.raises(ValueError, match="single classes only"):
        searcher().search(gallery()[0], "style!=Rococo", method="student")
    with pytest.raises(ValueError, match="no network"):
        blind.embed(["a.jpg"])
    assert "label_filter" not in blind.methods()
    assert "student" not in blind.methods()
    with pytest.raises(ValueError, match="explain takes one"):
        blind.explain(gallery()[:2], "style=Rococo")


def test_an_engine_cannot_serve_a_filter_and_serves_the_others():
    behind = searcher(engine=Every(), shortlist=20)
    with pytest.raises(ValueError, match="use the exact engine"):
        behind.search(behind.gallery[0], "style=Rococo", method="label_filter")
    exact, found = (one.search(gallery()[:5], "style=Rococo", method="shift_null").rows for one in (searcher(), behind))
    assert torch.equal(exact, found)
    assert isinstance(behind.assembler.source.gallery, Gallery)


def test_an_unknown_argument_of_open_run_is_named(tmp_path):
    from backward_search import open_run

    roots = {"data_root": tmp_path, "weight_root": tmp_path}
    for given, message in (
        ({"bogus": 1}, "open_run has no argument bogus: .*category_type"),
        ({"num_epoch": "2"}, "num_epoch is '2': expected int"),
        ({"split": "val"}, "split is 'val'"),
        ({"engine": "faiss"}, "engine faiss is none of"),
        ({"engine": "faiss-flat", "shortlist": 0}, "shortlist is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            open_run("glyphs", **roots, **given)
    with pytest.raises(Exception, match=re.escape("run B1.BuildModel.py --dataset_name glyphs")):
        open_run("glyphs", **roots)


def test_a_classifier_of_numbers_has_its_labels_in_their_order():
    from sklearn.linear_model import LogisticRegression

    points = np.random.default_rng(0).standard_normal((90, 6))
    classifier = LogisticRegression().fit(points, points[:, :3].argmax(1))
    with pytest.raises(ValueError, match="the classes of s are 0, 1, 2: give the labels in this order"):
        Searcher({"s": classifier}, {"s": ["2", "1", "0"]}, points)
    made = Searcher({"s": classifier}, {"s": ["0", "1", "2"]}, points)
    assert (classifier.predict(made.search(points[:5], "s=2", lambda_=0.01).moved.numpy()) == 2).all()
