"""What a figure of a query shows, put together from its answers; and the same as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from backward_search.drawing.exhibit import Card, Exhibit, Hit, Row
from backward_search.drawing.space import Space, Way
from backward_search.drawing.walks import NAMES, Walk, flattened, spots, stops, walks
from backward_search.evaluation.metrics import tag_similarity
from backward_search.gallery.memory import Gallery, Hits
from backward_search.methods.asking import STUDENT
from backward_search.methods.assembler import Assembler
from backward_search.methods.config import AnswerConfig
from backward_search.methods.protocol import Method
from backward_search.methods.registry import METHODS
from backward_search.runs.evidence import BETWEEN, TWIN, meets, shared, twins
from backward_search.runs.question import Question
from backward_search.runs.task import Task
from backward_search.solvers.protocol import knob_value

COLUMNS = (
    *("query", "condition", "method", "lambda", "rank", "hit"),
    *("score", "cosine_to_query", "tag_overlap", "meets", "shared"),
)
PATH_ROWS = 3


@dataclass(frozen=True)
class Figure:
    """What a figure is to show.

    Attributes:
        k: hits of a row.
        condition: what is wanted, in words; "" where each query wants its own.
        strengths: of the ways on the map, beside the search's own; for a solver that takes each.
        path_rows: rows for points on the way.
        map: how the map is made: tsne, umap or pca.
    """

    k: int
    condition: str = ""
    strengths: tuple[float, ...] = ()
    path_rows: int = 0
    map: str = "tsne"


@dataclass(frozen=True)
class Shown:
    """The hits of one method, or of a point on the teacher's way.

    Attributes:
        name: the method, or t_i.
        meant: the same in words, with the strength.
        title: above its row, which counts the hits that meet the condition too.
        lambda_: the search's, where there is one.
        kind: what its scores are: "cos" or "score".
        rows: gallery rows (k,).
        scores: theirs (k,).
        shared: what each shares with the query; see `runs.evidence`.
        twins: which show the very thing that the query shows; None where the data set has no groups.
    """

    name: str
    meant: str
    title: str
    lambda_: float | None
    kind: str
    rows: np.ndarray
    scores: np.ndarray
    shared: list[tuple[str, ...]]
    twins: np.ndarray | None


@dataclass(frozen=True)
class Asked:
    """A question to a task, and how it is to be answered and shown.

    Attributes:
        task: the task.
        question: the question.
        assembler: answers it.
        figure: what is shown.
        configs: by method how it answers.
    """

    task: Task
    question: Question
    assembler: Assembler
    figure: Figure
    configs: Mapping[str, AnswerConfig]

    @cached_property
    def meets(self) -> np.ndarray:
        """Which gallery images meet the condition, (N,) bool."""
        task = replace(self.task, conditions=self.question.conditions(self.task))
        return np.asarray(meets(task, task.gallery_rows[None])[0])

    @property
    def config(self) -> AnswerConfig:
        """How the search answers; all methods have the same solver."""
        return next(iter(self.configs.values()))

    @property
    def own(self) -> float | None:
        """The strength of the search for this query; None for a solver that has one for all queries."""
        solver = self.config.solver
        if not solver.each:
            return None
        own = self.question.knobs(self.task)
        return knob_value(solver) if own is None else float(own[0])

    @property
    def condition(self) -> str:
        """What is wanted, in words."""
        if self.figure.condition:
            return self.figure.condition
        return "; ".join(f"{name}={label}" for name, label in self.task.queries[self.question.place].condition.items())

    def shown(self, name: str, title: str, strength: float | None, hits: Hits, kind: str = "cos") -> Shown:
        """The hits of one query, with a title that names a strength, if there is one, and counts them."""
        rows, scores = hits.rows[0].cpu().numpy(), hits.similarity[0].cpu().numpy()
        solver = self.config.solver
        meant = title if strength is None else f"{title}, {solver.knob.word} {strength:g}"
        count = f"{meant}: {int(self.meets[rows].sum())} of {len(rows)} meet the condition"
        own, found = [-1 if self.question.row is None else self.question.row], self.task.gallery_rows[rows][None]
        (common,), same = shared(self.task, own, found), twins(self.task, own, found)
        fixed = strength if solver.each else None
        return Shown(name, meant, count, fixed, kind, rows, scores, common, None if same is None else same[0])

    def labels(self, row: int, names: Sequence[str] = ()) -> list[str]:
        """The labels of an image, of the conditioned attributes unless others are named."""
        table = self.task.table
        return [table.classes[name][int(table.ids[name][row])] for name in names or self.task.conditioned]

    def key(self, place: int) -> str:
        """The key of a gallery image."""
        return self._keys[int(self.task.gallery_rows[place])]

    def overlap(self, place: int) -> float | None:
        """How many tags a gallery image shares with the query; None where either has none."""
        known = self.question.row is not None and bool(self.task.tags.tags)
        return tag_similarity(self.question.tags, [self.task.tags_of(self.key(place))]) if known else None

    @cached_property
    def likeness(self) -> np.ndarray:
        """The cosine of the query with every gallery image, (N,)."""
        rows = torch.from_numpy(self.task.gallery_rows).to(self.task.source.device)
        return Gallery(self.task.embeddings[rows]).similarity(self.question.embedding)[0].cpu().numpy()

    @cached_property
    def _keys(self) -> list[str]:
        return self.task.table.keys


def answered(asked: Asked) -> list[Shown]:
    """The answers of the methods."""
    task, question = asked.task, asked.question
    rows = []
    for name, config in asked.configs.items():
        how, conditions = METHODS.find(name)(), question.conditions(task)
        knobs = question.knobs(task) if how.searches else None
        inquiry = asked.assembler.asked(name, task.conditioned, question.embedding, conditions, config, knobs)
        hits = inquiry.answer(asked.figure.k).hits
        title = {"teacher": "teacher (Backward Search)", "unchanged": "unchanged query"}.get(name, name)
        kind = "cos" if how.scores_cosines and not config.rerank else "score"
        rows.append(asked.shown(name, title, _strength(asked, how, config), hits, kind))
    return rows


def _strength(asked: Asked, how: Method, config: AnswerConfig) -> float | None:
    """The strength of the search, or of the student that imitates it; of one without a range its teacher's."""
    if not how.searches:
        return None
    fixed = STUDENT in how.needs and config.student.shape.lambda_range is None
    return knob_value(config.solver) if fixed or asked.own is None else asked.own


