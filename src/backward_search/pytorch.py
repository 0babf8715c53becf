"""What PyTorch has to be told to be quick: streams beside the usual one, and optimisers without its compiler."""

import inspect
from functools import cache

import torch


@cache
def stream_aside(device: torch.device, purpose: str) -> torch.cuda.Stream:
    """A stream of a GPU beside the one in use, the same for the same purpose: libraries keep memory for each.

    Args:
        device: a GPU.
        purpose: what goes over it.
    """
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _without_compiler(kind: type[torch.optim.Adam]) -> type[torch.optim.Adam]:
    """An optimiser that does not import `torch._dynamo` when it is first used, only to tell it to leave it alone."""
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), plain | {"step": torch.no_grad()(inspect.unwrap(kind.step))})


Adam, AdamW = _without_compiler(torch.optim.Adam), _without_compiler(torch.optim.AdamW)
"""PyTorch's, but for the seconds that the import of its compiler takes."""
