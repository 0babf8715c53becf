"""Retrieval by cosine similarity."""

import pytest
import torch

from backward_search.gallery import Gallery, ranked


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