def walked(asked: Asked) -> tuple[list[Shown], list[Walk]]:
    """The hits at some points of the teacher's way, and its ways under several strengths."""
    own, task = asked.own, asked.task
    strengths: list[float | None] = [None] if own is None else [*sorted({*asked.figure.strengths, own})]
    conditions = asked.question.conditions(task).to(asked.question.embedding.device, asked.question.embedding.dtype)
    config = asked.configs["teacher"]
    ways = walks(asked.assembler, task.conditioned, asked.question.embedding, conditions, config, strengths)
    way = ways[strengths.index(own)]
    rows = []
    for step in stops(way.steps, asked.figure.path_rows or PATH_ROWS):
        hits = task.source.gallery.search(way.points[[step]], asked.figure.k)
        rows.append(asked.shown(f"t_{step}", _point(step, way.steps), own if step else None, hits))
    return rows, ways


def _point(step: int, last: int) -> str:
    where = {0: "t_0, the query", last: f"t_{step}, the end"}
    return where.get(step, f"t_{step}, on the way")


def space(asked: Asked, ways: Sequence[Walk]) -> Space:
    """The map of the gallery with the query's ways."""
    task, meets = asked.task, asked.meets
    own, own_name = _own_class(asked)
    chosen = spots(own | meets, len(meets), asked.config.seed)
    rows = torch.from_numpy(task.gallery_rows[chosen]).to(task.source.device)
    points, lines = flattened(task.embeddings[rows], [way.points for way in ways], asked.figure.map, asked.config.seed)
    rows_of = asked.figure.path_rows or PATH_ROWS
    drawn = [
        Way(way.strength, line, _names(way, rows_of) if way.strength == asked.own else ())
        for way, line in zip(ways, lines, strict=True)
    ]
    made, among, own = NAMES[asked.figure.map], asked.figure.map != "pca", (own & ~meets)[chosen]
    return Space(made, points, own, meets[chosen], own_name, asked.condition, drawn, among)


def _names(way: Walk, rows: int) -> list[tuple[int, str]]:
    return [(step, f"t_{step}") for step in stops(way.steps, rows)]


def _own_class(asked: Asked) -> tuple[np.ndarray, str]:
    """Which gallery images have the query's labels in the conditioned attributes; none for an image from outside."""
    task, row = asked.task, asked.question.row
    if row is None:
        return np.zeros(len(task.gallery_rows), bool), "unknown"
    same = [task.table.ids[name][task.gallery_rows] == task.table.ids[name][row] for name in task.conditioned]
    return np.logical_and.reduce(same), ", ".join(asked.labels(row))


def exhibit(asked: Asked, rows: Sequence[Shown], map_: Space | None) -> Exhibit:
    """What the figure shows."""
    shown = [Row(found.title, _hits(asked, found), found.name) for found in rows]
    return Exhibit(_card(asked), shown, map_, asked.task.source.run.look.opening)


def _card(asked: Asked) -> Card:
    question, table = asked.question, asked.task.table
    names = [name for name in asked.task.source.run.attributes if name in table.ids]
    labels = "" if question.row is None else ", ".join(asked.labels(question.row, names))
    tags = ", ".join(sorted(tag for tag in question.tags if tag))
    what = [("Condition", asked.condition), ("Labels of the query", labels), ("Tags of the query", tags)]
    return Card(question.image, question.name, what)


def _hits(asked: Asked, found: Shown) -> list[Hit]:
    hits = []
    for place, score, words in zip(found.rows.tolist(), found.scores.tolist(), found.shared, strict=True):
        row, overlap = int(asked.task.gallery_rows[place]), asked.overlap(place)
        numbers = [f"{found.kind} {score:.2f}", *([] if overlap is None else [f"tags {overlap:.2f}"])]
        image = asked.task.source.run.picture(asked.task.table.paths[row])
        hits.append(Hit(image, asked.labels(row), numbers, bool(asked.meets[place]), asked.key(place), words))
    return hits


def table(asked: Asked, rows: Sequence[Shown]) -> tuple[list[str], list[list[object]]]:
    """The hits as a table: header and lines; after `COLUMNS` come the labels of the conditioned attributes."""
    lines: list[list[object]] = []
    for found in rows:
        strength = "" if found.lambda_ is None else found.lambda_
        for at, (place, score) in enumerate(zip(found.rows.tolist(), found.scores.tolist(), strict=True)):
            overlap = asked.overlap(place)
            head = [asked.question.name, asked.condition, found.name, strength, at + 1, asked.key(place), score]
            likeness = [float(asked.likeness[place]), "" if overlap is None else overlap]
            evidence = [bool(asked.meets[place]), BETWEEN.join(found.shared[at])]
            evidence += [] if found.twins is None else [bool(found.twins[at])]
            lines.append([*head, *likeness, *evidence, *asked.labels(int(asked.task.gallery_rows[place]))])
    twin = [TWIN] if asked.task.tags.groups else []
    return [*COLUMNS, *twin, *asked.task.conditioned], lines
