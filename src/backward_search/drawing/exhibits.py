"""What a figure of a query shows, put together from its answers; and the same as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from backward_search.cli import VisualizeOptions
from backward_search.drawing.exhibit import Card, Exhibit, Hit, Row
from backward_search.drawing.space import Space, Way
from backward_search.drawing.walks import NAMES, Walk, flattened, spots, stops, walks
from backward_search.evaluation.metrics import tag_similarity
from backward_search.gallery.memory import Gallery, Hits
from backward_search.methods.answers import Answerer
from backward_search.methods.registry import METHODS
from backward_search.runs.question import Question
from backward_search.runs.task import Task

COLUMNS = ("query", "condition", "method", "lambda", "rank", "hit", "score", "cosine_to_query", "tag_overlap", "meets")
PATH_ROWS = 3


@dataclass(frozen=True)
class Found:
    """The hits of one method, or of a point on the teacher's way.

    Attributes:
        name: the method, or t_i.
        title: above its row.
        lambda_: the search's, where there is one.
        rows: gallery rows (k,).
        scores: theirs (k,).
    """

    name: str
    title: str
    lambda_: float | None
    rows: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Asked:
    """A question to a task with its options."""

    task: Task
    options: VisualizeOptions
    question: Question

    @cached_property
    def meets(self) -> np.ndarray:
        """Which gallery images meet the condition, (N,) bool."""
        one = [share[[self.question.place]] for share in self.task.wishes.shares]
        met = [share[0, self.task.table.ids[name][self.task.gallery_rows]] > 0 for name, share in self._named(one)]
        return np.asarray(np.logical_and.reduce(met))

    @property
    def strength(self) -> float | None:
        """The lambda of the search; None for the solver that has none."""
        if self.options.inverse_solver == "manifold":
            return None
        own = self.question.lambdas(self.task)
        return self.options.inverse_lambda if own is None else float(own[0])

    def strength_of(self, method: str) -> float | None:
        """The lambda that moves the query by a method, if one does."""
        fixed = method == "student" and self.options.student_lambdas is None and self.strength is not None
        return self.options.inverse_lambda if fixed else self.strength

    @property
    def condition(self) -> str:
        """What is wanted, in words."""
        if self.options.condition:
            return self.options.condition
        return "; ".join(f"{name}={label}" for name, label in self.task.queries[self.question.place].condition.items())

    def found(self, name: str, title: str, strength: float | None, hits: Hits) -> Found:
        """The hits of one query, with a title that counts them."""
        rows, scores = hits.rows[0].cpu().numpy(), hits.similarity[0].cpu().numpy()
        meant = title if strength is None else f"{title}, lambda {strength:g}"
        count = f"{meant}: {int(self.meets[rows].sum())} of {len(rows)} meet the condition"
        return Found(name, count, strength, rows, scores)

    def labels(self, row: int, names: Sequence[str] = ()) -> list[str]:
        """The labels of an image, of the conditioned attributes unless others are named."""
        table = self.task.table
        return [table.classes[name][int(table.ids[name][row])] for name in names or self.task.conditioned]

    def key(self, place: int) -> str:
        """The key of a gallery image."""
        return self._keys[int(self.task.gallery_rows[place])]

    def overlap(self, place: int) -> float | None:
        """How many tags a gallery image shares with the query; None where either has none."""
        tags = {tag for tag in self.task.tags.tags.get(self.key(place), "").split(",") if tag}
        known = self.question.row is not None and bool(self.task.tags.tags)
        return tag_similarity(self.question.tags, [tags]) if known else None

    @cached_property
    def likeness(self) -> np.ndarray:
        """The cosine of the query with every gallery image, (N,)."""
        rows = torch.from_numpy(self.task.gallery_rows).to(self.task.device)
        return Gallery(self.task.embeddings[rows]).similarity(self.question.embedding)[0].cpu().numpy()

    @cached_property
    def _keys(self) -> list[str]:
        return self.task.table.keys

    def _named(self, shares: list[np.ndarray]) -> list[tuple[str, np.ndarray]]:
        return list(zip(self.task.conditioned, shares, strict=True))


def answered(asked: Asked, answerers: dict[str, Answerer]) -> list[Found]:
    """The answers of some methods."""
    task, question = asked.task, asked.question
    rows = []
    for name, answerer in answerers.items():
        targets, lambdas = question.targets(task), question.lambdas(task)
        hits = answerer.answer(name, question.embedding, targets, asked.options.search_topk, lambdas).hits
        searched = METHODS[name].move in ("search", "student")
        title = {"teacher": "teacher (Backward Search)", "unchanged": "unchanged query"}.get(name, name)
        if searched and asked.strength is None:
            title = f"{title}, {asked.options.strength_in_words}"
        rows.append(asked.found(name, title, asked.strength_of(name) if searched else None, hits))
    return rows


def walked(asked: Asked, teacher: Answerer) -> tuple[list[Found], list[Walk]]:
    """The hits at some points of the teacher's way, and its ways under several lambdas."""
    own = asked.strength
    lambdas: list[float | None] = [None] if own is None else [*sorted({*asked.options.walked_lambdas, own})]
    ways = walks(teacher, asked.question.embedding, asked.question.targets(asked.task), lambdas)
    way = ways[lambdas.index(asked.strength)]
    rows = []
    for step in stops(way.steps, asked.options.path_rows or PATH_ROWS):
        hits = teacher.gallery.search(way.points[[step]], asked.options.search_topk)
        strength = asked.strength if step else None  # the query itself knows no lambda
        rows.append(asked.found(f"t_{step}", _point(step, way.steps), strength, hits))
    return rows, ways


