"""From the state of the page to what it shows, without any of the page's own parts."""

import dataclasses
import shlex
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backward_search.cli import VisualizeOptions, next_command
from backward_search.conditions.wishes import Wishes
from backward_search.data.query_generation import Query
from backward_search.drawing.walks import Walk, walks
from backward_search.errors import OptionError
from backward_search.explorer.state import State
from backward_search.explorer.uploads import Uploads
from backward_search.gallery.memory import Hits
from backward_search.images.opening import open_picture
from backward_search.methods.answers import Answerer
from backward_search.methods.registry import METHODS
from backward_search.runs.movers import student_folder
from backward_search.runs.question import embed_images
from backward_search.runs.run import Run
from backward_search.runs.task import Task, check_topk

OFFERED = ("best", "teacher", "student", "unchanged", "class_shift", "predicted_filter")
UNCHANGED = "unchanged"
DRAWN = (UNCHANGED, "teacher", "student", "best")
"""What E2 draws unless it is told otherwise."""


@dataclass(frozen=True)
class Strength:
    """What the slider of a method means: words, least and largest value."""

    words: str
    least: float
    most: float


LAMBDA = Strength("lambda: larger stays closer to the query", 0.0, 5.0)
SHIFT = Strength("share of the shift from class to class", 0.0, 2.0)
STRENGTH = Strength("0: what is like the query; 1 and more: what meets the condition", 0.0, 2.0)
STRENGTHS = {"best": STRENGTH, "teacher": LAMBDA, "class_shift": SHIFT}
"""The other methods have none."""


@dataclass(frozen=True)
class Found:
    """One hit: its table row, score, labels, the tags it shares with the query, and whether it meets the condition."""

    row: int
    score: float
    labels: tuple[str, ...]
    shared: tuple[str, ...]
    meets: bool


@dataclass(frozen=True)
class View:
    """What a method shows: hits, the strength it had, and the seconds it took."""

    method: str
    found: list[Found]
    strength: float | None
    seconds: float


@dataclass(frozen=True)
class Probabilities:
    """The way of the query: its points, and for each conditioned attribute the probability of each class (n + 1, K)."""

    walk: Walk
    labels: dict[str, list[str]]
    values: dict[str, Tensor]


