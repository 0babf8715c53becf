"""A network in evaluation mode as fewer layers: each BatchNorm inside the linear layer that follows it."""

from torch import Tensor, nn


def folded(network: nn.Sequential) -> list[tuple[Tensor, Tensor]]:
    """The linear layers of a network that normalises between them: weights (out, in) and biases (out,), in float64.

    Between two of the layers stands one BatchNorm, after whatever is done number by number.
    """
    linear = [module for module in network if isinstance(module, nn.Linear)]
    norms = [module for module in network if isinstance(module, nn.BatchNorm1d)]
    layers = [(linear[0].weight.detach().double(), linear[0].bias.detach().double())]
    for layer, norm in zip(linear[1:], norms, strict=True):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.detach().double() - norm.running_mean.double() * scale
        weight = layer.weight.detach().double()
        layers.append((weight * scale, layer.bias.detach().double() + weight @ shift))
    return layers
