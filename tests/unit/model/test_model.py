"""The network's heads by attribute, whatever the attributes are called."""

import torch

from backward_search.model.network import Model, ModelConfig


def test_attributes_may_have_torchs_own_words_for_names():
    names = ("type", "values", "keys", "style")
    model = Model(ModelConfig("small_cnn", 8, {name: k for k, name in enumerate(names, 2)}, 32)).eval()
    logits = model(torch.zeros(3, 3, 32, 32))
    assert {name: part.shape[1] for name, part in logits.items()} == {"type": 2, "values": 3, "keys": 4, "style": 5}
    assert torch.equal(model.head("type")(model.embed(torch.zeros(3, 3, 32, 32))), logits["type"])
