"""Run B1, kill it with SIGKILL at the moments given, run it again, and so on to its end; a script for a test.

    python killed_training.py PROJECT 5,9,14 --dataset_name ... (options of B1)

A moment is a number of events since the start of the process: a step of training, the start and the end of a move of a
finished file to its place. Each attempt is a child process of its own; this one has imported everything and computed
nothing.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

import matplotlib.figure  # noqa: F401  imported once here, not by every attempt

if __name__ == "__main__":
    sys.path.insert(0, str(Path(sys.argv[1]) / "src"))

from backward_search.cli import TrainOptions, parse
from backward_search.stages.train import train
from backward_search.training.trainer import Trainer

with contextlib.suppress(ImportError):
    import torch.utils.tensorboard  # noqa: F401

real_step, real_replace = Trainer._train_on, Path.replace
left = 0


def event() -> None:
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def step(self, batch):
    real_step(self, batch)
    event()


def replace(self, target):
    event()
    real_replace(self, target)
    event()


def attempt(moment: int) -> int:
    """Train in a child process and return how it ended."""
    global left
    left = moment
    child = os.fork()
    if child == 0:
        train(parse(TrainOptions, None, sys.argv[3:]))
        os._exit(0)
    return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    Trainer._train_on, Path.replace = step, replace
    for moment in map(int, sys.argv[2].split(",")):
        status = attempt(moment)
        assert os.WIFSIGNALED(status), f"not killed at {moment}: ended with {status}"
        assert os.WTERMSIG(status) == signal.SIGKILL
    assert attempt(0) == 0
