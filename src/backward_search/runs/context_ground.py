"""What the context map of a run is learnt from: its training embeddings, and what is known of the images."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backward_search.context.gathering import tokens_of
from backward_search.context.learning import Learner, LearningConfig
from backward_search.context.relation import ByBest, ByImages, Relation, tasks_of
from backward_search.context.shared import Shared
from backward_search.data.prepared import load_tags
from backward_search.data.splits import held_out
from backward_search.data.tables import Table, Tags
from backward_search.images.loading import ImageLoader
from backward_search.model.embedding import EmbeddingNetwork, outcomes
from backward_search.model.features import KeptFeatures, given_features
from backward_search.progress import progress
from backward_search.runs.run import Run, require_encoder

HOLDOUT = 0.1
"""The share of the training images that a map is judged on, where none were kept from the training."""


@dataclass(frozen=True)
class Views:
    """Augmented views of training images, embedded where the images themselves have to say what belongs together.

    Attributes:
        count: of how many images one is made.
        workers: processes that decode them.
    """

    count: int = 0
    workers: int = 0


@dataclass(frozen=True)
class ContextGround:
    """What a map is learnt from.

    Attributes:
        embeddings: of the training images, and behind them of views (M, E).
        shared: their tokens.
        relation: how much they belong together.
        rows: those that are learnt from.
        held: the images on which the map is judged (n,).
        attributes: those that can be conditioned.
    """

    embeddings: Tensor
    shared: Shared
    relation: Relation
    rows: Tensor
    held: np.ndarray
    attributes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        run: Run,
        device: torch.device,
        seed: int,
        sources: Sequence[str] = (),
        views: Views | None = None,
    ) -> "ContextGround":
        """Gather it.

        Args:
            run: the trained model, whose training images are embedded.
            device: where the map is learnt.
            seed: of the images that are held out and viewed.
            sources: of `gathering.SOURCES`; none for what there is.
            views: how many are made; none if left out.

        Raises:
            MissingError: C1 has not run.
            OptionError: a source is named and there is nothing of it.
        """
        table, tags = run.load_table("train"), load_tags(run.data)
        tokens = tokens_of(table, tags, sources) or {"nothing": [[] for _ in table.keys]}
        shared = Shared.gathered(tokens, {name: table.classes[name] for name in run.attributes})
        embeddings = torch.tensor(run.load_embeddings("train", table.keys), device=device)
        silent = any(not shared.says_something(task) for task in tasks_of(run.attributes))
        viewed = views is not None and views.count > 0 and silent
        image = torch.arange(len(table))
        if views is not None and viewed:
            embeddings, image = _with_views(run, table, embeddings, views, seed)
        features = None if viewed else _features(run, table)
        ids = torch.stack([torch.tensor(table.ids[name]) for name in run.attributes])
        by_images = ByImages(embeddings.cpu() if features is None else features, ids[:, image], image)
        held = _held_out(run, table, tags, seed)
        rows = torch.arange(len(image))[~torch.isin(image, torch.from_numpy(held))]
        return cls(embeddings, shared, ByBest(shared, by_images), rows, held, run.attributes)

    def learner(self, config: LearningConfig) -> Learner:
        """What learns from it."""
        return Learner(self.embeddings, self.relation, self.attributes, config, self.rows)


def _features(run: Run, table: Table) -> Tensor | None:
    """What the frozen encoder of a run made of its training images, or the vectors it was trained on; None without."""
    if run.model.features:
        found = given_features(run.data, "train")
        return found.take(found.rows(table.keys))
    if run.name.enc_update:
        return None
    model = run.load_model(torch.device("cpu"))
    made = KeptFeatures.of(run.data, model, run.look).there(table)
    return None if made is None else made.take(made.rows(table.keys))


def _with_views(run: Run, table: Table, embeddings: Tensor, views: Views, seed: int) -> tuple[Tensor, Tensor]:
    """The embeddings and those of augmented views (M, E), and which image each shows (M,)."""
    require_encoder(run)
    some = np.sort(np.random.default_rng(seed).permutation(len(table))[: views.count])
    look = dataclasses.replace(run.look, augment=True, fit="crop")
    files = [run.data.image(table.paths[row]) for row in some]
    loader = ImageLoader(files, {}, look, batch_size=256, workers=views.workers, seed=seed)
    device = embeddings.device
    network = EmbeddingNetwork(run.load_model(device), device)
    batches = list(progress(loader.epoch(), "embedding views", "batch", loader.steps))
    made = torch.cat(list(outcomes(network, batches, look, device)))[:, : embeddings.shape[1]]
    order = torch.cat([batch.rows for batch in batches])
    image = torch.cat([torch.arange(len(table)), torch.from_numpy(some)[order]])
    return torch.cat([embeddings, made.clone().to(device)]), image


def _held_out(run: Run, table: Table, tags: Tags, seed: int) -> np.ndarray:
    """The rows on which the map is judged: those that were kept from the training, or some of them."""
    kept_back = run.held_out()
    if len(kept_back):
        return kept_back
    labels = {name: table.labels(name) for name in run.attributes}
    groups = [tags.groups[key] for key in table.keys] if tags.groups else None
    return held_out(labels, groups, HOLDOUT, seed)
