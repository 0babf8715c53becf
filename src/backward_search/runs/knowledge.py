"""Loading what methods know beyond the query: class means, logits and labels, of the splits of a run."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from backward_search.cli import AnswerOptions
from backward_search.cli.answering import parsed_aim
from backward_search.data.tables import Table
from backward_search.gallery.memory import Gallery
from backward_search.methods.answers import Answerer
from backward_search.methods.background import Background
from backward_search.methods.concept import ClassMeans
from backward_search.methods.registry import METHODS
from backward_search.methods.strength import Sample, Trial, choose_weight
from backward_search.runs.run import Run
from backward_search.solvers.adam import SearchConfig
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.manifold import covariance


class Knowledge:
    """The training split of a run as methods use it, loaded once."""

    def __init__(self, run: Run, options: AnswerOptions, conditioned: Sequence[str], device: torch.device) -> None:
        """Load it.

        Raises:
            MissingError: C1 has not run on the training split.
        """
        self._run, self._conditioned, self._device = run, tuple(conditioned), device
        self._table = run.load_table(options, "train")
        self._temperatures = run.temperatures()
        self._held = torch.from_numpy(run.held_out(options)).to(device)
        self._embeddings = torch.tensor(run.load_embeddings("train", self._table.keys), device=device)
        classes = {name: len(self._table.classes[name]) for name in conditioned}
        self._means = ClassMeans.of(self._embeddings, self._labels(self._table), classes)

    def spread(self) -> Tensor:
        """The covariance of the embeddings (E, E), for the manifold solver."""
        return covariance(self._embeddings)

    def background(self, table: Table, rows: Tensor, embeddings: Tensor) -> Background:
        """What is known about the images of a gallery.

        Args:
            table: their split.
            rows: their rows in it (N,).
            embeddings: theirs (N, E).
        """
        logits = {
            name: torch.from_numpy(self._run.stored_logits(table.split, name)[rows.cpu().numpy()]).to(self._device)
            for name in self._conditioned
        }
        labels = {name: ids[rows] for name, ids in self._labels(table).items()}
        return Background.of(self._means, self._conditioned, embeddings, logits, labels, self._temperatures)

    def weight(self, method: str, heads: FrozenHeads, options: AnswerOptions) -> float:
        """The strength that `--strength auto` chooses: on training images that were kept from training, if enough."""
        ids = torch.stack(list(self._labels(self._table).values()), dim=1)
        chosen = Sample.drawn(ids, self._held, options.seed)
        embeddings = self._embeddings[chosen.gallery]
        answerer = Answerer(
            Gallery(embeddings),
            heads,
            SearchConfig(options.inverse_lambda),
            background=self.background(self._table, chosen.gallery, embeddings),
            shift=options.shift,
        )
        trial = Trial(answerer, embeddings, chosen.queries, chosen.targets)
        return choose_weight(trial, METHODS[method], *parsed_aim(options.aim))

    def _labels(self, table: Table) -> Mapping[str, Tensor]:
        return {name: torch.tensor(table.ids[name], device=self._device) for name in self._conditioned}
