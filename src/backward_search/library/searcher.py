"""The searcher: search any gallery of embeddings under conditions, through any heads."""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.conditions.clause import Clause, Value
from backward_search.conditions.language import read_condition
from backward_search.context.network import ContextMap
from backward_search.errors import OptionError
from backward_search.gallery.memory import Engine
from backward_search.library.checks import conditions_of, device_of, keys_of, number_of, queries_of, whole_of
from backward_search.library.found import Found, Way
from backward_search.library.memory import Embedder, MemorySource, StudentKey
from backward_search.library.parts import engine_of
from backward_search.library.settings import settled
from backward_search.library.storing import load, save
from backward_search.methods.asking import STUDENT
from backward_search.methods.assembler import Answer, Asked, Assembler
from backward_search.methods.config import AnswerConfig
from backward_search.methods.registry import METHODS
from backward_search.methods.source import Source
from backward_search.solvers.adam import Adam
from backward_search.solvers.protocol import knob_value
from backward_search.student.network import Student

Condition = str | Mapping[str, Value]
"""What is wanted: a text such as `style=Rococo; genre!=portrait`, or by attribute a label, labels, shares by label,
`Not(...)` or `Weighted(...)`."""


class Searcher:
    """A gallery of embeddings with one classification head per attribute.

    It may be asked by any number of threads; the single queries that they ask at once are ranked for together. What the
    methods need beyond the query - logits, class means, a chosen strength - is made when it is first needed, and kept.

    Attributes:
        labels: by attribute the names of its classes.
        gallery: the embeddings (N, E).
        keys: what the images are called; None where they are called by their rows.
        usual: the settings of a search unless it is told otherwise.
    """

    @torch.inference_mode(False)  # what is kept has to serve autograd, wherever the program is
    def __init__(
        self,
        heads: Mapping[str, Any],
        labels: Mapping[str, Sequence[str]],
        gallery: Any,
        keys: Sequence[Any] | None = None,
        *,
        truth: Mapping[str, Any] | None = None,
        training: tuple[Any, Mapping[str, Any]] | None = None,
        held_out: Any = None,
        temperatures: Mapping[str, float] | None = None,
        students: Mapping[StudentKey, Student] | None = None,
        embedder: Embedder | None = None,
        engine: Engine | None = None,
        shortlist: int = 200,
        device: str | torch.device = "cpu",
        lambda_: float = 1.0,
        tags: Sequence[Collection[str]] | None = None,
        context: ContextMap | None = None,
    ) -> None:
        """Take heads and gallery; heads are copied, and put into evaluation mode in the copy.

        Args:
            heads: by attribute a torch module that maps embeddings (B, E) to logits (B, K), or a fitted linear
                classifier of scikit-learn.
            labels: by attribute, the names of its classes in the order of the logits, of a classifier its `classes_`.
            gallery: embeddings (N, E), torch or NumPy, float16 to float64. A tensor of single or double precision on
                the same device is not copied: leave its content as it is.
            keys: what the images are called.
            truth: by attribute the class ids of the gallery (N,), -1 for unknown ones, where they are known.
            training: embeddings and, by attribute, class ids of training images, for class means; else the gallery
                serves, with the heads' opinion where the truth is not known.
            held_out: the rows of those that the heads were not trained on, among which strengths are chosen.
            temperatures: by attribute, what the logits of its head are divided by to be calibrated.
            students: by conditioned attributes, a tuple in the order of `heads`, a `Student`.
            embedder: embeds images from files.
            engine: what proposes images for exact scores; left out, every image is scored.
            shortlist: images that it proposes for each query.
            device: where gallery and heads are put, and methods run.
            lambda_: of the search, unless one is given.
            tags: of each training image (of the gallery, where there are none), from which the methods `context` and
                `best` learn what images share; the labels serve where they are left out.
            context: a context map that was learnt before; one is learnt when it is first needed (about a minute for
                more than some thousand images) where none is given.

        Raises:
            ValueError: a part is damaged, or they do not fit together; the message says which and how.
        """
        source = MemorySource(
            heads,
            labels,
            gallery,
            truth=truth,
            training=training,
            held_out=held_out,
            temperatures=temperatures,
            students=students,
            engine=engine,
            shortlist=whole_of(shortlist, "shortlist", least=1),
            device=device_of(device),
            tags=tags,
            context=context,
        )
        self._take(source, keys, AnswerConfig(Adam(number_of(lambda_, "lambda_"))), embedder)

    @classmethod
    def over(
        cls, source: Source, keys: Sequence[Any] | None, usual: AnswerConfig, embedder: Embedder | None = None
    ) -> "Searcher":
        """A searcher over any source of parts, such as a run.

        Args:
            source: where they come from.
            keys: what the images of the gallery are called.
            usual: the settings unless others are given.
            embedder: embeds images from files.
        """
        made_ = cls.__new__(cls)
        made_._take(source, keys, usual, embedder)
        return made_

    def _take(self, source: Source, keys: Sequence[Any] | None, usual: AnswerConfig, embedder: Embedder | None) -> None:
        self.keys = None if keys is None else keys_of(keys, len(source.gallery))
        self.assembler, self.usual, self._embedder = Assembler(source), usual, embedder

    @property
    def labels(self) -> Mapping[str, Sequence[str]]:
        """By attribute the names of its classes."""
        return self.assembler.source.classes

    @property
    def gallery(self) -> Tensor:
        """The embeddings (N, E)."""
        return self.assembler.source.gallery.vectors.whole()

    @property
    def context(self) -> ContextMap:
        """The context map, which can serve another searcher on the same heads: learnt now if none is there yet.

        Raises:
            MissingError: this searcher is over a run without one, and was opened not to learn it.
            StaleError: that of the run was learnt from other embeddings.
        """
        return self.assembler.source.context()

    def __len__(self) -> int:
        """The number of images."""
        return len(self.assembler.source.gallery)

    @torch.inference_mode(False)
    def search(
        self,
        queries: Any,
        condition: Condition | Sequence[Condition],
        *,
        method: str = "teacher",
        k: int = 10,
        **settings: Any,
    ) -> Found:
        """Find the images most like each query that meet a condition.

        Args:
            queries: embeddings (B, E), or one (E,); torch or NumPy.
            condition: one for all queries, or a list with one for each, all on the same attributes.
            method: a name of `methods()`.
            k: hits per query; of a smaller gallery all images.
            settings: of teacher and student `solver` ("adam", "manifold", or a solver with its own settings), of adam
                `lambda_` (one for all queries or for each, 0 or more), `lr` (above 0), `max_itr` (1 or more),
                `early_stopping`, of manifold `target_probability` (between 0 and 1); of a student that was given to
                this searcher `lambda_` alone, if it takes it as an input; of best, context, shift_null and concept_null
                `strength` (a number of 0 or more, or "auto" with its `aim`, such as "precision=0.9"); of best,
                shift_null and class_shift `shift`; of all `rerank`, `seed` and `batch_size`. One that has no part in
                the method's answer is an error.

        Raises:
            OptionError: the condition, the method or a setting does not exist, or the method cannot answer; it is a
                `ValueError` too.
            ValueError: queries, `k` or a number cannot be meant.
        """
        inquiry, _ = self._inquiry(queries, condition, method, settings)
        return self._found(inquiry.answer(min(whole_of(k, "k", least=1), len(self))))

    @torch.inference_mode(False)
    def explain(
        self, query: Any, condition: Condition, *, method: str = "teacher", k: int = 10, **settings: Any
    ) -> Way:
        """The way of one query to its answer, with the probability of every class along it.

        Args:
            query: its embedding (E,) or (1, E).
            condition: what is wanted.
            method: as in `search`; one that moves in one step has a way of two points.
            k: hits at the end.
            settings: as in `search`.

        Raises:
            OptionError: as in `search`.
            ValueError: as in `search`; or there are several queries.
        """
        inquiry, names = self._inquiry(query, condition, method, settings)
        if len(inquiry.ask.queries) != 1:
            raise ValueError(f"{len(inquiry.ask.queries)} queries: explain takes one")
        answer, (points,) = inquiry.explained(min(whole_of(k, "k", least=1), len(self)))
        with torch.no_grad():
            chances = self.assembler.knowledge(names).heads.logits(points).softmax(2)
        labels = {name: self.labels[name] for name in names}
        probabilities = {name: chances[i, :, : len(labels[name])] for i, name in enumerate(names)}
        return Way(points, probabilities, labels, self._found(answer))

    def embed(self, images: Sequence[str | Path] | Sequence[Sequence[float]] | np.ndarray | Tensor) -> Tensor:
        """Embed images, for a searcher that was opened from a run: (B, E).

        Args:
            images: files; for a run that was trained on vectors, vectors of the same encoder (B, d) or (d,).

        Raises:
            DataError: an image cannot be read.
            OptionError: the run takes vectors, and these are files.
            ValueError: the vectors do not fit, or this searcher was made from embeddings alone.
        """
        if self._embedder is None:
            raise ValueError("this searcher has no network to embed images with: open it from a run, or give embedder=")
        return self._embedder(images)

    def methods(self, condition: Condition | None = None) -> list[str]:
        """The methods that can answer a condition, on one attribute, two or all; with one, those that can answer it."""
        if condition is not None:
            tasks = [tuple(read_condition(conditions_of([condition])[0], self.labels))]
        else:
            sizes = sorted({1, 2, len(self.labels)})
            tasks = [names for size in sizes for names in combinations(self.labels, size)]
        refusal = self.assembler.refusal
        return [name for name in METHODS if not all(refusal(name, names, self.usual) for names in tasks)]

    def save(self, folder: str | Path) -> Path:
        """Write heads, labels, embeddings, class means and the strengths chosen so far to a folder; see `storing.save`.

        Raises:
            ValueError: this searcher is over a run, or its keys are neither texts nor whole numbers.
            DataError: the folder's place is taken by a file.
        """
        source = self.assembler.source
        if not isinstance(source, MemorySource):
            raise ValueError("this searcher is over a run, which lies on disk: open it again by open_run")
        return save(source, self.keys, knob_value(self.usual.solver), Path(folder), self.assembler.strengths)

    @classmethod
    @torch.inference_mode(False)
    def load(
        cls,
        folder: str | Path,
        *,
        heads: Mapping[str, Any] | None = None,
        embedder: Embedder | None = None,
        engine: Engine | None = None,
        shortlist: int = 200,
        device: str | torch.device = "cpu",
    ) -> "Searcher":
        """Read what `save` wrote; see `storing.load`. Embedder, engine and device are not saved: give them again.

        Args:
            folder: its folder.
            heads: modules of the saved shapes, for heads that are no chain of known layers.
            embedder: as in the constructor, like `engine`, `shortlist` and `device`.
            engine: what proposes images.
            shortlist: images that it proposes for each query.
            device: where the methods run.

        Raises:
            MissingError: there is none, or a head or a file is missing.
            DataError: a file is damaged, or does not fit the others.
            ValueError: an argument cannot be meant.
        """
        where = {"engine": engine_of(engine), "shortlist": whole_of(shortlist, "shortlist", least=1)}
        stored = load(Path(folder), heads, device=device_of(device), **where)
        made_ = cls.over(stored.source, stored.keys, AnswerConfig(Adam(stored.lambda_)), embedder=embedder)
        for choice, value in stored.strengths.items():
            made_.assembler.keep_strength(choice, value)
        return made_

    def _inquiry(
        self, queries: Any, condition: Condition | Sequence[Condition], method: str, settings: Mapping[str, Any]
    ) -> tuple[Asked, tuple[str, ...]]:
        """The queries, ready to be answered, and the conditioned attributes."""
        how = settled(method, self.usual, settings)
        asked, names, conditions = self._asked(queries, condition)
        if words := self.assembler.refusal(method, names, how.config):
            raise OptionError(words)
        source = self.assembler.source
        if isinstance(source, MemorySource) and STUDENT in how.how.needs and (word := source.idle(names, settings)):
            raise OptionError(f"{word} has no part in the answer of this student of {'+'.join(names)}")
        return self.assembler.asked(method, names, asked, conditions, how.config, how.knobs(asked)), names

    def _asked(
        self, queries: Any, condition: Condition | Sequence[Condition]
    ) -> tuple[Tensor, tuple[str, ...], Conditions]:
        """Queries (B, E), the conditioned attributes, and the conditions on device and in precision of the gallery."""
        like = self.assembler.source.gallery.vectors.block(slice(0, 1))
        asked = queries_of(queries, like)
        several = not isinstance(condition, str | Mapping)
        each = conditions_of(condition if several else [condition])
        if several and len(each) != len(asked):
            raise ValueError(f"{len(each)} conditions for {len(asked)} queries: give one for all, or one for each")
        clauses = [read_condition(one, self.labels) for one in each]
        names = tuple(clauses[0])
        if any(tuple(one) != names for one in clauses):
            raise ValueError("the conditions are on different attributes: search for each kind by itself")
        shared: Sequence[Mapping[str, Clause]] = clauses if several else clauses * len(asked)
        conditions = Conditions.of(shared, {name: self.labels[name] for name in names})
        return asked, names, conditions.to(like.device, like.dtype)

    def _found(self, answer: Answer) -> Found:
        rows = answer.hits.rows
        keys = [[row if self.keys is None else self.keys[row] for row in each] for each in rows.tolist()]
        moved = answer.moved
        if not bool(moved.embeddings.isfinite().all()):
            raise ValueError("a query was moved to no finite numbers: a head or a student gives none for it")
        return Found(keys, rows, answer.hits.similarity, moved.embeddings, moved.steps, moved.stopped)
