"""What a program cannot mean is one line that says what is wrong; nothing is dropped without a word."""

import re
import warnings

import numpy as np
import pytest
import torch
from made import LABELS, E, N, gallery, heads, searcher, truth
from torch import nn

from backward_search import Adam, Searcher
from backward_search.gallery.memory import Gallery

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
]


@pytest.mark.parametrize(("queries", "message"), QUERIES, ids=range(len(QUERIES)))
def test_queries(made, queries, message):
    for method in ("unchanged", "teacher", "best"):
        with pytest.raises(ValueError, match=message):
            made.search(queries, "style=Rococo", method=method)


SETTINGS = [
    ("teacher", {"lambda_": NAN}, "lambda is nan"),
    ("teacher", {"lambda_": -1}, "lambda is -1"),
    ("teacher", {"lambda_": [0.1, NAN]}, "lambda_"),
    ("teacher", {"lambda_": [0.1, 0.2, 0.3]}, "for each of 2 queries"),
    ("teacher", {"lambda_": "much"}, "lambda_ is 'much'"),
    ("teacher", {"lr": 0}, "learning rate"),
    ("teacher", {"lr": "x"}, "settings are numbers"),
    ("teacher", {"max_itr": 0}, "max_itr"),
    ("teacher", {"solver": "newton"}, "solver newton is none of adam, manifold"),
    ("teacher", {"solver": 3}, "expected a name or a solver"),
    ("teacher", {"solver": Adam(1.0), "lambda_": 2}, "lambda_ stands beside a solver that has it"),
    ("teacher", {"solver": "manifold", "target_probability": 1.5}, "target_probability is 1.5"),
    ("teacher", {"solver": "manifold", "lambda_": 0.5}, "lambda_ has no part in teacher"),
    ("teacher", {"target_probability": 0.5}, "target_probability has no part in teacher"),
    ("teacher", {"strength": 1}, "strength has no part in teacher"),
    ("teacher", {"weight": 0.2}, "weight has no part in teacher, whose settings are solver, lambda_"),
    ("best", {"lambda_": 1}, "lambda_ has no part in best, whose settings are strength, shift"),
    ("best", {"solver": "adam"}, "solver has no part in best"),
    ("best", {"strength": -0.1}, "strength is -0.1"),
    ("best", {"strength": "much"}, "strength is 'much'"),
    ("best", {"strength": NAN}, "strength is nan"),
    ("best", {"shift": INF}, "shift is inf"),
    ("best", {"shift": -1}, "shift is -1"),
    ("best", {"shift": "auto"}, "shift is 'auto'"),
    ("best", {"strength": 1, "aim": "precision=0.5"}, "leave one of them out"),
    ("best", {"aim": "recall=1"}, "neither precision=S nor context=S"),
    ("best", {"aim": "context=2"}, "between 0 and 1"),
    ("concept_null", {"aim": "context=0.5"}, "leave one of them out"),
    ("unchanged", {"strength": 1}, "strength has no part in unchanged, whose settings are rerank"),
    ("unchanged", {"rerank": -1}, "rerank is -1"),
    ("unchanged", {"rerank": True}, "rerank is True"),
    ("unchanged", {"seed": -1}, "seed is -1"),
    ("unchanged", {"batch_size": 0}, "batch_size is 0"),
    ("label_filter", {"rerank": 0.1}, "leave it out"),
    ("unchanged", {"k": 0}, "k is 0"),
    ("unchanged", {"k": -3}, "k is -3"),
    ("unchanged", {"k": 2.5}, "k is 2.5"),
    ("unchanged", {"k": True}, "k is True"),
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
]


@pytest.mark.parametrize(("condition", "message"), CONDITIONS, ids=str)
def test_conditions(made, condition, message):
    with pytest.raises(ValueError, match=message):
        made.search(made.gallery[:2], condition)


def constant(value, classes=3):
    module = nn.Linear(E, classes)
    nn.init.constant_(module.bias, value)
    return module


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
    ({"labels": LABELS | {"style": ["a", "a", "b"]}}, "different strings"),
    ({"labels": LABELS | {"style": [1, 2, 3]}}, "different strings"),
    ({"truth": {"colour": torch.zeros(N, dtype=int)}}, "colour, which has no head: there are style, genre"),
    ({"truth": {"style": torch.zeros(3, dtype=int)}}, "3 for 400 images"),
    ({"truth": {"style": torch.full((N,), 3)}}, "3 to 3, expected -1 to 2"),
    ({"truth": {"style": torch.full((N,), -2)}}, "expected -1 to 2"),
    ({"truth": {"style": torch.zeros(N)}}, "expected whole numbers"),
    ({"training": (torch.zeros(5, E + 1), {})}, "training has rows of 17 numbers: expected 16"),
    ({"training": (spoiled(NAN), {})}, "training has NaN"),
    ({"training": (gallery(), {"colour": truth()["style"]})}, "colour, which has no head"),
    ({"training": (gallery(), truth()), "held_out": np.array([N])}, "expected 0 to 399"),
    ({"temperatures": {"style": 0}}, "temperature"),
    ({"temperatures": {"colour": 1}}, "temperature"),
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
    exact, found = (one.search(gallery()[:5], "style=Rococo", method="best").rows for one in (searcher(), behind))
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
