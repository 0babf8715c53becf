"""The copy in 8 bits: its bounds hold, and what it rules out changes no hit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from backward_search.errors import OptionError
from backward_search.gallery import coarse, memory, vectors
from backward_search.gallery.coarse import HALF, Coarse, bytes_of, is_right
from backward_search.gallery.memory import ExactEngine, Gallery
from backward_search.gallery.vectors import Vectors

SIZES = (1, 3, 8, 17, 32, 100)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Copies of small galleries, too, from the first query on."""
    monkeypatch.setattr(vectors, "COARSE_FROM", 1)
    monkeypatch.setattr(vectors, "COARSE_AFTER", 0)
    monkeypatch.setattr(vectors, "has_kernel", lambda: True)


@st.composite
def galleries(draw):
    """Images (N, E) of which many are equal or nearly so, zero, of one number alone, or of an extreme length."""
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    size, count = draw(st.sampled_from(SIZES)), draw(st.integers(1, 60))
    kinds = rng.normal(size=(draw(st.integers(1, 6)), size))
    kinds = np.concatenate([kinds, np.zeros((1, size)), np.eye(size)[:1], -np.eye(size)[-1:] + 1e-3])
    rows = kinds[rng.integers(len(kinds), size=count)]
    rows = rows + draw(st.sampled_from([0, 1e-7, 1e-4, 0.1])) * rng.normal(size=rows.shape)
    lengths = rng.choice(draw(st.sampled_from([[1.0], [1.0, 1e-6, 1e6], [1e-20, 1e-13, 1e-12, 1, 1e25]])), (count, 1))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    return torch.from_numpy(rows * lengths).to(dtype)


def asked(images: torch.Tensor, seed: int) -> torch.Tensor:
    """Queries, of which one is an image and one zero."""
    rng = np.random.default_rng(seed)
    drawn = torch.from_numpy(rng.normal(size=(2, images.shape[1]))).to(images.dtype)
    return torch.cat([drawn, images[-1:], torch.zeros_like(images[:1])])


