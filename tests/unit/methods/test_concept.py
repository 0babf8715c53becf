"""Class means, the subspace they span, and likeness outside it."""

import pytest
import torch

from backward_search.methods.concept import ClassMeans, Likeness


def drawn(count=400, size=12, classes=(3, 4)):
    torch.manual_seed(1)
    ids = {name: torch.randint(k, (count,)) for name, k in zip(("style", "genre"), classes, strict=True)}
    axes = torch.linalg.qr(torch.randn(size, size)).Q
    embeddings = 0.1 * torch.randn(count, size)
    for place, name in enumerate(ids):
        codes = torch.randn(classes[place], 2)
        embeddings += codes[ids[name]] @ axes[2 * place : 2 * place + 2]
    return embeddings, ids, dict(zip(ids, classes, strict=True)), axes


def test_means_are_those_of_a_plain_loop():
    embeddings, ids, classes, _ = drawn()
    means = ClassMeans.of(embeddings, ids, classes | {"genre": 6})
    for k in range(4):
        expected = embeddings[ids["genre"] == k].mean(0) - embeddings.mean(0)
        torch.testing.assert_close(means.centred["genre"][k], expected)
    assert not means.centred["genre"][4:].any()  # classes without an image


def test_the_subspace_holds_the_classes_and_nothing_else():
    embeddings, ids, classes, axes = drawn(40_000)
    means = ClassMeans.of(embeddings, ids, classes)
    style = means.subspace(["style"])
    torch.testing.assert_close(style.T @ style, torch.eye(style.shape[1]), atol=1e-5, rtol=0)
    assert (style.T @ axes[:2].T).norm() == pytest.approx(2**0.5, abs=0.02)
    assert (style.T @ axes[2:4].T).norm() < 0.1
    assert means.subspace(["style", "genre"]).shape[1] == 4


def test_at_most_half_of_the_dimensions_are_taken():
    embeddings, _, _, _ = drawn()
    many = {"all": torch.arange(400) % 40}
    assert ClassMeans.of(embeddings, many, {"all": 40}).subspace(["all"]).shape == (12, 6)


def test_likeness_does_not_see_the_conditioned_attribute():
    embeddings, ids, classes, _ = drawn()
    means = ClassMeans.of(embeddings, ids, classes)
    basis = means.subspace(["style"])
    other = embeddings + torch.randn(400, basis.shape[1]) @ basis.T
    whole = slice(0, len(embeddings))
    liken = [Likeness(images, means, ["style"]) for images in (embeddings, other)]
    found, moved = (likeness.of(embeddings[:7]).block(whole) for likeness in liken)
    torch.testing.assert_close(found, moved, atol=1e-4, rtol=0)
    outside = torch.eye(12) - basis @ basis.T
    a, b = outside @ (embeddings[3] - means.mean), outside @ (embeddings[9] - means.mean)
    assert found[3, 9] == pytest.approx(float(torch.cosine_similarity(a, b, dim=0)), abs=1e-5)
    assert found.argmax(1).tolist() == list(range(7))
