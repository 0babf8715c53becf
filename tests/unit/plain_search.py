"""The search as a plain loop under autograd with torch's Adam, written from the description, for many queries at once.

The queries' losses are summed, so that none influences another; each row's stopping rule is run in Python.
"""

import torch
from torch import Tensor, nn


def plain_searches(
    heads, z0: Tensor, targets: Tensor, lambdas: Tensor, early_stopping: bool = True, max_itr: int = 100
):
    z = z0.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=0.2)
    count = len(z0)
    best, failures, steps = [float("inf")] * count, [0] * count, [0] * count
    kept = z0.clone()
    for _ in range(max_itr):
        adam.zero_grad()
        terms = [nn.functional.cross_entropy(head(z), targets[:, a], reduction="none") for a, head in enumerate(heads)]
        losses = torch.stack(terms).mean(0) + lambdas * (z - z0).abs().mean(1)
        losses.sum().backward()
        adam.step()
        for row, loss in enumerate(losses.tolist()):
            if early_stopping and failures[row] > 10:
                continue
            steps[row] += 1
            if not early_stopping or loss <= best[row]:
                best[row], failures[row] = loss, 0
                kept[row] = z.detach()[row]
            else:
                failures[row] += 1
    return kept, torch.tensor(steps)