def plain_scores(images: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """Cosines in double precision, rounded to single, (B, N)."""
    exact = normalize(queries.double(), dim=1)
    products = (images.double()[None] * exact[:, None]).sum(dim=2)
    return (products / torch.linalg.vector_norm(images.double(), dim=1).clamp(min=1e-12)).float()


def assert_bounded(images: torch.Tensor, queries: torch.Tensor) -> None:
    """All true cosines lie where they may."""
    made = Coarse.of(images.split(7), *images.shape)
    rough, true = made.cosines(normalize(queries.double(), dim=1)), plain_scores(images, queries).double()
    scores = rough.scores.double()
    most = HALF * scores.abs() + torch.from_numpy(rough.fixed)[:, None]
    most += torch.from_numpy(rough.length)[:, None] * torch.from_numpy(rough.lost)
    assert ((scores - true).abs() <= most).all()
    for query, own in enumerate(true):
        for bar in (*own.tolist(), 0.0, -1.0, 2.0):
            left = rough.reaching(query, bar)
            assert set((own >= bar).nonzero().flatten().tolist()) <= set(left.tolist())
            assert sorted(set(left.tolist())) == left.tolist()


@given(galleries(), st.integers(0, 99))
def test_true_cosines_lie_within_the_bounds(images, seed):
    assert_bounded(images, asked(images, seed))


@pytest.mark.parametrize("size", [256, 768])
def test_bounds_hold_and_are_tight_for_embeddings_as_large_as_usual(size):
    torch.manual_seed(0)
    images = torch.randn(500, size)
    images[:100, 0] += 300  # one number holds nearly all of the length
    assert_bounded(images, asked(images, 0))
    rough = Coarse.of([images], *images.shape).cosines(normalize(images[400:401].double(), dim=1))
    assert rough.lost[100:].max() < 0.012
    assert rough.fixed[0] < 0.003
    assert len(rough.reaching(0, 0.99)) == 1


@settings(deadline=None)
@given(galleries(), st.integers(1, 12), st.sampled_from([None, 0.5, 0.1]), st.integers(0, 99))
def test_hits_are_those_of_plain_sorting(images, k, share, seed):
    queries, k = asked(images, seed), min(k, len(images))
    allowed = torch.rand(len(images), generator=torch.Generator().manual_seed(seed)) < (share or 1)
    scores = plain_scores(images, queries).masked_fill(~allowed, -torch.inf)
    searched = Gallery(Vectors([images]), ExactEngine(len(images), None if share is None else allowed))
    for some in (slice(0, 1), slice(1, 4), slice(0, 4)):
        if int(allowed.sum()) < k:
            with pytest.raises(OptionError, match="fewer than"):
                searched.search(queries[some], k)
            continue
        expected = scores[some].sort(dim=1, descending=True, stable=True)
        hits = searched.search(queries[some], k)
        assert torch.equal(hits.rows, expected.indices[:, :k])
        assert torch.equal(hits.similarity, expected.values[:, :k])
    assert searched.vectors._coarse is not None


def alike(count: int, spread: float) -> torch.Tensor:
    """Images close to one another, in groups of five that are the same."""
    torch.manual_seed(0)
    return (torch.randn(1, 64) + spread * torch.randn(count // 5, 64)).repeat_interleave(5, 0)


@pytest.mark.parametrize("spread", [0.0, 1e-9, 1e-3, 0.03, 1.0])
def test_hits_of_images_close_to_one_another_are_those_of_plain_sorting(monkeypatch, spread):
    monkeypatch.setattr(memory, "COARSE_HITS", 300)
    images = alike(3000, spread)
    queries = images[[1000]] + 0.1 * torch.randn(1, 64)
    expected = plain_scores(images, queries).sort(dim=1, descending=True, stable=True)
    hits = Gallery(images).search(queries, 23)
    assert torch.equal(hits.rows, expected.indices[:, :23])
    assert torch.equal(hits.similarity, expected.values[:, :23])


def test_nearly_all_rows_are_ruled_out():
    torch.manual_seed(0)
    images = torch.randn(20000, 256)
    gallery = Gallery(images)
    rows = gallery.engine.shortlist(memory.CosineScorer(images[:1], gallery.vectors), 10)
    assert 10 <= rows.shape[1] < 60


def test_a_copy_is_made_only_where_it_pays(monkeypatch):
    monkeypatch.setattr(vectors, "COARSE_AFTER", 2)
    kept = Vectors([torch.randn(50, 16)])
    assert bytes_of(50, 16) == 50 * 38
    assert [kept.coarse(10**6) is None for _ in range(4)] == [True, True, False, False]
    assert kept.coarse(10**6) is kept.coarse(10**6)
    too_large = Vectors([torch.randn(50, 16)])
    assert all(too_large.coarse(50 * 38 - 1) is None for _ in range(5))
    many = Gallery(torch.randn(50, 16))
    for _ in range(5):
        many.search(torch.randn(memory.COARSE_QUERIES + 1, 16), 3)
    assert many.vectors._coarse is None
    monkeypatch.setattr(vectors, "COARSE_FROM", 51)
    assert all(Vectors([torch.randn(50, 16)]).coarse(10**6) is None for _ in range(5))


def test_a_copy_for_which_there_is_no_kernel_is_tried_once(monkeypatch):
    tried = []
    monkeypatch.setattr(vectors, "has_kernel", lambda: bool(tried.append(0)))
    kept = Vectors([torch.randn(50, 16)])
    assert all(kept.coarse(10**6) is None for _ in range(5))
    assert len(tried) == 1


@pytest.mark.parametrize("wrong", [False, True])
def test_a_kernel_that_is_missing_or_wrong_is_not_used(monkeypatch, wrong):
    images = torch.randn(2000, 64)
    made = Coarse.of([images], *images.shape)
    assert is_right(made, images)

    def kernel(queries, codes, scales):
        if not wrong:
            raise NotImplementedError
        return queries.new_zeros(len(queries), len(codes)) + scales * 40

    monkeypatch.setattr(torch, "_weight_int8pack_mm", kernel)
    assert not is_right(made, images)


def test_what_is_split_for_the_kernel_is_one_matrix(monkeypatch):
    images = torch.randn(1000, 40)
    made, query = Coarse.of([images], *images.shape), normalize(torch.randn(1, 40).double(), dim=1)
    whole = made.cosines(query).scores
    monkeypatch.setattr(coarse, "NUMBERS", 64 * 128)
    assert torch.equal(made.cosines(query).scores, whole)
