"""The library's face: search any gallery of embeddings under conditions, through any heads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backward_search.cli import AnswerOptions, parse
from backward_search.cli.answering import parsed_aim
from backward_search.conditions.language import parse_condition
from backward_search.conditions.wishes import Wishes
from backward_search.errors import OptionError
from backward_search.gallery.memory import ExactEngine, Gallery
from backward_search.images.opening import open_picture
from backward_search.methods.answers import Answerer
from backward_search.methods.background import Background
from backward_search.methods.concept import ClassMeans
from backward_search.methods.registry import AIM, AUTO, METHODS, Method
from backward_search.methods.strength import Sample, Trial, choose_weight
from backward_search.runs.question import embed_images
from backward_search.runs.run import Run, find_device
from backward_search.runs.run_gallery import split_engine
from backward_search.solvers.adam import SearchConfig
from backward_search.solvers.objectives import ModuleHeads

BLOCK = 4096
"""Embeddings that go through the heads at once."""


@dataclass(frozen=True)
class Found:
    """The answer to some queries.

    Attributes:
        keys: what the hits are called, best first; their rows in the gallery where nothing was given.
        rows: their rows in the gallery (B, k).
        scores: what they were ranked by (B, k): cosine similarities where nothing else counts.
        moved: where the queries were moved to (B, E).
        steps: gradient evaluations of each query (B,).
    """

    keys: list[list[Any]]
    rows: Tensor
    scores: Tensor
    moved: Tensor
    steps: Tensor


@dataclass
class Searcher:
    """A gallery of embeddings with one classification head per attribute.

    Attributes:
        heads: by attribute, a module in evaluation mode that maps embeddings (B, E) to logits (B, K).
        labels: by attribute, the names of its classes in the order of the logits.
        gallery: embeddings (N, E).
        keys: what the images are called.
        truth: by attribute, class ids of the gallery (N,), where they are known; the heads' opinion otherwise.
        training: embeddings and, by attribute, class ids of training images, for class means; else the gallery serves.
        held_out: the rows of those that the heads were not trained on, among which strengths are chosen.
        temperatures: by attribute, what the logits of its head are divided by to be calibrated.
        embedder: what embeds images from files.
        index: the same gallery behind an engine; left out, every image is scored.
    """

    heads: Mapping[str, nn.Module]
    labels: Mapping[str, Sequence[str]]
    gallery: Tensor
    keys: Sequence[Any] | None = None
    truth: Mapping[str, Tensor] = field(default_factory=dict)
    training: tuple[Tensor, Mapping[str, Tensor]] | None = None
    held_out: Tensor | None = None
    temperatures: Mapping[str, float] = field(default_factory=dict)
    embedder: "Embedder | None" = None
    index: Gallery | None = None

    def __post_init__(self) -> None:
        """Check that the parts fit together, and ask the heads about the gallery.

        Raises:
            ValueError: they do not fit.
        """
        if set(self.heads) != set(self.labels):
            raise ValueError(f"heads are of {sorted(self.heads)}, labels of {sorted(self.labels)}")
        if self.keys is not None and len(self.keys) != len(self.gallery):
            raise ValueError(f"{len(self.keys)} keys for {len(self.gallery)} images")
        self.gallery = torch.as_tensor(self.gallery)
        self._index = self.index or Gallery(self.gallery)
        self._logits = {name: _logits(head.eval(), self.gallery) for name, head in self.heads.items()}
        for name, logits in self._logits.items():
            if logits.shape[1] != len(self.labels[name]):
                raise ValueError(
                    f"the head of {name} knows {logits.shape[1]} classes, {len(self.labels[name])} are named"
                )

    def search(
        self,
        queries: Tensor,
        condition: str,
        *,
        method: str = "teacher",
        k: int = 10,
        lambda_: float = 1.0,
        weight: float | None = None,
    ) -> Found:
        """Find the images most like each query that meet a condition.

        Args:
            queries: embeddings (B, E), or one (E,).
            condition: `style=Rococo`, `style!=Rococo; genre=portrait|landscape`, `style=0.6*Rococo+0.4*Baroque`.
            method: a name of `methods.METHODS`, but the student's.
            k: hits per query.
            lambda_: of the teacher: the larger, the closer to the query.
            weight: of the condition's log-probability in the ranking, or the strength of "best"; None for the method's
                own, chosen on the training embeddings (or the gallery) where that is "auto".

        Raises:
            OptionError: the condition or the method does not exist.
        """
        if method not in METHODS or METHODS[method].move == "student":
            others = ", ".join(name for name in METHODS if name != "student")
            raise OptionError(f"method {method} is none of {others} (the student answers in E1 and E2 alone)")
        if METHODS[method].filter and not isinstance(self._index.engine, ExactEngine):
            raise OptionError(
                f"an engine proposes images by what they look like, and {method} wants those that pass first, however "
                "unlike: use engine='exact'"
            )
        queries = torch.as_tensor(queries).to(self.gallery).reshape(-1, self.gallery.shape[1])
        wanted = parse_condition(condition, self.labels)
        wishes = Wishes.of([wanted] * len(queries), {name: self.labels[name] for name in wanted})
        targets = wishes.conditions().to(queries.device, queries.dtype)
        answerer = self._answerer(tuple(wanted), METHODS[method], lambda_, weight)
        answer = answerer.answer(method, queries, targets, min(k, len(self.gallery)))
        moved = answerer.move(METHODS[method], queries, targets).embeddings if METHODS[method].move else queries
        rows = answer.hits.rows
        named = [[row if self.keys is None else self.keys[row] for row in each] for each in rows.tolist()]
        return Found(named, rows, answer.hits.similarity, moved, answer.steps)

    def embed(self, files: Sequence[str | Path]) -> Tensor:
        """Embed images, for a searcher that was opened from a run: (B, E).

        Raises:
            DataError: an image cannot be read.
            ValueError: this searcher was made from embeddings alone.
        """
        if self.embedder is None:
            raise ValueError("this searcher has no network to embed images with: open it from a run")
        return self.embedder(files)

    def _answerer(self, names: tuple[str, ...], how: Method, lambda_: float, weight: float | None) -> Answerer:
        heads = ModuleHeads(tuple(self.heads[name] for name in names), max(len(self.labels[name]) for name in names))
        plain = Answerer(self._index, heads, SearchConfig(lambda_), weight=weight or 0.0)
        chosen = how.weight if weight is None else weight
        if not (how.needs_background or chosen):
            return plain
        embeddings, ids = self.training or (self.gallery, self._opinion(self.gallery, names) | dict(self.truth))
        means = ClassMeans.of(embeddings, ids, {name: len(self.labels[name]) for name in names})
        known = {name: self.truth.get(name, self._logits[name].argmax(1)) for name in names}
        background = Background.of(means, names, self.gallery, self._logits, known, self.temperatures)
        if chosen == AUTO:
            chosen = self._chosen_weight(names, how, heads, means, embeddings, ids)
        return Answerer(self._index, heads, SearchConfig(lambda_), background=background, weight=float(chosen))

    def _chosen_weight(
        self,
        names: tuple[str, ...],
        how: Method,
        heads: ModuleHeads,
        means: ClassMeans,
        embeddings: Tensor,
        ids: Mapping[str, Tensor],
    ) -> float:
        chosen = Sample.drawn(torch.stack([ids[name] for name in names], dim=1), self.held_out, seed=0)
        part = embeddings[chosen.gallery]
        known = {name: ids[name][chosen.gallery] for name in names}
        logits = {name: _logits(self.heads[name], part) for name in names}
        background = Background.of(means, names, part, logits, known, self.temperatures)
        answerer = Answerer(Gallery(part), heads, SearchConfig(1.0), background=background)
        return choose_weight(Trial(answerer, part, chosen.queries, chosen.targets), how, *parsed_aim(AIM))

    def _opinion(self, embeddings: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        return {name: _logits(self.heads[name], embeddings).argmax(1) for name in names}


@dataclass(frozen=True)
class Embedder:
    """The network of a run, for images from files."""

    run: Run
    device: torch.device

    def __call__(self, files: Sequence[str | Path]) -> Tensor:
        """Embed images (B, E) under the test transform."""
        images = [open_picture(Path(file)) for file in files]
        made = embed_images(self.run.load_model(self.device), self.run.look, images, self.device)
        return made.cpu().clone()  # a tensor like any other, not one of inference mode


def open_run(dataset_name: str, *, split: str = "test", **options: Any) -> Searcher:
    """A searcher over one split of a data set, through a run that B1 and C1 have finished.

    Args:
        dataset_name: the data set.
        split: the gallery.
        options: as the scripts take them, relative folders from the scripts' own where they are, else from the working
            directory: `category_type`, `encoder_model`, `data_root`, `weight_root`, and `engine`
            with its `shortlist`, `nprobe` and `ef_search`, ...

    Raises:
        MissingError: the run, or its embeddings, do not exist.
        OptionError: an option does not exist or cannot be meant.
    """
    chosen = parse(AnswerOptions, None, [], dataset_name=dataset_name, split=split, **options)
    run, device = Run.open(chosen), find_device("cpu")
    model = run.load_model(device)
    tables = {name: run.load_table(chosen, name) for name in ("train", split)}
    embeddings = {name: torch.tensor(run.load_embeddings(name, table.keys)) for name, table in tables.items()}
    ids = {
        name: {attribute: torch.tensor(table.ids[attribute]) for attribute in run.classes}
        for name, table in tables.items()
    }
    engine = split_engine(run, chosen, np.arange(len(embeddings[split])))
    return Searcher(
        {name: model.head(name) for name in run.classes},
        run.classes,
        embeddings[split],
        tables[split].keys,
        ids[split],
        (embeddings["train"], ids["train"]),
        torch.from_numpy(run.held_out(chosen)),
        run.temperatures(),
        Embedder(run, device),
        Gallery(embeddings[split], engine, chosen.shortlist),
    )


@torch.inference_mode()
def _logits(head: nn.Module, embeddings: Tensor) -> Tensor:
    return torch.cat([head(part) for part in torch.split(embeddings, BLOCK)]).clone()
