"""The history of a training: loss and accuracy of every epoch, as table, figure and TensorBoard record."""

import importlib
import importlib.util
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backward_search.storage.atomic import write_sheet
from backward_search.training.trainer import EpochResult

LOG = logging.getLogger(__name__)


@dataclass
class History:
    """Loss and accuracy of the epochs so far.

    Attributes:
        attributes: the trained attributes.
        rows: per epoch the loss in training and test, then the accuracy of each attribute in training, then in test.
    """

    attributes: Sequence[str]
    rows: list[list[float]] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """What the numbers of a row are."""
        return [
            "train_loss",
            "test_loss",
            *(f"{split}_accuracy_{name}" for split in ("train", "test") for name in self.attributes),
        ]

    def add(self, trained: EpochResult, tested: EpochResult) -> None:
        """Append an epoch."""
        accuracies = [result.accuracy[name] for result in (trained, tested) for name in self.attributes]
        self.rows.append([trained.loss, tested.loss, *accuracies])

    def test_accuracy(self, epoch: int) -> dict[str, float]:
        """The accuracy of each attribute on the test split after an epoch, counted from 1."""
        return dict(zip(self.attributes, self.rows[epoch - 1][-len(self.attributes) :], strict=True))

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, of the best mean test accuracy; the first of equals.

        >>> History(["style"], [[1.0, 1.0, 0.5, 0.4], [0.9, 1.0, 0.6, 0.7], [0.8, 1.0, 0.7, 0.7]]).best_epoch
        2
        """
        return 1 + max(range(len(self.rows)), key=lambda row: (sum(self.rows[row][-len(self.attributes) :]), -row))

    def summary(self) -> dict[str, Any]:
        """Epochs, best epoch, and the test accuracy of each attribute after the last and the best."""
        last, best = len(self.rows), self.best_epoch
        return {
            "epochs": last,
            "best_epoch": best,
            "test_accuracy": self.test_accuracy(last),
            "best_test_accuracy": self.test_accuracy(best),
        }

    def write(self, path: Path) -> Path:
        """Write the table."""
        return write_sheet(path, ["epoch", *self.columns], [[epoch, *row] for epoch, row in enumerate(self.rows, 1)])


class TensorBoard:
    """TensorBoard's record of a training; nothing where it is not installed."""

    def __init__(self, folder: Path, *, on: bool = True) -> None:
        """Open the record, where it is wanted."""
        self._writer: Any = None
        if not on or importlib.util.find_spec("tensorboard") is None:
            return
        module = importlib.import_module("torch.utils.tensorboard")
        self._writer = module.SummaryWriter(folder)
        LOG.info("recording for TensorBoard in %s", folder)

    def add(self, history: History) -> None:
        """Record the last epoch of a history."""
        if self._writer is not None:
            for name, value in zip(history.columns, history.rows[-1], strict=True):
                self._writer.add_scalar(name.replace("_", "/", 1), value, len(history.rows))
            self._writer.flush()
