"""Choosing how much the condition weighs against likeness, on training images alone."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.gallery.memory import ranked
from backward_search.methods.asking import Ask
from backward_search.methods.config import AnswerConfig
from backward_search.methods.knowledge import Knowledge
from backward_search.methods.protocol import Method
from backward_search.methods.source import Embedded

QUERIES, GALLERY, HITS = 500, 10_000, 10
"""Training images that are asked, and searched, at most; and the hits that are judged."""
LEAST = 200
"""Of fewer held-out images a trial says too little: it is then made among those that were trained on."""


@dataclass(frozen=True)
class Sample:
    """Which training images a trial is made of.

    Attributes:
        gallery: their training rows (N,).
        queries: the places of the queries among those (B,).
        targets: class ids of the conditions (B, A): the labels of other images of the gallery.
    """

    gallery: Tensor
    queries: Tensor
    targets: Tensor

    @classmethod
    def drawn(cls, ids: Tensor, held_out: Tensor | None, seed: int) -> "Sample":
        """Draw one: among the training images that were held out, if they are enough, else among all.

        Args:
            ids: class ids of the training images in each conditioned attribute (M, A).
            held_out: the rows of those that were kept from training.
            seed: of the draw.
        """
        enough = held_out is not None and len(held_out) >= LEAST
        among = held_out if held_out is not None and enough else torch.arange(len(ids), device=ids.device)
        generator = torch.Generator().manual_seed(seed)
        gallery = among[torch.randperm(len(among), generator=generator)[:GALLERY].to(ids.device)]
        queries = torch.randperm(len(gallery), generator=generator)[:QUERIES].to(ids.device)
        lenders = torch.randint(len(gallery), (len(queries),), generator=generator).to(ids.device)
        return cls(gallery, queries, ids[gallery[lenders]])


@dataclass(frozen=True)
class Trial:
    """A search among training images.

    Attributes:
        known: its gallery are training images, all of whose labels are known.
        rows: the gallery row of each query (B,).
        conditions: the labels of other training images, so that they occur together.
    """

    known: Knowledge
    rows: Tensor
    conditions: Conditions

    @classmethod
    def drawn(cls, known: Knowledge, seed: int) -> "Trial":
        """Draw one among the training images."""
        trained = known.trained
        ids = {name: trained.assumed(name) for name in known.names}
        sample = Sample.drawn(torch.stack(list(ids.values()), dim=1), known.held_out, seed)
        part = trained.part(sample.gallery)
        labelled = Embedded(part.embeddings, {name: own[sample.gallery] for name, own in ids.items()}, part.logits)
        conditions = Conditions.of_ids(sample.targets, known.heads.classes, part.embeddings.dtype)
        return cls(known.among(labelled), sample.queries, conditions)


@torch.no_grad()
def choose_strength(known: Knowledge, method: Method, config: AnswerConfig) -> float:
    """Choose the value of a method's first knob by the aim of the settings.

    For "precision" it is the smallest that attains the share of the precision@10 of the largest; for "context" the
    largest that keeps the share of the context@10 (mean cosine of query and hits) of the smallest. The query's own
    image is no hit. Among fewer than two images nothing can be chosen: it is the middle of the slider then.
    """
    if len(known.trained.embeddings) < 2:
        return (method.knobs[0].least + method.knobs[0].most) / 2
    return chosen(Trial.drawn(known, config.seed), method, config)


def chosen(trial: Trial, method: Method, config: AnswerConfig) -> float:
    """The value that a trial speaks for; see `choose_strength`."""
    queries = trial.known.shown.embeddings[trial.rows]
    if config.aim.kind == "context":
        values = trial.known.gallery.similarity(queries)
    else:
        values = trial.known.labelled(trial.conditions).to(queries.dtype)
    knob, tried = method.knobs[0], method.tried
    each = [replace(config, knobs={**config.knobs, knob.option: value}, rerank=0.0) for value in tried]
    reached = [float(values.gather(1, _hits(trial, method, one)).mean()) for one in each]
    share = config.aim.share
    if config.aim.kind == "context":
        kept = (value for value, context in zip(tried, reached, strict=True) if context >= share * reached[0])
        return max(kept, default=tried[0])
    return next(value for value, found in zip(tried, reached, strict=True) if found >= share * reached[-1])


def _hits(trial: Trial, method: Method, config: AnswerConfig) -> Tensor:
    """The gallery rows (B, k) that the queries find under some settings, their own image left out."""
    known, queries = trial.known, trial.known.shown.embeddings[trial.rows]
    ask = Ask(queries, trial.conditions, config)
    scorer = method.scorer(known, ask, method.move(known, ask).embeddings)
    scores = scorer.block(slice(0, len(known.gallery)))
    scores[torch.arange(len(queries)), trial.rows] = -torch.inf
    return ranked(scores, min(HITS, len(known.gallery) - 1)).rows
