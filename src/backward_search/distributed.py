"""Several processes on one task, as torchrun starts them: each takes a share of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from backward_search.errors import OptionError, PartnerError

Value = TypeVar("Value")


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
        """Whether this is the process that does what only one may do."""
        return self.rank == 0

    def share(self, rows: np.ndarray) -> np.ndarray:
        """This process's part of some rows: together the parts are all of them, each once."""
        return rows[self.rank :: self.size]

    def add_up(self, values: Tensor) -> Tensor:
        """Replace values, in place, by their sum over the processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def tell(self, value: Value) -> Value:
        """The leading process's value, in every process.

        Raises:
            PartnerError: another process has ended.
        """
        told = [value]
        if self.size > 1:
            with _partners():
                dist.broadcast_object_list(told)
        return told[0]

    def collect(self, value: Value) -> list[Value]:
        """The values of all processes, in every process.

        Raises:
            PartnerError: another process has ended.
        """
        values = [value] * self.size
        if self.size > 1:
            with _partners():
                dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Wait until every process has come here.

        Raises:
            PartnerError: another process has ended.
        """
        if self.size > 1:
            with _partners():
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
def _partners() -> Iterator[None]:
    """Say in one line that another process has ended, which a wait for it notices at once (Gloo) or in time (NCCL)."""
    try:
        yield
    except RuntimeError as error:
        first = str(error).splitlines()[0].split(". ")[0]
        raise PartnerError(f"another process has ended, and its own message says why ({first})") from None


@contextmanager
def working_together(device: torch.device, patience: timedelta | None = None) -> Iterator[Group]:
    """Join the processes that torchrun started.

    Args:
        device: where they exchange tensors; it decides between NCCL and Gloo.
        patience: how long one waits for another that has more to do (default: PyTorch's, 10 or 30 minutes).

    Yields:
        The group; a single process is a group of one.

    Raises:
        OptionError: this PyTorch cannot.
        PartnerError: another process has ended before its work was done.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    if not dist.is_available():
        raise OptionError("this build of PyTorch knows no torch.distributed: run the script without torchrun")
    dist.init_process_group(backend, timeout=patience)
    group = Group(dist.get_rank(), size)
    try:
        yield group
        group.wait()
    finally:
        dist.destroy_process_group()
