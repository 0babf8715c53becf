"""Heads and embeddings in memory as what an assembler draws on."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from backward_search.context.network import ContextMap
from backward_search.errors import MissingError
from backward_search.gallery.memory import Engine, Gallery
from backward_search.library.checks import class_ids, finite_rows, matrix
from backward_search.library.context import given_context, learnt, tags_of
from backward_search.library.parts import engine_of, frozen_head, frozen_student, labels_of, temperatures_of
from backward_search.methods.asking import LABELS, STUDENT
from backward_search.methods.concept import ClassMeans
from backward_search.methods.config import AnswerConfig
from backward_search.methods.source import Embedded, means_of
from backward_search.model.network import Head
from backward_search.once import Once
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.modules import ModuleHeads
from backward_search.solvers.protocol import Heads
from backward_search.solvers.registry import SOLVERS
from backward_search.student.frozen import FrozenStudent
from backward_search.student.network import Student

BLOCK = 4096
"""Embeddings that go through a head at once."""

StudentKey = tuple[str, ...]
"""The conditioned attributes of a student, in order."""


class MemorySource:
    """A gallery, heads, and perhaps training images and students, in memory; see `methods.source.Source`."""

    def __init__(
        self,
        heads: Mapping[str, Any],
        labels: Mapping[str, Sequence[str]],
        gallery: Any,
        *,
        truth: Mapping[str, Any] | None = None,
        training: tuple[Any, Mapping[str, Any]] | None = None,
        held_out: Any = None,
        temperatures: Mapping[str, float] | None = None,
        students: Mapping[StudentKey, Student] | None = None,
        engine: Engine | None = None,
        shortlist: int = 0,
        device: torch.device | None = None,
        tags: Sequence[Collection[str]] | None = None,
        context: ContextMap | None = None,
    ) -> None:
        """Check the parts and take them; see `searcher.Searcher`.

        Raises:
            ValueError: a part is damaged, or they do not fit together.
        """
        place = device or torch.device("cpu")
        vectors = matrix(gallery, "gallery").to(place)
        finite_rows(vectors, "gallery")
        if set(heads) != set(labels):
            raise ValueError(f"heads are of {sorted(heads)}, labels of {sorted(labels)}")
        if not heads:
            raise ValueError("there are no heads: give one for each attribute")
        self.classes = {name: labels_of(name, labels[name]) for name in heads}
        self.modules: dict[str, nn.Module] = {}
        for name, head in heads.items():
            self.modules[name] = frozen_head(name, head, vectors, self.classes[name])
        self.temperatures = temperatures_of(temperatures or {}, self.classes)
        self.gallery = Gallery(vectors, engine_of(engine), shortlist)
        given = (students or {}).items()
        self.students = {names: frozen_student(names, each, self.classes, vectors) for names, each in given}
        self._once = Once()
        self.known_mean: Tensor | None = None
        self.known_means: dict[str, Tensor] | None = None
        self.shown = self._embedded("gallery", vectors, {} if truth is None else truth)
        self.training: Embedded | None = None
        self.held_out: Tensor | None = None
        if training is None and held_out is not None:
            raise ValueError("held_out names rows of the training images: give training= too")
        if training is not None:
            self._take_training(training, held_out)
        whose = "the gallery is" if training is None else "training is"
        self.tags = tags_of(tags, len(self.trained.embeddings), whose)
        self.known_context = given_context(context, list(self.classes), vectors)

    @property
    def trained(self) -> Embedded:
        """The training images; the gallery, where there are none."""
        return self.shown if self.training is None else self.training

    def means(self, names: Sequence[str]) -> ClassMeans:
        """The class means of the training images in some attributes: those that were saved, or made now."""
        if self.known_means is None or self.known_mean is None:
            return means_of(self.trained, names, self.classes)
        place = self.shown.embeddings
        return ClassMeans(self.known_mean.to(place), {name: self.known_means[name].to(place) for name in names})

    def heads(self, names: Sequence[str], *, calibrated: bool) -> Heads:
        """The heads of some attributes: our own in one product, any others as modules."""
        modules = [self.modules[name] for name in names]
        scales = [self.temperatures.get(name, 1.0) for name in names] if calibrated else None
        vectors = self.shown.embeddings
        if all(isinstance(module, Head) for module in modules):
            return FrozenHeads.of(modules, vectors.device, vectors.dtype, scales)  # type: ignore[arg-type]
        most = max(len(self.classes[name]) for name in names)
        return ModuleHeads(tuple(modules), most, None if scales is None else tuple(scales))

    def student(self, names: Sequence[str], config: AnswerConfig) -> FrozenStudent:
        """The student of some attributes.

        Raises:
            MissingError: there is none.
        """
        if words := self.lacks(STUDENT, names, config):
            raise MissingError(words)
        return self.students[tuple(names)]

    def context(self) -> ContextMap:
        """The context map: the one that was given or saved, or one that is learnt now and kept."""
        return self._once("context", self._context)

    def _context(self) -> ContextMap:
        if self.known_context is None:
            self.known_context = learnt(self.trained, self.held_out, self.tags, self.classes)
        return self.known_context

    def idle(self, names: Sequence[str], given: Iterable[str]) -> str:
        """A setting of the solver that has no part in what the student of some attributes answers; "" where all have.

        There is one student for the attributes, whatever its teacher was: of the settings lambda alone can be an input.
        """
        own = self.students.get(tuple(names))
        taken = ["lambda_"] if own is not None and own.student.config.lambda_range is not None else []
        of_solvers = {"solver", *(field for kind in SOLVERS.values() for field in kind.settings)}
        return min((name for name in given if name in of_solvers and name not in taken), default="")

    def lacks(self, need: str, names: Sequence[str], config: AnswerConfig) -> str:
        """Why what a method needs is not there; see `methods.source.Source`."""
        del config
        if need == STUDENT and tuple(names) not in self.students:
            return f"there is no student of {'+'.join(names)}: give one, or use the teacher"
        unknown = [name for name in names if name not in self.shown.ids]
        if need == LABELS and unknown:
            return (
                f"the gallery's true labels of {', '.join(unknown)} are not known: give truth={{{unknown[0]!r}: ...}}"
            )
        return ""

    def keep_logits(self, what: str, name: str, logits: Tensor) -> None:
        """Take the logits (N, K) of an attribute as known, so that its head is not asked.

        Args:
            what: gallery or training.
            name: the attribute.
            logits: theirs.
        """
        self._once((what, name), lambda: logits.to(self.shown.embeddings))

    def _take_training(self, training: Any, held_out: Any) -> None:
        if not isinstance(training, tuple | list) or len(training) != 2:
            raise ValueError("training: expected a pair, embeddings (N, E) and by attribute the class ids (N,)")
        embeddings, ids = training
        vectors = matrix(embeddings, "training", width=self.shown.embeddings.shape[1]).to(self.shown.embeddings)
        finite_rows(vectors, "training")
        self.training = self._embedded("training", vectors, ids)
        if held_out is not None:
            self.held_out = class_ids(held_out, "held_out", None, len(vectors)).to(vectors.device)

    def _embedded(self, what: str, vectors: Tensor, known: Mapping[str, Any]) -> Embedded:
        if not isinstance(known, Mapping):
            raise ValueError(f"labels of the {what}: expected class ids by attribute, got {type(known).__name__}")
        for name in known:
            if name not in self.classes:
                raise ValueError(
                    f"labels of the {what} in {name}, which has no head: there are {', '.join(self.classes)}"
                )
        ids = {
            name: class_ids(values, f"{what} labels of {name}", len(self.classes[name]), len(vectors)).to(
                vectors.device
            )
            for name, values in known.items()
        }

        def logits(name: str) -> Tensor:
            """By the head, all at once, and kept."""
            return self._once((what, name), lambda: logits_of(name, self.modules[name], vectors))

        return Embedded(vectors, ids, logits)


@torch.no_grad()
def logits_of(name: str, module: nn.Module, vectors: Tensor) -> Tensor:
    """The logits (N, K) of an attribute's head on embeddings (N, E).

    Raises:
        ValueError: some are no finite numbers.
    """
    logits = torch.cat([module(part) for part in torch.split(vectors, BLOCK)])
    finite_rows(logits, f"what the head of {name} gives")
    return logits


Embedder = Callable[[Any], Tensor]
"""Embeds images from files: (B, E)."""
