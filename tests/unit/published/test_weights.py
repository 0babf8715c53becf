"""The published state dicts under our names, also where the features already have the embedding's size."""

import published_files as published
import pytest
import torch

from backward_search.errors import DataError
from backward_search.model.network import Model, ModelConfig
from backward_search.published.weights import model_state, student_state
from backward_search.student.network import Student

CLASSES = {name: len(known) for name, known in published.LABELS.items()}


@pytest.mark.parametrize("keeps_unused", [True, False])
def test_without_linear_layers(keeps_unused, tmp_path) -> None:
    """The published network still has the layers that it does not use then."""
    theirs = published.used(published.PublishedModel(size=128), 0)
    images = torch.rand(2, 3, 32, 32)
    wanted = theirs.encode(images).detach()
    if not keeps_unused:
        del theirs.enc_linear_1, theirs.enc_linear_2, theirs.enc_batchnorm_2
    ours = Model(ModelConfig("small_cnn", 128, CLASSES, 32)).eval()
    ours.load_state_dict(model_state(published.write_weights(tmp_path / "model_30.pth", theirs), ours))
    assert torch.equal(ours.embed(images), wanted)


@pytest.mark.parametrize(
    ("size", "message"), [(32, "of another shape .projection.0.weight"), (128, "not expected|of another shape")]
)
def test_another_size_of_the_embedding(size, message, tmp_path) -> None:
    file = published.write_weights(tmp_path / "model_30.pth", published.PublishedModel())
    with pytest.raises(DataError, match=message):
        model_state(file, Model(ModelConfig("small_cnn", size, CLASSES, 32)))


def test_another_encoder(tmp_path) -> None:
    file = published.write_weights(tmp_path / "model_30.pth", published.PublishedModel())
    with pytest.raises(DataError, match=r"tensors missing \(encoder.conv1.weight\).*not expected \(encoder.0.weight\)"):
        model_state(file, Model(ModelConfig("resnet18", published.SIZE, CLASSES, 32)))


def test_weights_are_no_student(tmp_path) -> None:
    file = published.write_student(tmp_path / "student.pth", published.PublishedModel())
    with pytest.raises(DataError, match="does not fit"):
        student_state(file, Student(published.SIZE, [3]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_damaged(value, tmp_path) -> None:
    network = published.PublishedStudent(3)
    with torch.no_grad():
        network.fc3.bias[2] = value
    file = published.write_student(tmp_path / "student.pth", network)
    with pytest.raises(DataError, match=r"student\.pth is damaged: 1 tensors hold .* \(6\.bias\): get it again"):
        student_state(file, Student(published.SIZE, [3]))
