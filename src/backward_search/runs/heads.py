"""The heads of a run as the search takes them; the encoder, which it has no use for, is not built."""

from collections.abc import Sequence

import torch
from torch import Tensor

from backward_search.errors import DataError
from backward_search.model.network import CosineHead, Head, head_key, new_head
from backward_search.runs.run import Run
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.manifold import covariance
from backward_search.solvers.modules import ModuleHeads
from backward_search.solvers.protocol import GivenGround, Heads, Solver


def frozen_heads(run: Run, names: Sequence[str], device: torch.device, *, calibrated: bool = False) -> Heads:
    """The heads of some attributes, divided by their temperatures if asked for.

    Raises:
        DataError: the weights do not hold them.
    """
    tensors = run.load_weights()
    known = run.temperatures() if calibrated else {}
    heads = [_head(run, name, tensors) for name in names]
    temperatures = [known.get(name, 1.0) for name in names]
    trained = [head for head in heads if isinstance(head, Head)]
    if len(trained) == len(heads):
        return FrozenHeads.of(trained, device, temperatures=temperatures)
    most = max(run.model.classes[name] for name in names)
    return ModuleHeads(tuple(head.to(device) for head in heads), most, tuple(temperatures))


def ground_of(run: Run, names: Sequence[str], solver: Solver, embeddings: Tensor) -> GivenGround:
    """What a solver asks for, of a run and its training embeddings (N, E)."""
    device = embeddings.device
    spread = covariance(embeddings) if solver.needs_training else None
    heads, calibrated = (frozen_heads(run, names, device, calibrated=each) for each in (False, True))
    return GivenGround(heads, spread, calibrated)


def _head(run: Run, name: str, tensors: dict[str, Tensor]) -> Head | CosineHead:
    head, prefix = new_head(run.model, name), f"heads.{head_key(name)}."
    own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    try:
        head.load_state_dict(own)
    except RuntimeError:
        raise DataError(
            f"{run.paths.weights} does not hold the head of {name}: run B1.BuildModel.py and --overwrite True"
        ) from None
    return head.eval()
