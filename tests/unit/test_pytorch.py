"""PyTorch as we start it."""

import subprocess
import sys

import torch

from backward_search.pytorch import Adam

PROGRAM = """
import sys, torch
from backward_search.pytorch import Adam, AdamW
parameter = torch.nn.Parameter(torch.ones(3))
for kind in (Adam, AdamW):
    optimizer = kind([parameter], lr=0.1)
    optimizer.zero_grad(set_to_none=True)
    (parameter * parameter).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
assert parameter.max() < 0.9
assert "torch._dynamo" not in sys.modules
network = torch.compile(torch.nn.Linear(3, 3), backend="eager")  # its own way is still open
network(torch.ones(1, 3)).sum().backward()
assert "torch._dynamo" in sys.modules
"""


def test_optimisers_work_without_the_compiler():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_they_step_like_pytorchs():
    results = []
    for kind in (Adam, torch.optim.Adam):
        parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
        optimizer = kind([{"params": [parameter], "lr": 0.05}], weight_decay=0.1)
        for _ in range(5):
            optimizer.zero_grad(set_to_none=True)
            (parameter**2).sum().backward()
            optimizer.step()
        assert not parameter.grad.requires_grad
        results.append((parameter.detach(), optimizer.state_dict()))
    assert torch.equal(results[0][0], results[1][0])
    assert str(results[0][1]) == str(results[1][1])
