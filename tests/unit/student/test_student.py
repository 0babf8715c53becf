"""The student learns the teacher's answers."""

import pytest
import torch
from extras import needs
from made_heads import CLASSES, E, trained_heads

from backward_search.solvers import adam
from backward_search.solvers.adam import Adam, backward_search
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.manifold import Manifold, covariance, manifold_search
from backward_search.solvers.protocol import GivenGround
from backward_search.student import distillation
from backward_search.student.distillation import DistillConfig, Distiller
from backward_search.student.network import Student, StudentConfig
from backward_search.student.onnx_export import export_student

CONFIG = Adam(0.5, max_itr=20)


def setting(count: int):
    torch.manual_seed(0)
    heads = FrozenHeads.of([head.float() for head in trained_heads()[:2]], torch.device("cpu"))
    return heads, torch.tanh(torch.randn(count, E)), Student(E, CLASSES[:2])


def learn(student, heads, embeddings, epochs, batch_size=32, loss="mse"):
    distiller = Distiller(student, GivenGround(heads), embeddings, CONFIG, DistillConfig(epochs, batch_size, loss=loss))
    return [distiller.train_epoch(epoch) for epoch in range(epochs)]


def test_its_loss_is_the_squared_error_to_the_teacher_and_falls():
    heads, embeddings, student = setting(200)
    losses = learn(student, heads, embeddings, 150)
    assert losses[-1] < losses[0] * 0.6
    targets = torch.stack([torch.randint(k, (200,)) for k in CLASSES[:2]], dim=1)
    answers = backward_search(heads, embeddings, targets, CONFIG).embeddings
    error = (student.move(embeddings, targets) - answers).square().mean()
    unmoved = (embeddings - answers).square().mean()
    assert error < unmoved * 0.8


def test_the_absolute_error_is_a_loss_too():
    heads, embeddings, _ = setting(64)
    answers = torch.full_like(embeddings, 0.5)
    losses = []
    for loss in ("mse", "l1"):
        student = Student(E, CLASSES[:2])
        student[-2].weight.data.zero_()
        student[-2].bias.data.zero_()
        distiller = Distiller(student, GivenGround(heads), embeddings, CONFIG, DistillConfig(1, 64, loss=loss))
        distiller._teacher.answers = lambda *_: answers
        losses.append(distiller.train_epoch(0))  # a student that answers 0, before its first step
    assert losses == pytest.approx([0.25, 0.5])


def test_a_residual_student_adds_its_output_to_the_query():
    _, embeddings, _ = setting(3)
    student = Student(E, CLASSES[:2], StudentConfig(output="residual")).eval()
    student[-1].weight.data.zero_()
    student[-1].bias.data.fill_(0.25)
    targets = torch.tensor([[0, 2], [4, 1], [2, 0]])
    assert torch.equal(student.move(embeddings, targets), embeddings + 0.25)


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


def test_a_resumed_training_ends_with_the_same_bits():
    heads, embeddings, whole = setting(100)
    learn(whole, heads, embeddings, 6)
    _, _, student = setting(100)
    first = Distiller(student, GivenGround(heads), embeddings, CONFIG, DistillConfig(6, 32))
    for epoch in range(3):
        first.train_epoch(epoch)
    state = {name: value.clone() for name, value in first.state().items()}
    other = Student(E, CLASSES[:2])
    second = Distiller(other, GivenGround(heads), embeddings, CONFIG, DistillConfig(6, 32))
    second.restore(state, 3)
    for epoch in range(3, 6):
        second.train_epoch(epoch)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in whole.state_dict().items())


def test_the_teacher_searches_a_pair_once(monkeypatch):
    heads, embeddings, student = setting(50)
    searched = []

    def counted(heads, queries, *rest, **more):
        searched.append(len(queries))
        return backward_search(heads, queries, *rest, **more)

    monkeypatch.setattr(adam, "backward_search", counted)
    remembered = learn(student, heads, embeddings, 40)
    assert sum(searched) <= 50 * CLASSES[0] * CLASSES[1]
    searched.clear()
    monkeypatch.setattr(distillation, "MOST_KEPT", 0)
    assert learn(setting(50)[2], heads, embeddings, 40) == pytest.approx(remembered, abs=1e-4)
    assert sum(searched) == 50 * 40


def test_a_student_of_a_range_of_lambdas_moves_less_under_a_larger_one():
    heads, embeddings, _ = setting(150)
    torch.manual_seed(1)
    student = Student(E, CLASSES[:2], StudentConfig(64, 1, "linear", (0.05, 20.0)))
    losses = learn(student, heads, embeddings, 60)
    assert losses[-1] < losses[0] * 0.6
    targets = torch.stack([torch.randint(k, (150,)) for k in CLASSES[:2]], dim=1)
    way = [
        (student.move(embeddings, targets, torch.full((150,), value)) - embeddings).abs().mean().item()
        for value in (0.05, 20.0)
    ]
    assert way[1] < way[0] * 0.8
    with pytest.raises(ValueError, match="takes lambda"):
        student.move(embeddings, targets)


@pytest.mark.parametrize("output", ["tanh", "residual"])
def test_the_onnx_file_answers_as_the_student(tmp_path, output):
    needs("onnx")
    runtime = needs("onnx", "onnxruntime")
    student = Student(E, CLASSES[:2], StudentConfig(hidden=32, depth=3, output=output)).eval()
    file = export_student(student, tmp_path / "student.onnx")
    inputs = torch.rand(5, E + 8)
    (moved,) = runtime.InferenceSession(str(file)).run(None, {"input": inputs.numpy()})
    assert torch.allclose(torch.from_numpy(moved), student(inputs), atol=1e-5)


def test_the_student_of_a_manifold_teacher_comes_near_it():
    heads, embeddings, _ = setting(150)
    torch.manual_seed(1)
    student = Student(E, CLASSES[:2], StudentConfig(64, 1, "linear"))
    config = Manifold(0.6)
    ground = GivenGround(heads, covariance(embeddings))
    distiller = Distiller(student, ground, embeddings, config, DistillConfig(40, 32))
    losses = [distiller.train_epoch(epoch) for epoch in range(40)]
    targets = torch.stack([torch.randint(k, (150,)) for k in CLASSES[:2]], dim=1)
    answers = manifold_search(heads, embeddings, targets, covariance(embeddings), config).embeddings
    moved = student.move(embeddings, targets)
    assert losses[-1] < losses[0] * 0.6
    assert (moved - answers).square().mean() < (embeddings - answers).square().mean()
