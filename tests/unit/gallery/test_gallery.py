"""Retrieval by cosine similarity."""

import numpy as np
import pytest
import torch

from backward_search.errors import DataError, OptionError
from backward_search.gallery.memory import ExactEngine, Gallery, ranked
from backward_search.gallery.vectors import Vectors


def test_hits_are_those_of_brute_force():
    torch.manual_seed(0)
    images, queries = torch.randn(50, 8), torch.randn(6, 8)
    hits = Gallery(images).search(queries, 10)
    for row, query in enumerate(queries):
        similarity = torch.stack([torch.cosine_similarity(query, image, dim=0) for image in images])
        assert hits.rows[row].tolist() == similarity.argsort(descending=True)[:10].tolist()


def test_equal_similarities_stand_in_gallery_order():
    image = torch.tensor([[1.0, 2.0]])
    assert Gallery(image.repeat(7, 1)).search(image, 4).rows.tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize(("count", "values", "k"), [(40, 3, 10), (400, 30, 10), (12, 100, 12), (1, 1, 1)])
def test_ties_anywhere_are_ranked_as_a_stable_sort_ranks_them(count, values, k):
    torch.manual_seed(count)
    scores = torch.randint(values, (50, count)).float()
    expected = scores.sort(dim=1, descending=True, stable=True)
    hits = ranked(scores, k)
    assert torch.equal(hits.rows, expected.indices[:, :k])
    assert torch.equal(hits.similarity, expected.values[:, :k])


def crowded(count: int) -> torch.Tensor:
    """Images of which many are equal and many nearly so."""
    torch.manual_seed(0)
    kinds = torch.randn(9, 32)
    near = kinds[torch.randint(9, (count,))] * (1 + torch.rand(count, 1))
    return near + 1e-8 * torch.randn(count, 1).round()


@pytest.mark.parametrize("block_rows", [1, 7, 64, 1000])
def test_neither_hits_nor_scores_depend_on_the_block(block_rows):
    images, queries = crowded(1000), torch.randn(5, 32)
    products = (images.double()[None] * torch.nn.functional.normalize(queries.double(), dim=1)[:, None]).sum(dim=2)
    similarity = (products / images.double().norm(dim=1)).float()
    expected = similarity.sort(dim=1, descending=True, stable=True)
    hits = Gallery(images, ExactEngine(1000, block_rows=block_rows)).search(queries, 20)
    assert torch.equal(hits.rows, expected.indices[:, :20])
    assert torch.equal(hits.similarity, expected.values[:, :20])


def test_rows_that_are_not_allowed_are_never_hits():
    images = torch.randn(60, 8)
    allowed = torch.arange(60) % 3 != 0
    hits = Gallery(images, ExactEngine(60, allowed, block_rows=7)).search(images, 40)
    assert (hits.rows % 3 != 0).all()
    with pytest.raises(OptionError, match="fewer than 41"):
        Gallery(images, ExactEngine(60, allowed)).search(images, 41)


class Guess:
    """An engine that proposes fixed rows, with a gap."""

    def shortlist(self, scorer, count):
        return torch.tensor([[5, 1, -1, 3]]).repeat(len(scorer.guide), 1)


def test_what_an_engine_proposes_is_ranked_by_the_exact_score():
    images, queries = torch.randn(8, 4), torch.randn(3, 4)
    hits = Gallery(images, Guess()).search(queries, 3)
    whole = Gallery(images).search(queries, 8)
    for row in range(3):
        kept = [place for place, hit in enumerate(whole.rows[row].tolist()) if hit in (1, 3, 5)]
        assert hits.rows[row].tolist() == whole.rows[row, kept].tolist()
        assert torch.equal(hits.similarity[row], whole.similarity[row, kept])


def test_shards_are_one_matrix(tmp_path):
    whole = torch.randn(23, 4)
    files = [tmp_path / f"{start}.npy" for start in (0, 10, 11)]
    for file, part in zip(files, whole.split([10, 1, 12]), strict=True):
        np.save(file, part.numpy())
    vectors = Vectors.open(files)
    assert (len(vectors), vectors.size) == (23, 4)
    assert all(torch.equal(vectors.block(slice(i, j)), whole[i:j]) for i in range(23) for j in range(i, 24))
    rows = torch.randint(23, (5, 6))
    assert torch.equal(vectors.take(rows), whole[rows])
    assert torch.equal(Gallery(vectors).search(whole, 5).rows, Gallery(whole).search(whole, 5).rows)


def test_a_damaged_shard_is_named(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"a\.npy is damaged"):
        Vectors.open([tmp_path / "a.npy"])
    np.save(tmp_path / "b.npy", np.zeros((3, 2)))
    with pytest.raises(DataError, match="float64"):
        Vectors.open([tmp_path / "b.npy"])
