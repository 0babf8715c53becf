"""The answers of neighbouring fields, to compare with: BASIC's fusion of two similarities, and a product of experts.

Both ask how like the query an image is, and how well it meets the condition; they differ in how they join the two.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from backward_search.gallery.memory import CosineScorer, Scorer
from backward_search.methods.asking import TRAINING, Ask
from backward_search.methods.knowledge import Knowledge
from backward_search.methods.protocol import Method, Term
from backward_search.methods.scoring import WeightedSum
from backward_search.solvers.protocol import Knob

ALPHA = 0.2
"""How much counts in the contrastive PCA what is to be projected away, as published."""
KEPT = 250 / 768
"""The share of directions that are kept: as published, 250 of the 768 of CLIP."""
SAMPLE = 2000
"""Training images, at most, among whose pairs the least likeness is looked for."""
TINY = 1e-12


@dataclass(frozen=True)
class Contrast:
    """What BASIC knows of images in general.

    Attributes:
        mean: of the training embeddings, each of length 1, (E,) float64.
        directions: an orthonormal basis of what is compared, (E, r) float64.
        least: the least likeness of two training images.
    """

    mean: Tensor
    directions: Tensor
    least: float

    @classmethod
    def of(cls, known: Knowledge) -> "Contrast":
        """Learn it from the training images and their classes in the conditioned attributes."""
        units = normalize(known.trained.embeddings.double(), dim=1)
        mean = units.mean(dim=0)
        directions = contrastive_directions(units - mean, [known.trained.assumed(name) for name in known.names])
        places = torch.linspace(0, len(units) - 1, min(SAMPLE, len(units)), device=units.device).round().long()
        some = (units[places] - mean) @ directions
        return cls(mean, directions, float((some @ some.T).min()))

    def seen(self, queries: Tensor) -> Tensor:
        """What is compared of queries (B, E): centred and projected, in float64."""
        return (normalize(queries.double(), dim=1) - self.mean) @ self.directions @ self.directions.T


def contrastive_directions(centred: Tensor, ids: list[Tensor]) -> Tensor:
    """The directions of contrastive PCA, in which content varies much and the conditioned attributes little.

    They are the eigenvectors of (1 - alpha) C+ - alpha C- with the largest eigenvalues, as published. There the
    covariances are those of texts that name objects (C+) and styles (C-); here C+ is that of embeddings less their
    class means in every conditioned attribute, C- that of these means.

    Args:
        centred: training embeddings of length 1 less their mean, (N, E).
        ids: for each conditioned attribute their class ids (N,).

    Returns:
        (E, r), orthonormal; r is `KEPT` of E, fewer where fewer eigenvalues are above 0, at least 1.
    """
    rest, means = centred, []
    for own in ids:
        counts = torch.bincount(own)
        sums = centred.new_zeros(len(counts), centred.shape[1]).index_add_(0, own, centred)
        each = sums / counts.clamp(min=1).unsqueeze(1)
        means.append(each[counts > 0])
        rest = rest - each[own]
    varying, away = (torch.cov(rows.T, correction=0) for rows in (rest, torch.cat(means)))
    values, vectors = torch.linalg.eigh((1 - ALPHA) * varying - ALPHA * away)  # rising
    kept = min(round(KEPT * len(values)), int((values > 0).sum()))
    directions: Tensor = vectors[:, -max(kept, 1) :]
    return directions


class AboveLeast:
    """max(0, (s - least) / |least|) for a score s = gain * score + shift: BASIC's normalisation by the least value."""

    def __init__(self, scorer: Scorer, least: Tensor, gain: Tensor, shift: Tensor) -> None:
        """Normalise a score for B queries; least, gain and shift are (B, 1)."""
        size = least.abs().clamp(min=TINY)
        self._gain, self._shift = (gain / size).float(), ((shift - least) / size).float()
        self._scorer = scorer

    def __len__(self) -> int:
        """The number of queries."""
        return len(self._scorer)

    @property
    def guide(self) -> Tensor:
        """That of the score, by its gain."""
        return self._gain * self._scorer.guide

    def block(self, rows: slice) -> Tensor:
        """The scores of a slice of the gallery."""
        return (self._scorer.block(rows) * self._gain + self._shift).clamp(min=0)

    def pairs(self, rows: Tensor) -> Tensor:
        """The scores of each query's own rows."""
        return (self._scorer.pairs(rows) * self._gain + self._shift).clamp(min=0)


