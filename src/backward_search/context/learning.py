"""Learning a context map from the training images' embeddings, the encoder and heads untouched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from backward_search.context.network import ContextConfig, ContextMap
from backward_search.context.relation import Relation, tasks_of
from backward_search.progress import progress
from backward_search.pytorch import AdamW

NEAREST, JUDGED, TASKS = 10, 4096, 10
"""How many neighbours of a held-out image are judged, among how many images, and for how many tasks at most."""


@dataclass(frozen=True)
class LearningConfig:
    """How a map is learnt.

    Attributes:
        size: of a context vector.
        hidden: units of the hidden layer.
        steps: of the optimiser.
        batch: images in a step.
        lr: peak rate of AdamW, which falls as a cosine.
        weight_decay: its decay.
        mates: share of a batch that consists of images with one that shares something with them.
        sharpness: the power of what two images share that counts.
        temperature: of the cosines.
        seed: of the weights and of the batches.
    """

    size: int = 128
    hidden: int = 512
    steps: int = 1500
    batch: int = 512
    lr: float = 1e-3
    weight_decay: float = 1e-4
    mates: float = 0.5
    sharpness: float = 3.0
    temperature: float = 0.2
    seed: int = 0


class Learner:
    """A map somewhere in its training, which goes on as if never interrupted.

    The loss of an image i of a batch, averaged over those that share something with others of it, is the cross entropy
    of softmax_j(cos(f(z_i), f(z_j)) / temperature) with shared(i, j)^sharpness / sum_j shared(i, j)^sharpness, j other
    than i. The conditioned attributes are drawn anew for each step.

    Attributes:
        map: the map.
        step: the steps that are done.
    """

    def __init__(
        self,
        embeddings: Tensor,
        relation: Relation,
        attributes: Sequence[str],
        config: LearningConfig,
        rows: Tensor | None = None,
    ) -> None:
        """Begin.

        Args:
            embeddings: of the images that the relation knows (M, E).
            relation: how much they belong together.
            attributes: those that can be conditioned.
            config: how it is learnt.
            rows: the images that are learnt from; all of them where they are left out.
        """
        self._all, self._relation, self._config = embeddings, relation, config
        self._rows = torch.arange(len(embeddings)) if rows is None else rows
        self._tasks = tasks_of(attributes)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(config.seed)  # a GPU's generator is left alone
            shape = ContextConfig(embeddings.shape[1], tuple(attributes), config.size, config.hidden)
            self.map = ContextMap(shape).to(embeddings.device)
        own = embeddings[self._rows.to(embeddings.device)]
        self.map.mean.copy_(own.mean(0))
        self.map.scale.copy_(own.std(0, correction=0).clamp(min=1e-6))
        self._optimizer = AdamW(self.map.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        self.step = 0

    def advance(self) -> float:
        """Make a step; its loss."""
        config, generator = self._config, torch.Generator().manual_seed(self._config.seed * 1_000_003 + self.step)
        dropped = self._tasks[int(torch.randint(len(self._tasks), (), generator=generator))]
        rows = self._batch(generator)
        target = self._relation.target(rows, rows, dropped).to(self._all)
        for group in self._optimizer.param_groups:
            group["lr"] = config.lr * (1 + torch.cos(torch.tensor(torch.pi * self.step / config.steps)).item()) / 2
        vectors = self.map(self._all[rows.to(self._all.device)], dropped.to(self._all))
        loss = ranking_loss(vectors @ vectors.T, target, config)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.step += 1
        return loss.item()

    def finish(self, kept_every: int = 0, keep: Callable[[dict[str, Tensor]], object] | None = None) -> ContextMap:
        """Make the steps that are left, under a progress bar.

        Args:
            kept_every: steps after which `keep` is called; 0 for never.
            keep: takes `state`.

        Returns:
            The map, for use alone.
        """
        with progress(range(self._config.steps), "learning", "step") as bar:
            bar.update(self.step)
            while self.step < self._config.steps:
                loss = self.advance()
                bar.update()
                if keep is not None and kept_every and self.step % kept_every == 0:
                    bar.set_postfix(loss=f"{loss:.3f}")
                    keep(self.state())
        return self.map.requires_grad_(False).eval()

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as named tensors."""
        tensors = {f"map.{name}": value for name, value in self.map.state_dict().items()}
        for index, values in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        return tensors | {"step": torch.tensor(self.step)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave.

        Raises:
            KeyError: the tensors are those of another map.
            RuntimeError: likewise.
        """
        parts: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            parts.setdefault(name.split(".")[0], {})[name.partition(".")[2]] = value
        self.map.load_state_dict(parts["map"])
        stored = self._optimizer.state_dict()
        stored["state"] = {}
        for name, value in parts["optimizer"].items():
            index, key = name.split(".", 1)
            stored["state"].setdefault(int(index), {})[key] = value
        self._optimizer.load_state_dict(stored)
        self.step = int(tensors["step"])

    def _batch(self, generator: torch.Generator) -> Tensor:
        """Images of a step, each once: some with a mate, and others at random."""
        size = min(self._config.batch, len(self._rows))
        some = self._rows[torch.randint(len(self._rows), (size,), generator=generator)]
        count = int(size * self._config.mates / 2)
        mates = self._relation.mates(some[:count], generator)
        learnt = torch.isin(mates, self._rows)
        rows: Tensor = torch.unique(torch.cat([some[: size - count], mates[learnt]]))
        return rows


def ranking_loss(cosines: Tensor, target: Tensor, config: LearningConfig) -> Tensor:
    """The loss of a batch; see `Learner`.

    Args:
        cosines: of its images (B, B).
        target: how much they belong together (B, B).
        config: sharpness and temperature.
    """
    own = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    wanted = target.masked_fill(own, 0) ** config.sharpness
    total = wanted.sum(1, keepdim=True)
    log_p = (cosines / config.temperature).masked_fill(own, -torch.inf).log_softmax(1).masked_fill(own, 0)
    each = -(wanted / total.clamp(min=1e-12) * log_p).sum(1)
    shares = total.squeeze(1) > 0
    return each[shares].sum() / shares.sum().clamp(min=1)


@dataclass(frozen=True)
class Keeping:
    """How much held-out images share with those that are found for them, mean over images.

    Attributes:
        attributes: the conditioned ones.
        by: what they share.
        by_map: with their nearest by the map.
        by_embedding: by the embedding.
        at_random: with any other.
        images: how many were judged.
    """

    attributes: tuple[str, ...]
    by: str
    by_map: float
    by_embedding: float
    at_random: float
    images: int

    @property
    def in_json(self) -> dict[str, object]:
        """For a file."""
        return {**asdict(self), "attributes": list(self.attributes)}


@torch.no_grad()
def kept(context: ContextMap, embeddings: Tensor, relation: Relation, rows: Tensor) -> list[Keeping]:
    """Judge a map on some images (n,), for the first tasks that it was learnt for; the 10 nearest count, itself none.

    Args:
        context: the map.
        embeddings: of the images that the relation knows (M, E).
        relation: how much they belong together.
        rows: the images among which is searched; of fewer than two nothing can be said.
    """
    rows = rows[:JUDGED]
    if len(rows) < 2:
        return []
    own = embeddings[rows.to(embeddings.device)]
    found = []
    for dropped in tasks_of(context.config.attributes)[:TASKS]:
        target = relation.target(rows, rows, dropped)
        vectors = context(own, dropped.to(own))
        by_map, by_embedding = (_of_nearest(each @ each.T, target) for each in (vectors, normalize(own, dim=1)))
        others = float(target.fill_diagonal_(0).sum() / (len(rows) * (len(rows) - 1)))
        names = tuple(name for name, drop in zip(context.config.attributes, dropped.tolist(), strict=True) if drop)
        found.append(Keeping(names, relation.by(dropped), by_map, by_embedding, others, len(rows)))
    return found


def _of_nearest(scores: Tensor, target: Tensor) -> float:
    """The mean target (n, n) of the nearest by scores (n, n)."""
    scores = scores.clone().fill_diagonal_(-torch.inf)
    rows = scores.topk(min(NEAREST, len(scores) - 1), dim=1).indices
    return float(target.gather(1, rows.to(target.device)).mean())
