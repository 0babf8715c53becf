"""A run on disk as what an assembler draws on: one split as the gallery, and the training split beside it."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from backward_search.context.network import ContextMap
from backward_search.data.prepared import load_tags
from backward_search.data.tables import Table, Tags
from backward_search.errors import MissingError
from backward_search.gallery.engines.index import EngineSettings
from backward_search.gallery.memory import Gallery
from backward_search.methods.asking import CONTEXT, STUDENT, TRAINING
from backward_search.methods.concept import ClassMeans
from backward_search.methods.config import AnswerConfig
from backward_search.methods.source import Embedded, means_of
from backward_search.once import Once
from backward_search.runs.context import REMEDY, learnt_now, load_context
from backward_search.runs.heads import frozen_heads
from backward_search.runs.index import split_engine
from backward_search.runs.run import Run
from backward_search.runs.students import StudentChoice, load_student, student_paths
from backward_search.solvers.protocol import Heads
from backward_search.student.frozen import FrozenStudent
from backward_search.training.recognition import Recognition, confusion, recognitions


class RunSource:
    """The images of one split of a run, its heads, students and training images."""

    def __init__(
        self,
        run: Run,
        split: str,
        *,
        device: torch.device,
        engine: EngineSettings | None = None,
        omit_tagless: bool = True,
        learn_context: bool = False,
    ) -> None:
        """Load the split's embeddings; the rest is loaded when it is asked for.

        Args:
            run: the trained model.
            split: whose images are the gallery.
            device: where methods run.
            engine: what finds the images near a query; every one is scored where it is left out.
            omit_tagless: leave images without any tag out of the gallery, unless none has one.
            learn_context: learn a context map in memory when one is asked for and none has been learnt.

        Raises:
            MissingError: an earlier stage has not run.
        """
        self.run, self.split, self.device = run, split, device
        self.table: Table = run.load_table(split)
        self.tags: Tags = load_tags(run.data)
        tagged = np.array([bool(self.tags.query_tags.get(key)) for key in self.table.keys])
        if not omit_tagless or not tagged.any():  # a split without any tag loses no image
            tagged[:] = True
        self.rows: np.ndarray = np.flatnonzero(tagged)
        """The table row of each image of the gallery, (N,)."""
        self.embeddings = torch.tensor(run.load_embeddings(split, self.table.keys), device=device)
        """Those of the whole table."""
        self._engine, self._once, self._learn_context = engine or EngineSettings(), Once(), learn_context

    @property
    def gallery(self) -> Gallery:
        """The images behind the engine.

        Raises:
            MissingError: its index has not been built, or its package is not installed.
            StaleError: the index is that of other embeddings, or of other images.
        """
        return self._once("gallery", self._gallery)

    @property
    def shown(self) -> Embedded:
        """The images of the gallery."""
        return self._once("shown", lambda: self._embedded(self.table, self.rows, self.gallery.vectors.whole()))

    @property
    def trained(self) -> Embedded:
        """The training split.

        Raises:
            MissingError: C1 has not run on it.
        """
        return self._once("trained", self._trained)

    @property
    def held_out(self) -> Tensor:
        """The rows of the training images that were kept from training."""
        return self._once("held out", lambda: torch.from_numpy(self.run.held_out()).to(self.device))

    @property
    def temperatures(self) -> Mapping[str, float]:
        """By attribute, what the logits of its head are divided by to be calibrated."""
        return self._once("temperatures", self.run.temperatures)

    @property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """By attribute the names of its classes."""
        return self.run.classes

    def recognised(self, name: str) -> Mapping[str, Recognition]:
        """By label, how well the head of an attribute recognises the classes of the split's images.

        Raises:
            UserError: the split's logits are not there, or damaged.
        """
        return self._once(("recognised", name), lambda: self._recognised(name))

    def means(self, names: Sequence[str]) -> ClassMeans:
        """The class means of the training split in some attributes."""
        return means_of(self.trained, names, self.classes)

    def heads(self, names: Sequence[str], *, calibrated: bool) -> Heads:
        """The heads of some attributes."""
        return frozen_heads(self.run, names, self.device, calibrated=calibrated)

    def context(self) -> ContextMap:
        """The context map; see `context.load_context`."""
        learns = self._learn_context and not self.run.paths.context.manifest.exists()
        made = learnt_now if learns else load_context
        return self._once("context", lambda: made(self.run, self.device))

    def student(self, names: Sequence[str], config: AnswerConfig) -> FrozenStudent:
        """The student of some attributes; see `students.load_student`."""
        return load_student(self.run, names, config.solver, self._choice(config), self.device)

    def lacks(self, need: str, names: Sequence[str], config: AnswerConfig) -> str:
        """Why what a method needs is not there; see `methods.source.Source`."""
        if need == TRAINING and not self.run.paths.embeddings("train").exists():
            return "the training split has no embeddings: run C1.ModelTest.py"
        if need == CONTEXT and not self._learn_context and not self.run.paths.context.manifest.exists():
            return f"no context map at {self.run.paths.context.folder}: {REMEDY}"
        if need == STUDENT:
            paths = student_paths(self.run, names, config.solver, self._choice(config))
            if not paths.manifest.exists():
                return f"no student at {paths.folder}: run D1.Train-KD-Model.py"
        return ""

    def _choice(self, config: AnswerConfig) -> StudentChoice:
        if isinstance(config.student, StudentChoice):
            return config.student
        raise MissingError("no student is named: give a StudentChoice")

    def _recognised(self, name: str) -> Mapping[str, Recognition]:
        labels, logits = self.run.classes[name], self.run.stored_logits(self.split, name)
        found = recognitions(confusion(logits.argmax(1), self.table.ids[name], len(labels)), labels)
        return {one.label: one for one in found}

    def _gallery(self) -> Gallery:
        embeddings = self.embeddings[torch.from_numpy(self.rows).to(self.device)]
        return Gallery(embeddings, split_engine(self.run, self.split, self._engine, self.rows), self._engine.shortlist)

    def _trained(self) -> Embedded:
        table = self.run.load_table("train")
        embeddings = torch.tensor(self.run.load_embeddings("train", table.keys), device=self.device)
        return self._embedded(table, np.arange(len(table)), embeddings)

    def _embedded(self, table: Table, rows: np.ndarray, embeddings: Tensor) -> Embedded:
        ids = {name: torch.tensor(table.ids[name][rows], device=self.device) for name in self.run.classes}

        def logits(name: str) -> Tensor:
            """Those that C1 stored."""
            return torch.from_numpy(self.run.stored_logits(table.split, name)[rows]).to(self.device)

        return Embedded(embeddings, ids, logits)
