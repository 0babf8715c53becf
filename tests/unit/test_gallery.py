"""Retrieval by cosine similarity."""

import torch

from backward_search.gallery import Gallery


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
