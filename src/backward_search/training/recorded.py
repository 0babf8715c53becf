"""A training step recorded as a CUDA graph: a small network's step is a single launch then, in place of hundreds."""

import logging
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from backward_search.pytorch import stream_aside

LOG = logging.getLogger(__name__)
WARM = 3
"""Steps that are made one kernel at a time before, in which libraries set themselves up."""
SMALL = 2 * 2**30
"""Bytes of the GPU that a step takes at most to be recorded: a larger one is no shorter for it, and would take them
twice."""

Learn = Callable[[Tensor, dict[str, Tensor]], None]
"""A step on inputs (B, ...) and class ids (B,) by attribute, all on the GPU; it looks at no value."""


class RecordedStep:
    """A step for batches of one shape; others are learnt from kernel by kernel."""

    def __init__(self, learn: Learn, device: torch.device) -> None:
        """Record nothing yet.

        Args:
            learn: the step.
            device: a GPU.
        """
        self._learn, self._device = learn, device
        self._aside = stream_aside(device, "training")
        self._made: dict[torch.Size, int] = {}
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs = torch.empty(0)
        self._labels: dict[str, Tensor] = {}
        self._may = True

    def __call__(self, inputs: Tensor, labels: Mapping[str, Tensor]) -> None:
        """Learn from a batch."""
        if self._graph is not None and inputs.shape == self._inputs.shape:
            self._load(inputs, labels)
            self._graph.replay()
            return
        made = self._made[inputs.shape] = self._made.get(inputs.shape, 0) + 1
        if self._graph is None and self._may and made > WARM and self._record(inputs, labels):
            self(inputs, labels)
            return
        here = torch.cuda.current_stream(self._device)
        self._aside.wait_stream(here)
        with torch.cuda.stream(self._aside):
            self._learn(inputs, dict(labels))
        here.wait_stream(self._aside)

    def _load(self, inputs: Tensor, labels: Mapping[str, Tensor]) -> None:
        self._inputs.copy_(inputs)
        for name, ids in labels.items():
            self._labels[name].copy_(ids)

    def _record(self, inputs: Tensor, labels: Mapping[str, Tensor]) -> bool:
        """Record a step for such batches, without making it; whether that went well."""
        self._may = False
        if torch.cuda.max_memory_allocated(self._device) > SMALL:
            return False
        self._inputs = inputs.clone()
        self._labels = {name: ids.clone() for name, ids in labels.items()}
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._aside, capture_error_mode="thread_local"):
                self._learn(self._inputs, self._labels)
        except RuntimeError as error:  # an encoder of others that looks at a value
            LOG.debug("the step could not be recorded: %s", error)
            return False
        self._graph = graph
        return True
