"""From the state of the page to what it shows of one run, without any of the page's own parts."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.data.guesses import load_guessed
from backward_search.data.query_generation import Query
from backward_search.drawing.walks import Walk, walks
from backward_search.errors import OptionError
from backward_search.explorer.state import USUAL, State
from backward_search.explorer.uploads import Uploads
from backward_search.gallery.engines.index import EXACT, EngineSettings
from backward_search.gallery.memory import Hits
from backward_search.methods.asking import CONTEXT, STUDENT
from backward_search.methods.assembler import Assembler, why_exact
from backward_search.methods.config import AnswerConfig
from backward_search.methods.protocol import Method
from backward_search.methods.registry import DRAWN, METHODS
from backward_search.once import Once
from backward_search.runs.defaults import usual_config
from backward_search.runs.doubts import doubts
from backward_search.runs.evidence import meets, shared
from backward_search.runs.question import embedded
from backward_search.runs.run import Run
from backward_search.runs.source import RunSource
from backward_search.runs.task import Task, check_topk
from backward_search.solvers.protocol import Knob, knob_value
from backward_search.training.recognition import Recognition

FIRST = ("best", "shift_null", "teacher", "student", "unchanged")
"""The methods that are offered before the others."""
UNCHANGED = "unchanged"
CONDITIONED, UPLOADED = 32, 1000
"""Sets of conditioned attributes, and images from outside, of which it stays in memory what is known."""


@dataclass(frozen=True)
class ViewSettings:
    """What holds for every run.

    Attributes:
        hits: that are shown.
        engine: what finds them.
        device: where methods run.
        words: further options of the command that draws a state, by name.
    """

    hits: int
    engine: EngineSettings
    device: torch.device
    words: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundImage:
    """One hit.

    Attributes:
        row: its table row.
        score: what it was ranked by.
        labels: one for each trained attribute.
        shared: what it shares with the query; see `runs.evidence`.
        meets: whether it meets the condition; None without one.
    """

    row: int
    score: float
    labels: tuple[str, ...]
    shared: tuple[str, ...]
    meets: bool | None


@dataclass(frozen=True)
class View:
    """What a method shows: hits, the strength it had, and the seconds it took."""

    method: str
    found: list[FoundImage]
    strength: float | None
    seconds: float


@dataclass(frozen=True)
class Probabilities:
    """The way of the query: its points, and for each conditioned attribute the probability of each class (n + 1, K)."""

    walk: Walk
    labels: dict[str, list[str]]
    values: dict[str, Tensor]


class ExploredRun:
    """One run, loaded."""

    def __init__(self, run: Run, settings: ViewSettings, uploads: Uploads) -> None:
        """Load it.

        Raises:
            MissingError: C1 has not run, or C2 where another engine than the exact one is asked for.
        """
        self.run, self.settings, self._uploads = run, settings, uploads
        self.attributes, first = run.attributes, run.attributes[0]
        self._source = RunSource(run, "test", device=settings.device, engine=settings.engine)
        self.gallery = self._source.gallery
        self._task = Task.of(self._source, (first,), [Query("", "", {first: run.classes[first][0]})])
        check_topk(settings.hits, len(self._source.rows))
        self.table, self.keys = self._source.table, self._source.table.keys
        self._assembler, self._config = Assembler(self._source, most=CONDITIONED), usual_config(run.entry)
        self._once, self._uploaded = Once(), Once(UPLOADED)

    def checked(self, state: State) -> State:
        """The state, if all it names exists.

        Raises:
            OptionError: it does not.
        """
        if not 0 <= state.query < len(self.table):
            raise OptionError(f"there is no image {state.query}: the last is {len(self.table) - 1}")
        unknown = [name for name in state.choices if name not in self.attributes]
        unknown += [name for name in (state.method, state.beside) if name not in ("", USUAL) and name not in METHODS]
        if unknown or state.method in ("", USUAL):
            raise OptionError(f"{unknown[0] if unknown else state.method!r} does not exist here")
        for name, choice in state.choices.items():
            choice.clause(self.table.classes[name])
        if state.strength is not None and not 0 <= state.strength < 1e6:
            raise OptionError(f"the strength {state.strength} is not a number of 0 or more")
        if state.upload:
            self._uploads.find(state.upload)
        in_order = {name: state.choices[name] for name in self.attributes if name in state.choices}
        return replace(state, choices=in_order)  # what is known is kept for each order

    def methods(self, state: State) -> list[str]:
        """The methods that can answer this condition; without one, those that could answer a plain one."""
        task = self._task_of(state)
        return [name for name in _offered() if not self._refusal(name, task)]

    @property
    def refusals(self) -> str:
        """Why some methods are never offered, in words; "" where engine and context map serve all."""
        behind = self.settings.engine.engine != EXACT
        words = [why_exact(METHODS.find(name)) for name in _offered()] if behind else []
        if self._source.lacks(CONTEXT, (), self._config):
            mapped = " and ".join(name for name in _offered() if CONTEXT in METHODS[name].needs)
            words.append(f"{mapped} need a context map: {self.run.command('C4.Learn-Context.py')} learns it")
        return "; ".join(filter(None, words))

    def _refusal(self, name: str, task: Task) -> str:
        """Why a method cannot answer; "" where it can."""
        if STUDENT in METHODS.find(name).needs and not task.conditions.plain:
            return "the student knows single classes only"
        return self._assembler.refusal(name, task.conditioned, self._config)

    def method(self, state: State) -> str:
        """The state's method; the first of `methods` where it cannot answer this condition."""
        there = self.methods(state)
        return state.method if state.method in there else there[0]

    def slider(self, state: State) -> Knob | None:
        """The knob of the state's method; None without condition or knob."""
        return METHODS.find(self.method(state))().slider(self._config) if state.choices else None

    def strength(self, state: State) -> float | None:
        """Where the slider stands: the state's own strength or its method's; None without condition or slider."""
        if not state.choices:
            return None
        how: Method = METHODS.find(self.method(state))()
        return self._standing(how, self._config_of(how, state))

    def view(self, state: State) -> View:
        """What the state's method finds; without a condition, what is like the query."""
        how: Method = METHODS.find(self.method(state) if state.choices else UNCHANGED)()
        start = time.perf_counter()
        embedding, task, config = self.embedding(state), self._task_of(state), self._config_of(how, state)
        hits = self._assembler.answer(
            how.name, task.conditioned, embedding, task.conditions, config, self.settings.hits
        ).hits
        found = self._found(hits, task, state)
        strength = self._standing(how, config) if state.choices else None
        return View(how.name, found, strength, time.perf_counter() - start)

    def embedding(self, state: State) -> Tensor:
        """The query's embedding (1, E); that of an image from outside is made on the spot."""
        if not state.upload:
            return self._source.embeddings[[state.query]]
        file = self._uploads.find(state.upload)
        return self._uploaded(state.upload, lambda: embedded(self.run, file, self.settings.device))

    def way(self, state: State) -> Probabilities | None:
        """The teacher's way, under the strength if the teacher is chosen; None without a condition."""
        if not state.choices:
            return None
        task, solver = self._task_of(state), self._config.solver
        own = state.strength if METHODS.find(self.method(state)).searches else None
        value = knob_value(solver) if own is None else own
        embedding = self.embedding(state)
        conditions = task.conditions.to(embedding.device, embedding.dtype)
        (walk,) = walks(self._assembler, task.conditioned, embedding, conditions, self._config, [value])
        with torch.no_grad():
            chances = self._assembler.knowledge(task.conditioned).heads.logits(walk.points).softmax(2)
        labels = {name: self.table.classes[name] for name in task.conditioned}
        values = {name: chances[i, :, : len(labels[name])] for i, name in enumerate(task.conditioned)}
        return Probabilities(walk, labels, values)

    @property
    def rows(self) -> np.ndarray:
        """The table rows of the gallery (N,)."""
        return self._source.rows

    def embeddings(self, rows: np.ndarray) -> Tensor:
        """The embeddings of some images (M, E)."""
        return self._source.embeddings[torch.from_numpy(rows).to(self._source.device)]

    def meets(self, state: State, rows: np.ndarray) -> np.ndarray:
        """Which of some images meet the condition, (M,) bool."""
        return np.asarray(meets(self._task_of(state), rows[None])[0])

    def like(self, state: State, rows: np.ndarray) -> np.ndarray:
        """Which of some images have the query's labels in the conditioned attributes, (M,) bool."""
        ids = self.table.ids
        return np.asarray(np.logical_and.reduce([ids[name][rows] == ids[name][state.query] for name in state.choices]))

    def own(self, state: State) -> list[str]:
        """The query's labels in the conditioned attributes."""
        return [self.table.classes[name][int(self.table.ids[name][state.query])] for name in state.choices]

    def image(self, row: int) -> Path:
        """The file of an image of the table."""
        return self.run.data.image(self.table.paths[row])

    def name(self, row: int) -> str:
        """What an image without a picture is called; "" for one that is seen."""
        return "" if self.run.picture(self.table.paths[row]) else self.keys[row]

    def query_image(self, state: State) -> Path:
        """The file of the query."""
        return self._uploads.find(state.upload) if state.upload else self.image(state.query)

    def query_text(self, state: State) -> tuple[str, tuple[str, ...]]:
        """What is known about the query: key and labels."""
        return ("an image of yours", ()) if state.upload else (self.keys[state.query], self.labels(state.query))

    def doubts(self, state: State) -> list[Recognition]:
        """Those of the classes asked for that their heads hardly know, the worst first."""
        return [one for _, one in doubts(self._task_of(state))] if state.choices else []

    def guessed(self, state: State) -> list[str]:
        """The conditioned attributes of which labels are guesses of class vectors."""
        known = self._once("guessed", lambda: load_guessed(self.run.data))
        return [name for name in state.choices if name in known]

    def labels(self, row: int) -> tuple[str, ...]:
        """The labels of an image, one for each trained attribute."""
        return tuple(self.table.classes[name][int(self.table.ids[name][row])] for name in self.attributes)

    def drawing(self, state: State) -> dict[str, object]:
        """The options with which E2 draws this state, beside those of the run.

        Raises:
            OptionError: there is no condition.
        """
        if not state.choices:
            raise OptionError("choose a condition first: E2 draws what is found under one")
        words: dict[str, object] = {**self.settings.words, "condition": state.condition}
        if state.upload:
            words["query_image"] = self._uploads.find(state.upload)
        else:
            words["query"] = self.keys[state.query]
        if self.method(state) not in DRAWN:
            words["methods"] = f"{UNCHANGED},{self.method(state)}"
        knob = self.slider(state)
        if state.strength is not None and knob is not None:
            words[knob.option] = state.strength
        return words

    def command(self, state: State) -> str:
        """The command that draws this state."""
        return self.run.command("E2.Model-Query-Visualization.py", **self.drawing(state))

    def _task_of(self, state: State) -> Task:
        if not state.choices:
            return self._task
        clauses = {name: choice.clause(self.table.classes[name]) for name, choice in state.choices.items()}
        conditions = Conditions.of([clauses], {name: self.table.classes[name] for name in clauses})
        return replace(self._task, conditioned=tuple(clauses), clauses=[clauses], conditions=conditions)

    def _config_of(self, how: Method, state: State) -> AnswerConfig:
        """The settings with the slider where it stands, or where the method has it."""
        if state.strength is not None and how.slider(self._config) is not None:
            return how.at(self._config, state.strength)
        return self._assembler.settled(how.name, self._task_of(state).conditioned, self._config)

    @staticmethod
    def _standing(how: Method, config: AnswerConfig) -> float | None:
        """Where the slider of a method stands; None where it has none."""
        value = how.strength(config) if how.slider(config) is not None else None
        assert not isinstance(value, str)
        return value

    def _found(self, hits: Hits, task: Task, state: State) -> list[FoundImage]:
        rows = task.gallery_rows[hits.rows.cpu().numpy()]  # (1, k)
        query = -1 if state.upload else state.query
        (common,) = shared(task, [query], rows, conditioned=tuple(state.choices))
        good = meets(task, rows)[0].tolist() if state.choices else [None] * rows.shape[1]
        each = zip(rows[0].tolist(), hits.similarity[0].tolist(), common, good, strict=True)
        return [FoundImage(row, score, self.labels(row), words, met) for row, score, words, met in each]


def _offered() -> list[str]:
    """The methods that can be chosen, as the menu has them."""
    there = [name for name in METHODS if METHODS[name].offered]
    return sorted(there, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
