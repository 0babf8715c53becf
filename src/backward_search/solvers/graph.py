"""One step of the search recorded as a CUDA graph: replaying it is a single launch, however many kernels it has."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def captured(step: Callable[..., Tensor], objective: Any, walk: Any, config: Any) -> Callable[..., Tensor]:
    """Record a step on tensors that stay where they are.

    The step runs a few times before it is recorded, so that libraries set themselves up; then the walk's tensors get
    their first values back. The shares of a step, numbers that change, become tensors, set without a wait.

    Args:
        step: called with objective, walk, configuration and the two shares; changes the walk in place.
        objective: recorded with the step.
        walk: a dataclass of CUDA tensors.
        config: of the search.

    Returns:
        A function of the same arguments that replays the step; its result is overwritten by the next replay.
    """
    shares = [torch.ones((), device=walk.z.device, dtype=walk.z.dtype) for _ in range(2)]
    before = {name: value.clone() for name, value in vars(walk).items()}
    stream = torch.cuda.Stream(walk.z.device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(walk.z.device))
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(objective, walk, config, *shares)
    torch.cuda.current_stream(walk.z.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step(objective, walk, config, *shares)
    for name, value in before.items():
        getattr(walk, name).copy_(value)

    def replay(_objective: Any, _walk: Any, _config: Any, share1: float, share2: float) -> Tensor:
        shares[0].fill_(share1)
        shares[1].fill_(share2)
        graph.replay()
        return loss

    return replay