def _point(step: int, last: int) -> str:
    where = {0: "t_0, the query", last: f"t_{step}, the end"}
    return where.get(step, f"t_{step}, on the way")


def space(asked: Asked, ways: Sequence[Walk]) -> Space:
    """The map of the gallery with the query's ways."""
    task, meets = asked.task, asked.meets
    own, own_name = _own_class(asked)
    chosen = spots(own | meets, len(meets), asked.options.seed)
    rows = torch.from_numpy(task.gallery_rows[chosen]).to(task.device)
    points, lines = flattened(
        task.embeddings[rows], [way.points for way in ways], asked.options.map, asked.options.seed
    )
    rows_of = asked.options.path_rows or PATH_ROWS
    drawn = [
        Way(way.lambda_, line, _names(way, rows_of) if way.lambda_ == asked.strength else ())
        for way, line in zip(ways, lines, strict=True)
    ]
    made, among, own = NAMES[asked.options.map], asked.options.map != "pca", (own & ~meets)[chosen]
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


def exhibit(asked: Asked, rows: Sequence[Found], map_: Space | None) -> Exhibit:
    """What the figure shows."""
    return Exhibit(_card(asked), [Row(found.title, _hits(asked, found)) for found in rows], map_)


def _card(asked: Asked) -> Card:
    question, table = asked.question, asked.task.table
    names = [name for name in asked.options.attributes if name in table.ids]
    labels = "" if question.row is None else ", ".join(asked.labels(question.row, names))
    tags = ", ".join(sorted(tag for tag in question.tags if tag))
    what = [("Condition", asked.condition), ("Labels of the query", labels), ("Tags of the query", tags)]
    return Card(question.image, question.name, what)


def _hits(asked: Asked, found: Found) -> list[Hit]:
    hits = []
    for place, score in zip(found.rows.tolist(), found.scores.tolist(), strict=True):
        row, overlap = int(asked.task.gallery_rows[place]), asked.overlap(place)
        kind = "cos" if _is_cosine(found.name, asked.options) else "score"
        numbers = [f"{kind} {score:.2f}", *([] if overlap is None else [f"tags {overlap:.2f}"])]
        image = asked.options.data.image(asked.task.table.paths[row])
        hits.append(Hit(image, asked.labels(row), numbers, bool(asked.meets[place])))
    return hits


def _is_cosine(name: str, options: VisualizeOptions) -> bool:
    how = METHODS.get(name)
    return how is None or not (how.likeness or how.weight or how.filter or options.rerank)


def table(asked: Asked, rows: Sequence[Found]) -> tuple[list[str], list[list[object]]]:
    """The hits as a table: header and lines; after `COLUMNS` come the labels of the conditioned attributes."""
    lines: list[list[object]] = []
    for found in rows:
        strength = "" if found.lambda_ is None else found.lambda_
        for rank, (place, score) in enumerate(zip(found.rows.tolist(), found.scores.tolist(), strict=True), 1):
            overlap = asked.overlap(place)
            head = [asked.question.name, asked.condition, found.name, strength, rank, asked.key(place), score]
            tail = [float(asked.likeness[place]), "" if overlap is None else overlap, bool(asked.meets[place])]
            lines.append([*head, *tail, *asked.labels(int(asked.task.gallery_rows[place]))])
    return [*COLUMNS, *asked.task.conditioned], lines
