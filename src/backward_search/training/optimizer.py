"""The optimiser of a recipe: which parameters it moves, at which share of the rate, and with which decay."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from backward_search.model.network import Model
from backward_search.pytorch import Adam, AdamW
from backward_search.training.recipe import Recipe


def make_optimizer(
    model: Model,
    recipe: Recipe,
    *,
    lr: float,
    weight_decay: float,
    encoder_rate: float,
    beside: nn.Module | None = None,
) -> torch.optim.Adam:
    """The recipe's optimiser over the parameters that are trained.

    Args:
        model: its frozen parameters have `requires_grad` False.
        recipe: which optimiser.
        lr: peak learning rate.
        weight_decay: see `Recipe`.
        encoder_rate: what the rate is multiplied with for the encoder.
        beside: what is trained with the model and is no part of it; it needs a decoupled recipe.

    Returns:
        Adam over one group, or AdamW over up to eight; each group's `scale` is its share of the rate.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        return Adam([{"params": [], "scale": 1.0}], lr=lr)
    if not recipe.decoupled:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        groups = [{"params": trained, "scale": 1.0}]
        return _recordable(Adam(groups, lr=lr, weight_decay=weight_decay, fused=trained[0].is_cuda or None))
    parts: list[tuple[nn.Module, float]] = [(model.encoder, encoder_rate), (model.projection, 1.0), (model.heads, 1.0)]
    parts += [(beside, 1.0)] if beside is not None else []
    groups = [group for part, scale in parts for group in _groups(part.parameters(), scale, weight_decay)]
    return _recordable(AdamW(groups, lr=lr, fused=True))


def _recordable(optimizer: torch.optim.Adam) -> torch.optim.Adam:
    """Let a GPU record its steps: rates that change are tensors there."""
    for group in optimizer.param_groups:
        if group["params"][0].is_cuda:
            group["capturable"] = True
            group["lr"] = torch.tensor(float(group["lr"]), device=group["params"][0].device)
    return optimizer


def _groups(parameters: Iterable[nn.Parameter], scale: float, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels with decay, biases and norms without."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    kinds = (weight_decay, [p for p in trained if p.ndim > 1]), (0.0, [p for p in trained if p.ndim <= 1])
    return [{"params": some, "scale": scale, "weight_decay": decay} for decay, some in kinds if some]
