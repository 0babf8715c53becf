"""The library on one's own heads and embeddings, and on a gallery without labels."""

import dataclasses
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from backward_search import Searcher
from backward_search.errors import OptionError
from backward_search.gallery.memory import Gallery
from backward_search.solvers.adam import Adam, backward_search
from backward_search.storage.paths import PROJECT


class Every:
    """An engine that proposes every image."""

    def shortlist(self, scorer, count):
        return torch.arange(len(scorer)).expand(len(scorer.guide), -1)


LABELS = {"style": ["Baroque", "Rococo", "Cubism"], "genre": ["portrait", "landscape"]}


@pytest.fixture(scope="module")
def searcher():
    torch.manual_seed(0)
    heads = {
        name: nn.Sequential(nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, len(k))).eval() for name, k in LABELS.items()
    }
    return Searcher(heads, LABELS, torch.randn(400, 16), [f"image{i}" for i in range(400)])


def test_the_teacher_through_a_plain_module_is_the_search_itself(searcher):
    found = searcher.search(searcher.gallery[:3], "style=Rococo", lambda_=0.5, k=5)
    expected = backward_search([searcher.heads["style"]], searcher.gallery[:3], torch.ones(3, 1, dtype=int), Adam(0.5))
    torch.testing.assert_close(found.moved, expected.embeddings)
    similarity = torch.cosine_similarity(found.moved[:, None], searcher.gallery[None], dim=2)
    assert torch.equal(found.rows, similarity.argsort(dim=1, descending=True)[:, :5])
    assert found.keys[1][0] == f"image{int(found.rows[1, 0])}"
    assert (found.steps > 0).all()


@pytest.mark.parametrize(
    "method", ["unchanged", "class_shift", "class_mean", "predicted_filter", "concept_null", "best"]
)
def test_every_method_works_without_labels(searcher, method):
    found = searcher.search(searcher.gallery[0], "style!=Rococo; genre=portrait", method=method)
    assert found.rows.shape == (1, 10)
    if method != "unchanged":
        predicted = {name: head(searcher.gallery).argmax(1) for name, head in searcher.heads.items()}
        meets = (predicted["style"] != 1) & (predicted["genre"] == 0)
        assert meets[found.rows[0]].float().mean() > meets.float().mean()


def test_what_cannot_be_meant_is_refused(searcher):
    with pytest.raises(OptionError, match="did you mean Rococo"):
        searcher.search(searcher.gallery[0], "style=Roccoco")
    with pytest.raises(OptionError, match="method student"):
        searcher.search(searcher.gallery[0], "style=Rococo", method="student")
    with pytest.raises(ValueError, match="3 classes, 2 are named"):
        Searcher({"style": searcher.heads["style"]}, {"style": ["a", "b"]}, searcher.gallery)
    behind = dataclasses.replace(searcher, index=Gallery(searcher.gallery, Every(), 20))
    with pytest.raises(OptionError, match="engine='exact'"):
        behind.search(searcher.gallery[0], "style=Rococo", method="label_filter")
    with pytest.raises(ValueError, match="no network"):
        searcher.embed(["a.jpg"])


def test_importing_the_package_is_light():
    code = "import time; t = time.perf_counter(); import backward_search, sys; print('torch' in sys.modules)"
    start = time.perf_counter()
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT / "src", check=True)
    assert said.stdout.strip() == "False"
    assert time.perf_counter() - start < 5  # the limit is for a busy machine; idle it is some 0.02 s
