"""Training the model: one epoch, its evaluation, and a state from which training goes on as if never interrupted."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backward_search.datasets.images import Batch, normalise
from backward_search.datasets.registry import Preprocessing
from backward_search.model import Model, classification_loss


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained (docs/method.md, 1).

    Attributes:
        num_epoch: passes over the training split.
        lr: learning rate of Adam.
        weight_decay: its L2 penalty.
        lr_scheduler_step: epochs between two cuts of the learning rate.
        lr_scheduler_gamma: what a cut multiplies it with.
        enc_update: train the encoder; False freezes it, its BatchNorm statistics included.
        seed: of dropout, order and augmentation.
    """

    num_epoch: int
    lr: float
    weight_decay: float
    lr_scheduler_step: int
    lr_scheduler_gamma: float
    enc_update: bool
    seed: int

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        return float(self.lr * self.lr_scheduler_gamma ** (epoch // self.lr_scheduler_step))


@dataclass(frozen=True)
class EpochResult:
    """Means over the images of one pass.

    Attributes:
        loss: the mean over attributes of the cross entropy, nats.
        accuracy: by attribute, in [0, 1].
    """

    loss: float
    accuracy: dict[str, float]


class _Tally:
    """Sums that stay on the device until the pass is over, so that no step waits for them."""

    def __init__(self, attributes: Iterable[str], device: torch.device) -> None:
        self._loss = torch.zeros((), device=device, dtype=torch.float64)
        self._hits = {name: torch.zeros((), device=device, dtype=torch.int64) for name in attributes}
        self._count = 0

    def add(self, loss: Tensor, logits: dict[str, Tensor], labels: dict[str, Tensor]) -> None:
        count = len(next(iter(labels.values())))
        self._count += count
        self._loss += loss.detach() * count
        for name, hits in self._hits.items():
            hits += (logits[name].detach().argmax(1) == labels[name]).sum()

    def result(self) -> EpochResult:
        accuracy = {name: int(hits) / self._count for name, hits in self._hits.items()}
        return EpochResult(float(self._loss) / self._count, accuracy)


class Trainer:
    """A model with its optimiser."""

    def __init__(self, model: Model, config: TrainingConfig, look: Preprocessing, device: torch.device) -> None:
        """Move the model to the device and make its optimiser.

        Args:
            model: the model, trained in place.
            config: how.
            look: how its images are normalised.
            device: where.
        """
        self.model = model.to(device)
        self._config = config
        self._look = look
        self._device = device
        for parameter in model.encoder.parameters():
            parameter.requires_grad_(config.enc_update)
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.Adam(self._parameters, lr=config.lr, weight_decay=config.weight_decay)

    def train_epoch(
        self, batches: Iterable[Batch], epoch: int, on_step: Callable[[int, Tensor], object] | None = None
    ) -> EpochResult:
        """Train on the batches of one epoch, counted from 0; `on_step` is called with each step's number and loss."""
        self.model.train()
        if not self._config.enc_update:
            self.model.encoder.eval()
        torch.manual_seed(self._config.seed * 1_000_003 + epoch)  # dropout depends on nothing that came before
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.rate(epoch)
        tally = self._tally()
        for step, (images, labels) in enumerate(self._inputs(batches), 1):
            logits = self.model(images)
            loss = classification_loss(logits, labels)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            tally.add(loss, logits, labels)
            if on_step is not None:
                on_step(step, loss.detach())
        return tally.result()

    @torch.inference_mode()
    def evaluate(self, batches: Iterable[Batch]) -> EpochResult:
        """Loss and accuracy in evaluation mode."""
        self.model.eval()
        tally = self._tally()
        for images, labels in self._inputs(batches):
            logits = self.model(images)
            tally.add(classification_loss(logits, labels), logits, labels)
        return tally.result()

    def _tally(self) -> _Tally:
        return _Tally(self.model.heads.keys(), self._device)

    def _inputs(self, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        for batch in batches:
            labels = {name: batch.labels[name].to(self._device, non_blocking=True) for name in self.model.heads}
            yield normalise(batch.pixels, self._look, self._device), labels

    def state(self) -> dict[str, Tensor]:
        """Everything that the next epoch depends on, as named tensors."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for index, parameter in enumerate(self._parameters):
            for name, value in self._optimizer.state[parameter].items():
                tensors[f"optimizer.{index}.{name}"] = value
        return tensors

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `state` gave."""
        self.model.load_state_dict(_below(tensors, "model."))
        stored = self._optimizer.state_dict()
        stored["state"] = {}
        for name, value in _below(tensors, "optimizer.").items():
            index, key = name.split(".", 1)
            stored["state"].setdefault(int(index), {})[key] = value
        self._optimizer.load_state_dict(stored)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def parameter_count(module: nn.Module) -> int:
    """The number of trained numbers of a module."""
    return sum(parameter.numel() for parameter in module.parameters())