class Engine:
    """One run, loaded."""

    def __init__(self, options: VisualizeOptions, uploads: Uploads) -> None:
        """Load it.

        Raises:
            MissingError: C1 has not run, or C2 where another engine than the exact one is asked for.
        """
        self.options, self._uploads = options, uploads
        self.run, self.attributes = Run.open(options), options.attributes
        first = self.attributes[0]
        alone = dataclasses.replace(options, condition_on=first)
        self._task = Task.of(self.run, alone, options.split, [Query("", "", {first: self.run.classes[first][0]})])
        check_topk(options.search_topk, len(self._task.gallery_rows))
        self.table, self.keys = self._task.table, self._task.table.keys
        self.gallery = self._task.gallery(self.run, options)
        self._tags = self._task.gallery_tags()
        self._place = {int(row): place for place, row in enumerate(self._task.gallery_rows)}
        self._answerers: dict[tuple[tuple[str, ...], str], Answerer] = {}
        self._lock = threading.Lock()
        self._outside: dict[str, Tensor] = {}

    def checked(self, state: State) -> State:
        """The state, if all it names exists.

        Raises:
            OptionError: it does not.
        """
        if not 0 <= state.query < len(self.table):
            raise OptionError(f"there is no image {state.query}: the last is {len(self.table) - 1}")
        unknown = [name for name in state.choices if name not in self.attributes]
        if unknown or state.method not in METHODS:
            raise OptionError(f"{unknown[0] if unknown else state.method!r} does not exist here")
        for name, choice in state.choices.items():
            choice.wanted(self.table.classes[name])
        if state.strength is not None and not 0 <= state.strength < 1e6:
            raise OptionError(f"the strength {state.strength} is not a number of 0 or more")
        if state.upload:
            self._uploads.find(state.upload)
        return state

    def methods(self, state: State) -> list[str]:
        """The methods that can answer this condition; without one, those that could answer a plain one."""
        task, there = self._task_of(state), []
        known = self.run.paths.embeddings("train").exists()
        for name in OFFERED:
            if METHODS[name].move == "student" and not (task.wishes.plain and self._has_student(task)):
                continue
            if self.options.refusal(name):
                continue
            if known or not METHODS[name].needs_background:
                there.append(name)
        return there

    @property
    def refusals(self) -> str:
        """Why some methods are never offered, in words; "" where the engine serves all."""
        return "; ".join(filter(None, map(self.options.refusal, OFFERED)))

    def method(self, state: State) -> str:
        """The state's method; the first of `methods` where it cannot answer this condition."""
        there = self.methods(state)
        return state.method if state.method in there else there[0]

    def strength(self, state: State) -> float | None:
        """Where the slider stands: the state's own strength or its method's; None without condition or slider."""
        method = self.method(state)
        if method not in STRENGTHS or not state.choices:
            return None
        return self._strength(self._answerer(self._task_of(state), method), method, state)

    def view(self, state: State) -> View:
        """What the state's method finds; without a condition, what is like the query."""
        method = self.method(state) if state.choices else UNCHANGED
        start = time.perf_counter()
        embedding, task = self.embedding(state), self._task_of(state)
        if method == UNCHANGED:
            hits, strength = self.gallery.search(embedding, self.options.search_topk), None
        else:
            answerer = self._answerer(task, method)
            strength = self._strength(answerer, method, state)
            hits = self._hits(_set(answerer, method, strength), method, embedding, task)
        found = self._found(hits, task, self._own_tags(state), conditioned=bool(state.choices))
        return View(method, found, strength if method in STRENGTHS else None, time.perf_counter() - start)

    def embedding(self, state: State) -> Tensor:
        """The query's embedding (1, E); that of an image from outside is made on the spot."""
        if not state.upload:
            return self._task.embeddings[[state.query]]
        with self._lock:
            if state.upload not in self._outside:
                device = self._task.device
                image = open_picture(self._uploads.find(state.upload))
                self._outside[state.upload] = embed_images(self.run.load_model(device), self.run.look, [image], device)
        return self._outside[state.upload]

    def way(self, state: State) -> Probabilities | None:
        """The teacher's way, under the strength if the teacher is chosen; None without a condition."""
        if not state.choices:
            return None
        task = self._task_of(state)
        answerer = self._answerer(task, "teacher")
        own = state.strength if self.method(state) == "teacher" else None
        value = answerer.lambda_ if own is None else own
        (walk,) = walks(answerer, self.embedding(state), task.targets("teacher"), [value])
        with torch.no_grad():
            chances = answerer.teacher.heads.logits(walk.points).softmax(2)
        labels = {name: self.table.classes[name] for name in task.conditioned}
        values = {name: chances[i, :, : len(labels[name])] for i, name in enumerate(task.conditioned)}
        return Probabilities(walk, labels, values)

    @property
    def rows(self) -> np.ndarray:
        """The table rows of the gallery (N,)."""
        return self._task.gallery_rows

    def embeddings(self, rows: np.ndarray) -> Tensor:
        """The embeddings of some images (M, E)."""
        return self._task.embeddings[torch.from_numpy(rows).to(self._task.device)]

    def meets(self, state: State, rows: np.ndarray) -> np.ndarray:
        """Which of some images meet the condition, (M,) bool."""
        task = self._task_of(state)
        return np.asarray(task.wishes.worth([task.table.ids[name][rows] for name in task.conditioned])[0] > 0)

    def like(self, state: State, rows: np.ndarray) -> np.ndarray:
        """Which of some images have the query's labels in the conditioned attributes, (M,) bool."""
        ids = self.table.ids
        return np.asarray(np.logical_and.reduce([ids[name][rows] == ids[name][state.query] for name in state.choices]))

    def own(self, state: State) -> list[str]:
        """The query's labels in the conditioned attributes."""
        return [self.table.classes[name][int(self.table.ids[name][state.query])] for name in state.choices]

    def image(self, row: int) -> Path:
        """The file of an image of the table."""
        return self.options.data.image(self.table.paths[row])

    def query_image(self, state: State) -> Path:
        """The file of the query."""
        return self._uploads.find(state.upload) if state.upload else self.image(state.query)

    def query_text(self, state: State) -> tuple[str, tuple[str, ...]]:
        """What is known about the query: key and labels."""
        return ("an image of yours", ()) if state.upload else (self.keys[state.query], self.labels(state.query))

    def labels(self, row: int) -> tuple[str, ...]:
        """The labels of an image, one for each trained attribute."""
        return tuple(self.table.classes[name][int(self.table.ids[name][row])] for name in self.attributes)

    def drawing(self, state: State) -> VisualizeOptions:
        """The options with which E2 draws this state.

        Raises:
            OptionError: there is no condition.
        """
        if not state.choices:
            raise OptionError("choose a condition first: E2 draws what is found under one")
        changes: dict[str, object] = {"condition": state.condition}
        if state.upload:
            changes["query_image"] = str(self._uploads.find(state.upload))
        else:
            changes["query"] = self.keys[state.query]
        if self.method(state) not in DRAWN:
            changes["methods"] = f"{UNCHANGED},{self.method(state)}"
        if state.strength is not None:
            name = {"teacher": "inverse_lambda", "class_shift": "shift", "best": "strength"}.get(self.method(state))
            value: object = str(state.strength) if name == "strength" else state.strength
            changes |= {} if name is None else {name: value}
        return dataclasses.replace(self.options, **changes)  # type: ignore[arg-type]

    def command(self, state: State) -> str:
        """The command that draws this state."""
        return next_command(self.drawing(state), shlex.quote("E2.Model-Query-Visualization.py"), VisualizeOptions)

    def _task_of(self, state: State) -> Task:
        if not state.choices:
            return self._task
        wanted = {name: choice.wanted(self.table.classes[name]) for name, choice in state.choices.items()}
        wishes = Wishes.of([wanted], {name: self.table.classes[name] for name in wanted})
        return dataclasses.replace(self._task, conditioned=tuple(wanted), wishes=wishes)

    def _fitting(self, task: Task) -> VisualizeOptions:
        return dataclasses.replace(self.options, condition_on=",".join(task.conditioned))

    def _has_student(self, task: Task) -> bool:
        return (student_folder(self.run, self._fitting(task)) / "manifest.json").exists()

    def _answerer(self, task: Task, method: str) -> Answerer:
        with self._lock:
            if (task.conditioned, method) not in self._answerers:
                made = task.answerers(self.run, self._fitting(task), [method], self.gallery)[method]
                self._answerers[task.conditioned, method] = made
            return self._answerers[task.conditioned, method]

    def _strength(self, answerer: Answerer, method: str, state: State) -> float | None:
        if state.strength is not None:
            return state.strength
        own = {"teacher": answerer.lambda_, "class_shift": answerer.shift, "best": answerer.weight}
        value = own.get(method)
        return None if value is None else float(value)

    def _hits(self, answerer: Answerer, method: str, embedding: Tensor, task: Task) -> Hits:
        return answerer.answer(method, embedding, task.targets(method), self.options.search_topk).hits

    def _own_tags(self, state: State) -> set[str]:
        place = None if state.upload else self._place.get(state.query)
        return set() if place is None else self._tags[place]

    def _found(self, hits: Hits, task: Task, tags: set[str], *, conditioned: bool) -> list[Found]:
        places, scores = hits.rows[0].tolist(), hits.similarity[0].tolist()
        rows = task.gallery_rows[places]
        worth = task.wishes.worth([task.table.ids[name][rows] for name in task.conditioned])[0] > 0
        return [
            Found(int(row), score, self.labels(int(row)), _shared(tags, self._tags[place]), conditioned and bool(good))
            for row, place, score, good in zip(rows, places, scores, worth, strict=True)
        ]


def _shared(ours: set[str], theirs: set[str]) -> tuple[str, ...]:
    return tuple(sorted(ours & theirs))


def _set(answerer: Answerer, method: str, strength: float | None) -> Answerer:
    """The answerer with the slider where it stands."""
    if strength is None or method not in STRENGTHS:
        return answerer
    if method == "teacher":
        return answerer.at(strength)
    if method == "class_shift":
        return dataclasses.replace(answerer, shift=strength)
    return dataclasses.replace(answerer, weight=strength)
