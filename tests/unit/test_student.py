"""The student learns the teacher's answers."""

import pytest
import torch
from test_search import CLASSES, E, trained_heads

from backward_search.heads import FrozenHeads
from backward_search.search import SearchConfig, backward_search
from backward_search.student import Student, distill

CONFIG = SearchConfig(0.5, max_itr=20)


def setting(count: int):
    torch.manual_seed(0)
    heads = FrozenHeads.of([head.float() for head in trained_heads()[:2]], torch.device("cpu"))
    return heads, torch.tanh(torch.randn(count, E)), Student(E, CLASSES[:2])


def learn(student, heads, embeddings, epochs, batch_size=32):
    losses = []
    distill(
        student,
        heads,
        embeddings,
        CONFIG,
        epochs=epochs,
        batch_size=batch_size,
        reg=0.0,
        seed=0,
        on_epoch=lambda _, loss: losses.append(loss),
    )
    return losses


def test_its_loss_is_the_squared_error_to_the_teacher_and_falls():
    heads, embeddings, student = setting(200)
    losses = learn(student, heads, embeddings, 150)
    assert losses[-1] < losses[0] * 0.6
    targets = torch.stack([torch.randint(k, (200,)) for k in CLASSES[:2]], dim=1)
    answers = backward_search(heads, embeddings, targets, CONFIG).embeddings
    error = (student.move(embeddings, targets) - answers).square().mean()
    unmoved = (embeddings - answers).square().mean()
    assert error < unmoved * 0.8


@pytest.mark.parametrize(("count", "size"), [(33, 32), (2, 512), (65, 32)])
def test_a_rest_of_one_row_is_learnt_too(count, size):
    heads, embeddings, student = setting(count)
    (loss,) = learn(student, heads, embeddings, 1, size)
    assert loss > 0


def test_conditions_enter_as_one_hot_vectors_in_order():
    _, embeddings, student = setting(3)
    targets = torch.tensor([[0, 2], [4, 1], [2, 0]])
    inputs = torch.zeros(3, E + 8)
    inputs[:, :E] = embeddings
    for row, (first, second) in enumerate(targets.tolist()):
        inputs[row, E + first] = inputs[row, E + 5 + second] = 1
    assert torch.equal(student.eval().move(embeddings, targets), student(inputs))
