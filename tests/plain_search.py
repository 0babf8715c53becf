"""The search as a plain loop under autograd with torch's Adam, written from the description, for many queries at once.

The queries' losses are summed, so that none influences another; each row's stopping rule is run in Python.
"""

import math

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


def plain_descent(loss_of, z0: Tensor, config):
    """One query (1, E) down a loss of points (1, E) -> (1,), by the settings of `Adam`: the kept point, the steps."""
    z = z0.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=config.lr)
    best, failures, kept = float("inf"), 0, z0[0]
    for step in range(1, config.max_itr + 1):
        adam.zero_grad()
        loss = loss_of(z).sum() + config.lambda_ * (z - z0).abs().mean()
        loss.backward()
        adam.step()
        if not config.early_stopping or loss.item() <= best:
            best, failures, kept = loss.item(), 0, z.detach()[0].clone()
        else:
            failures += 1
        if failures > 10:
            return kept, step
    return kept, config.max_itr


def plain_manifold_search(heads, z0: Tensor, targets: Tensor, spread: Tensor, probability: float, max_itr: int = 50):
    """One query (E,) of the manifold solver, targets (A,): the kept point, the evaluations, whether it arrived."""
    z, best, kept = z0.clone(), float("inf"), z0
    for step in range(1, max_itr + 1):
        point = z.clone().requires_grad_()
        terms = [
            nn.functional.cross_entropy(head(point[None]), k[None]) for head, k in zip(heads, targets, strict=True)
        ]
        loss = torch.stack(terms).mean()
        (gradient,) = torch.autograd.grad(loss, point)
        if loss <= -math.log(probability):
            return z, step, True
        if loss < best:
            best, kept = loss.item(), z
        direction = spread @ gradient
        slope = (gradient @ direction).sqrt()  # of the loss along the step
        z = z - min(0.4, 2 * loss.item() / float(slope)) * direction / slope
    return kept, max_itr, False
