"""Training the model: one epoch, its evaluation, and a state from which training goes on as if never interrupted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from backward_search.data.registry import Preprocessing
from backward_search.distributed import ALONE, Group
from backward_search.images.fitting import moved, normalise
from backward_search.images.loading import Batch
from backward_search.model.network import Model, classification_loss
from backward_search.training.features import AfterEncoder
from backward_search.training.keeping import Kept, WithTokens
from backward_search.training.optimizer import make_optimizer
from backward_search.training.recipe import RECIPES, cosine
from backward_search.training.recorded import RecordedStep


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained (docs/method.md, 1).

    Attributes:
        num_epoch: passes over the training split.
        lr: peak learning rate of projection and heads.
        weight_decay: L2 penalty of Adam, decay of AdamW.
        lr_scheduler_step: epochs between two cuts of the learning rate, where the recipe makes cuts.
        lr_scheduler_gamma: what a cut multiplies it with.
        enc_update: train the encoder; False freezes it, its BatchNorm statistics included.
        seed: of dropout, order and augmentation.
        recipe: a name of `RECIPES`.
        encoder_rate: what the rate is multiplied with for the encoder.
        checkpoint_step: dropout is seeded anew after so many steps, so that training can go on from there.
    """

    num_epoch: int
    lr: float
    weight_decay: float
    lr_scheduler_step: int
    lr_scheduler_gamma: float
    enc_update: bool
    seed: int
    recipe: str = "paper"
    encoder_rate: float = 1.0
    checkpoint_step: int = 1000

    def rate(self, epoch: int, share: float = 0.0) -> float:
        """The learning rate in an epoch, counted from 0, of which `share` is over."""
        warmup = RECIPES[self.recipe].warmup
        if warmup is None:
            return float(self.lr * self.lr_scheduler_gamma ** (epoch // self.lr_scheduler_step))
        return self.lr * cosine((epoch + share) / self.num_epoch, warmup)


@dataclass(frozen=True)
class EpochResult:
    """Means over the images of one pass.

    Attributes:
        loss: the mean over attributes of the cross entropy, nats.
        accuracy: by attribute, in [0, 1].
        confusion: by attribute how many images of each class are given each class, (K, K), as `recognition.confusion`
            has it; of an evaluation alone.
    """

    loss: float
    accuracy: dict[str, float]
    confusion: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)


class Loader(Protocol):
    """Where batches come from; `ImageLoader` is one."""

    @property
    def steps(self) -> int:
        """Batches in an epoch."""

    def epoch(self, epoch: int = 0, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, but for the first `skip`."""


class Tally:
    """Sums that stay on the device until they are asked for, so that no step waits for them."""

    def __init__(self, attributes: Iterable[str], device: torch.device) -> None:
        """Start at zero."""
        self._names = list(attributes)
        self.sums = torch.zeros(2 + len(self._names), device=device, dtype=torch.float64)

    def add(self, loss: Tensor, logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> None:
        """Count a batch: its mean loss, and what its logits (B, K) say of the class ids (B,)."""
        hits = [(logits[name].detach().argmax(1) == labels[name]).sum() for name in self._names]
        count = len(next(iter(labels.values())))
        self.sums[0] += count
        self.sums[1] += loss.detach() * count
        self.sums[2:] += torch.stack(hits)

    def gather(self, group: Group) -> None:
        """Move the sums of all processes to the leading one, and leave none in the others."""
        group.add_up(self.sums)
        if not group.leads:
            self.sums.zero_()

    def result(self) -> EpochResult:
        """The means so far."""
        count, loss, *hits = self.sums.tolist()
        return EpochResult(loss / count, {name: n / count for name, n in zip(self._names, hits, strict=True)})


class Confusion:
    """How many images of each class are given each class, counted on the device: no batch waits for it."""

    def __init__(self, classes: Mapping[str, int], device: torch.device) -> None:
        """Start at zero."""
        self._counts = {name: torch.zeros(k * k, device=device, dtype=torch.int64) for name, k in classes.items()}
        self._classes = classes

    def add(self, logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> None:
        """Count a batch: what its logits (B, K) say of the class ids (B,)."""
        for name, counts in self._counts.items():
            cells = labels[name] * self._classes[name] + logits[name].argmax(1)
            counts.scatter_add_(0, cells, torch.ones_like(cells))  # bincount would wait for the largest cell

    def gathered(self, group: Group) -> dict[str, np.ndarray]:
        """By attribute the counts of all processes, (K, K)."""
        return {
            name: group.add_up(counts).view(self._classes[name], -1).cpu().numpy()
            for name, counts in self._counts.items()
        }


class Trainer:
    """A model with its optimiser, somewhere in its training.

    Attributes:
        model: the model.
        epoch: the epoch under way, from 0.
        step: the steps of it that are done.
        tally: loss and accuracy of these steps.
    """

    def __init__(
        self,
        model: Model,
        config: TrainingConfig,
        look: Preprocessing,
        device: torch.device,
        *,
        group: Group = ALONE,
        compiled: bool = False,
        on_features: bool = False,
        kept: Kept | None = None,
    ) -> None:
        """Move the model to the device and make its optimiser.

        Args:
            model: the model, trained in place.
            config: how.
            look: how its images are normalised.
            device: where.
            group: the processes that train it together.
            compiled: let torch.compile make the network faster.
            on_features: its batches hold what the frozen encoder has made of the images (`features.FeatureLoader`).
            kept: what the embedding is asked for beside the classes.
        """
        for parameter in model.encoder.parameters():
            parameter.requires_grad_(config.enc_update)
        if device.type == "cuda" and group.size > 1:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        layout = torch.channels_last if device.type == "cuda" else torch.preserve_format
        self.model: Model = model.to(device, memory_format=layout)  # type: ignore[call-overload]
        self._recipe = RECIPES[config.recipe]
        self._config, self._look, self._device, self._group = config, look, device, group
        self._on_features, self._kept = on_features, kept
        self._network: nn.Module = AfterEncoder(self.model) if on_features else self.model
        trained = self._network
        self._tokens: nn.Linear | None = None
        if kept is not None:
            beside = WithTokens(self.model, kept.targets.shape[1], on_features=on_features).to(device)
            trained, self._tokens = beside, beside.head
        self._optimizer = make_optimizer(
            self.model,
            self._recipe,
            lr=config.lr,
            weight_decay=config.weight_decay,
            encoder_rate=config.encoder_rate,
            beside=self._tokens,
        )
        if compiled:
            whole = trained is self._network
            trained = cast(nn.Module, torch.compile(trained))
            self._network = trained if whole else cast(nn.Module, torch.compile(self._network))
        self._parallel = group.parallel(trained, device) if self.learns else trained
        self.epoch, self.step, self.tally = 0, 0, self._new_tally()
        alone = group.size == 1 and kept is None and not compiled
        self._recorded = RecordedStep(self._learn, device) if device.type == "cuda" and alone else None

    @property
    def learns(self) -> bool:
        """Whether there is anything to train: heads that are told by vectors on features that stay have nothing."""
        return any(parameter.requires_grad for parameter in self.model.parameters())

    def train_epoch(self, loader: Loader, on_step: Callable[[], object] | None = None) -> EpochResult:
        """Train to the end of the epoch; `on_step` is called after each step."""
        self.model.train()
        if not self._config.enc_update:
            self.model.encoder.eval()
        for batch in loader.epoch(self.epoch, self.step):
            if self.step % self._config.checkpoint_step == 0:
                torch.manual_seed(dropout_seed(self._config.seed, self.epoch, self.step, self._group.rank))
            self._set_rate(self.step / loader.steps)
            self._train_on(batch)
            self.step += 1
            if on_step is not None:
                on_step()
        self.tally.gather(self._group)
        self._group.average_statistics(self.model)
        result = self.tally.result() if self._group.leads else EpochResult(0.0, {})
        self.epoch, self.step = self.epoch + 1, 0
        self.tally.sums.zero_()  # in place: a recorded step adds to them
        return result

    def _train_on(self, batch: Batch) -> None:
        inputs, labels = self._moved(batch)
        if self._recorded is not None:
            self._recorded(inputs, labels)
        else:
            self._learn(inputs, labels, batch)

    def _learn(self, inputs: Tensor, labels: dict[str, Tensor], batch: Batch | None = None) -> None:
        """A step on what lies on the device; of several processes or with tokens to keep, the batch says more."""
        found = self._parallel(self._seen(inputs))
        logits = found if self._kept is None else found[0]
        loss = classification_loss(logits, labels, self._recipe.label_smoothing)
        whole = loss
        if batch is not None:
            whole = loss if self._kept is None else loss + self._kept.loss(found[1], batch.rows)
            whole = whole * batch.weight
        self._optimizer.zero_grad(set_to_none=True)
        whole.backward()  # type: ignore[no-untyped-call]
        if self._recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self._parallel.parameters(), self._recipe.clip)
        self._optimizer.step()
        self.tally.add(loss, logits, labels)

    def _set_rate(self, share: float) -> None:
        for group in self._optimizer.param_groups:
            rate = self._config.rate(self.epoch, share) * group["scale"]
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    @torch.inference_mode()
    def evaluate(self, loader: Loader) -> EpochResult:
        """Loss, accuracy and confusion in evaluation mode; the leading process knows them."""
        self.model.eval()
        tally, confusion = self._new_tally(), Confusion(self.model.classes, self._device)
        for batch in loader.epoch():
            inputs, labels = self._inputs(batch)
            logits = self._network(inputs)
            tally.add(classification_loss(logits, labels), logits, labels)
            confusion.add(logits, labels)
        tally.gather(self._group)
        counts = confusion.gathered(self._group)
        return replace(tally.result(), confusion=counts) if self._group.leads else EpochResult(0.0, {})

    def _new_tally(self) -> Tally:
        return Tally(self.model.attributes, self._device)

    def _inputs(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        inputs, labels = self._moved(batch)
        return self._seen(inputs), labels

    def _moved(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """What a batch holds, on the device."""
        labels = {name: batch.labels[name].to(self._device, non_blocking=True) for name in self.model.attributes}
        return moved(batch.pixels, self._device), labels

    def _seen(self, inputs: Tensor) -> Tensor:
        """What the network is given: features as they are, pixels normalised."""
        return inputs if self._on_features else normalise(inputs, self._look, self._device)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as named tensors; every process of the group has to ask for it."""
        self.tally.gather(self._group)
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        if self._tokens is not None:
            tensors |= {f"tokens.{name}": value for name, value in self._tokens.state_dict().items()}
        for index, values in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        return tensors | {"position": torch.tensor([self.epoch, self.step]), "tally": self.tally.sums}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave.

        Raises:
            KeyError: the tensors are those of another network.
            RuntimeError: likewise.
        """
        self.model.load_state_dict(_below(tensors, "model."))
        if self._tokens is not None:
            self._tokens.load_state_dict(_below(tensors, "tokens."))
        stored = self._optimizer.state_dict()
        stored["state"] = {}
        for name, value in _below(tensors, "optimizer.").items():
            index, key = name.split(".", 1)
            stored["state"].setdefault(int(index), {})[key] = value
        self._optimizer.load_state_dict(stored)
        for parameter, values in self._optimizer.state.items():
            for name in values.keys() - {"step"}:  # in the parameter's layout, which files do not keep
                values[name] = torch.empty_like(parameter).copy_(values[name])
        self.epoch, self.step = tensors["position"].tolist()
        if self._group.leads:
            self.tally.sums.copy_(tensors["tally"])


def dropout_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """The seed of dropout from a step on: it depends on nothing that came before."""
    if step == 0 and rank == 0:
        return seed * 1_000_003 + epoch
    return int(np.random.SeedSequence((seed, epoch, step, rank)).generate_state(1)[0])


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
