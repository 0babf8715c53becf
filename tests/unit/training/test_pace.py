import pytest
import torch

from backward_search.model.network import Model, ModelConfig
from backward_search.training.pace import seconds_per_image


@pytest.mark.parametrize("trained", [True, False])
def test_the_time_of_an_image_is_measured_and_no_weight_changes(trained):
    model = Model(ModelConfig("small_cnn", 8, {"shade": 3}, 16))
    before = {name: value.clone() for name, value in model.named_parameters()}
    assert 0 < seconds_per_image(model, 64, torch.device("cpu"), trained=trained) < 10
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
