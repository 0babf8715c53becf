"""Rankings of any scores and galleries of any images against plain sorting, ties in the order of their rows."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backward_search.errors import OptionError
from backward_search.gallery.memory import ExactEngine, Gallery, best_of, ranked, recall
from backward_search.gallery.vectors import Vectors

NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, -3.0, float("inf"), -float("inf"))
SCORES = st.tuples(st.integers(1, 3), st.integers(1, 12)).flatmap(
    lambda shape: st.lists(
        st.lists(st.sampled_from(NUMBERS) | st.floats(-2, 2, width=32), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    ).map(torch.tensor)
)


def plainly(scores: list[float], k: int) -> list[int]:
    return sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:k]


@given(SCORES, st.integers(1, 14), st.integers(1, 13))
def test_the_best_are_those_of_a_plain_sort_however_they_are_scored(scores, k, size):
    total = scores.shape[1]
    for hits in (ranked(scores, k), best_of(lambda rows: scores[:, rows], total, k, size)):
        for row, own in enumerate(scores.tolist()):
            assert hits.rows[row].tolist() == plainly(own, k)
            assert hits.similarity[row].tolist() == [own[place] for place in plainly(own, k)]


@st.composite
def images(draw, width: int = 4):
    """Embeddings, some of them equal, zero or of an extreme length, in parts of which some are empty."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    kinds = rng.normal(size=(draw(st.integers(1, 5)), width))
    kinds = np.concatenate([kinds, np.zeros((1, width)), np.eye(width)[:1]])
    count = draw(st.integers(1, 30))
    lengths = rng.choice([1.0, 1.0, 2.0, 1e-6, 1e6], size=(count, 1))
    whole = torch.from_numpy((kinds[rng.integers(len(kinds), size=count)] * lengths).astype(np.float32))
    cuts = sorted(draw(st.lists(st.integers(0, count), max_size=3)))
    return whole, Vectors(list(torch.tensor_split(whole, cuts)))


@given(images(), st.data())
def test_parts_are_one_matrix(made, data):
    whole, vectors = made
    assert len(vectors) == len(whole)
    assert torch.equal(vectors.whole(), whole)
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    assert torch.equal(vectors.block(slice(start, stop)), whole[start:stop])
    lengths = torch.linalg.vector_norm(whole[start:stop], dim=1)
    assert torch.equal(vectors.lengths(slice(start, stop)), lengths.clamp(min=1e-12))
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8)), dtype=torch.int64)
    assert torch.equal(vectors.take(rows), whole[rows])
    assert torch.equal(vectors.take(rows[None]), whole[rows][None])


def cosines(queries: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """In double precision, one by one; 0 with a vector of zeros."""
    exact = [[torch.cosine_similarity(q, x, dim=0, eps=1e-12) for x in images.double()] for q in queries.double()]
    return torch.tensor(exact)


@given(images(), st.integers(1, 12), st.integers(1, 9), st.booleans(), st.integers(0, 99))
def test_hits_are_those_of_cosines_taken_one_by_one(made, k, block, masked, seed):
    whole, vectors = made
    generator = torch.Generator().manual_seed(seed)
    queries = torch.cat([torch.randn(2, 4, generator=generator), whole[:1], torch.zeros(1, 4)])
    allowed = torch.rand(len(whole), generator=generator) < 0.7 if masked else torch.ones(len(whole), dtype=torch.bool)
    gallery = Gallery(vectors, ExactEngine(len(whole), allowed if masked else None, block))
    k, exact = min(k, len(whole)), cosines(queries, whole)
    if int(allowed.sum()) < k:
        with pytest.raises(OptionError, match="fewer than"):
            gallery.search(queries, k)
        return
    hits = gallery.search(queries, k)
    plain = exact.masked_fill(~allowed, -torch.inf)
    assert torch.allclose(hits.similarity.double(), plain.sort(dim=1, descending=True).values[:, :k], atol=1e-6)
    for own, scores, row in zip(hits.rows, hits.similarity, plain, strict=True):
        assert len(set(own.tolist())) == k
        assert torch.allclose(row[own], scores.double(), atol=1e-6)
        best = list(zip((-scores).tolist(), own.tolist(), strict=True))
        assert best == sorted(best)  # equal scores in the order of their rows
    one_by_one = [gallery.search(query[None], k) for query in queries]
    assert torch.equal(torch.cat([each.rows for each in one_by_one]), hits.rows)
    assert recall(hits.rows, hits.rows) == 1