class Harris:
    """v t - w (v + t)^2 of two scores: high where both are, as Harris and Stephens (1988) look for corners.

    Where v = t it rises alike with both, so the sum of their guides is what guides an engine: roughly, for elsewhere it
    rises more with the lesser one.
    """

    def __init__(self, likeness: Scorer, fit: Scorer, weight: float) -> None:
        """Join v and t by w."""
        self._both, self._weight = (likeness, fit), weight

    def __len__(self) -> int:
        """The number of queries."""
        return len(self._both[0])

    @property
    def guide(self) -> Tensor:
        """The sum of theirs."""
        return self._both[0].guide + self._both[1].guide

    def block(self, rows: slice) -> Tensor:
        """The scores of a slice of the gallery."""
        return self._joined(*(scorer.block(rows) for scorer in self._both))

    def pairs(self, rows: Tensor) -> Tensor:
        """The scores of each query's own rows."""
        return self._joined(*(scorer.pairs(rows) for scorer in self._both))

    def _joined(self, v: Tensor, t: Tensor) -> Tensor:
        return v * t - self._weight * (v + t) ** 2


class Basic(Method):
    """BASIC (Psomas et al. 2025, arXiv 2510.25387) with the heads' log-probability in place of a text's similarity.

    As published: embeddings of length 1 are centred and the query is projected by contrastive PCA; v is its product
    with an image, t the fit to the condition, each less its least value, divided by that value's size, and not below
    0; the score is v t - strength (v + t)^2. Ours: what the PCA contrasts (`contrastive_directions`), and the
    log-probability as t; the least v is that of two training images, the least t that of a training image under the
    query's condition, where they generate images and captions. Left out: their query expansion, and what they do to
    texts alone.
    """

    name = "basic"
    summary = "BASIC's fusion of likeness and fit to the condition"
    knobs = (Knob("strength", "strength", "strength", "weight of the Harris term", 0.0, 0.24, 0.1),)
    needs: ClassVar[frozenset[str]] = frozenset({TRAINING})
    tried = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.22)
    offered = False
    scores_cosines = False

    def terms(self, known: Knowledge, ask: Ask, moved: Tensor) -> list[Term]:
        """The fusion."""
        contrast = known.of_training("contrast", lambda: Contrast.of(known))
        seen = contrast.seen(ask.queries)
        length = seen.norm(dim=1, keepdim=True)
        least = torch.full_like(length, contrast.least)
        cosine = CosineScorer(seen, known.gallery.vectors)  # the product with x - m is |seen| cos(seen, x) - seen m
        likeness = AboveLeast(cosine, least, length, -(seen @ contrast.mean).unsqueeze(1))
        lowest = least_fit(known, ask)
        fit = AboveLeast(known.likelihood(ask), lowest, torch.ones_like(lowest), torch.zeros_like(lowest))
        return [(1.0, Harris(likeness, fit, ask.config.value(self.knobs[0])))]


def least_fit(known: Knowledge, ask: Ask) -> Tensor:
    """The least log-probability of each query's condition among the training images, (B, 1)."""
    among = known.of_training("training as gallery", lambda: known.among(known.trained))
    return -among.gallery.best(WeightedSum([(-1.0, among.likelihood(ask))]), 1).similarity


class Product(Method):
    """cos(z0, x) + w log p(condition | x): the product of two experts (Hinton 2002), on likeness and on the condition.

    The expert on likeness has the density exp(cos(z0, x) / T), the other p^u; of both only w = u T matters.
    """

    name = "product"
    summary = "likeness, and the condition's log-probability"
    knobs = (Knob("strength", "strength", "strength", "weight of the condition's log-probability", 0.0, 10.0, 0.1),)
    needs: ClassVar[frozenset[str]] = frozenset({TRAINING})
    tried = (0.0, 0.003, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 10.0)
    offered = False
    scores_cosines = False

    def terms(self, known: Knowledge, ask: Ask, moved: Tensor) -> list[Term]:
        """Likeness, and the log-probability."""
        weight = ask.config.value(self.knobs[0])
        return [*super().terms(known, ask, moved), *([(weight, known.likelihood(ask))] if weight else [])]
