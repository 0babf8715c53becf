"""Several processes on one task, as torchrun starts them: each takes a share of every batch, the first one writes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from backward_search.errors import OptionError


@dataclass(frozen=True)
class Group:
    """The processes that work together; a single one unless torchrun started more.

    Attributes:
        rank: this process, from 0.
        size: their number.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def share(self, rows: np.ndarray) -> np.ndarray:
        """This process's part of the rows of a batch: together the parts are the batch, each row once."""
        return rows[self.rank :: self.size]

    def add_up(self, values: Tensor) -> Tensor:
        """Replace values, in place, by their sum over the processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def gather(self, values: Tensor, total: int) -> Tensor | None:
        """Put the parts of a batch together in the order of its rows.

        Args:
            values: what this process made of its share, (b, ...).
            total: rows of the whole batch.

        Returns:
            (total, ...) in the leading process, None in the others.
        """
        if self.size == 1:
            return values
        width = -(-total // self.size)
        padded = values.new_zeros((width, *values.shape[1:]))
        padded[: len(values)] = values
        parts = [torch.empty_like(padded) for _ in range(self.size)] if self.leads else None
        dist.gather(padded, parts)
        return torch.stack(parts, dim=1).flatten(0, 1)[:total] if parts is not None else None

    def tell(self, value: int) -> int:
        """The leading process's value, in every process."""
        told = [value]
        if self.size > 1:
            dist.broadcast_object_list(told)
        return told[0]

    def wait(self) -> None:
        """Wait until every process has come here."""
        if self.size > 1:
            dist.barrier()

    @contextmanager
    def one_after_the_first(self) -> Iterator[None]:
        """Let the leading process go first, for what only one may do, such as a download."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()

    def parallel(self, module: nn.Module, device: torch.device) -> nn.Module:
        """A module whose gradients are averaged over the processes."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, device_ids=[device.index] if device.type == "cuda" else None)

    @torch.no_grad()
    def average_statistics(self, module: nn.Module) -> None:
        """Give every process the mean of the running statistics of BatchNorm."""
        for values in module.buffers() if self.size > 1 else ():
            if values.is_floating_point():
                self.add_up(values).div_(self.size)


ALONE = Group()


@contextmanager
def working_together(device: torch.device) -> Iterator[Group]:
    """Join the processes that torchrun started.

    Args:
        device: where this process computes; it decides between NCCL and Gloo.

    Yields:
        The group; a single process is a group of one.

    Raises:
        OptionError: this PyTorch cannot.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    if not dist.is_available():
        raise OptionError("this build of PyTorch knows no torch.distributed: run the script without torchrun")
    dist.init_process_group(backend)
    try:
        yield Group(dist.get_rank(), size)
        dist.barrier()
    finally:
        dist.destroy_process_group()
