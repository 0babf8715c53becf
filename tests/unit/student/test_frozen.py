"""A frozen student moves queries as the student does, a single one by numpy."""

import pytest
import torch
from made_heads import CLASSES, E

from backward_search.student import frozen as module
from backward_search.student.frozen import FrozenStudent
from backward_search.student.network import Student, StudentConfig

SHAPES = [
    StudentConfig(),
    StudentConfig(32, 1, "linear", (0.1, 10.0)),
    StudentConfig(16, 3, "residual"),
    StudentConfig(output="residual", lambda_range=(0.5, 2.0)),
]


def setting(config: StudentConfig):
    """A student whose BatchNorms have seen something, with queries, targets and lambdas."""
    torch.manual_seed(0)
    student = Student(E, CLASSES[:2], config)
    for _ in range(3):
        student(torch.randn(40, student[0].in_features) * 3)
    for layer in student:
        if isinstance(layer, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(layer.weight)
            torch.nn.init.normal_(layer.bias)
    targets = torch.stack([torch.randint(k, (50,)) for k in CLASSES[:2]], dim=1)
    lambdas = torch.linspace(0.2, 5, 50) if config.lambda_range else None
    return student.eval(), torch.tanh(torch.randn(50, E)), targets, lambdas


@pytest.mark.parametrize("config", SHAPES)
def test_one_by_one_or_together_they_go_where_the_student_moves_them(config):
    student, queries, targets, lambdas = setting(config)
    expected = student.move(queries, targets, lambdas)
    ours = FrozenStudent(student)
    assert torch.equal(ours.move(queries, targets, lambdas), expected)
    parts = [
        ours.move(queries[i : i + 1], targets[i : i + 1], None if lambdas is None else lambdas[i : i + 1])
        for i in range(50)
    ]
    assert (torch.cat(parts) - expected).abs().max() < 1e-5
    assert all(part.dtype == torch.float32 for part in parts)


def test_numpy_moves_single_queries_and_no_others(monkeypatch):
    student, queries, targets, _ = setting(StudentConfig())
    moved = []
    made = module._Single.__call__
    monkeypatch.setattr(module._Single, "__call__", lambda *given: moved.append(1) or made(*given))
    ours = FrozenStudent(student)
    ours.move(queries[:2], targets[:2])
    FrozenStudent(student.double()).move(queries[:1].double(), targets[:1])
    assert not moved
    ours.move(queries[:1], targets[:1])
    assert moved


def test_the_query_itself_is_left_alone():
    student, queries, targets, _ = setting(StudentConfig(output="residual"))
    before = queries.clone()
    FrozenStudent(student).move(queries[:1], targets[:1]).zero_()
    assert torch.equal(queries, before)


def test_a_student_of_a_range_refuses_to_go_without_lambda():
    student, queries, targets, _ = setting(StudentConfig(lambda_range=(0.5, 2.0)))
    with pytest.raises(ValueError, match="takes lambda"):
        FrozenStudent(student).move(queries[:1], targets[:1])
