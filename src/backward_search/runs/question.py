"""One query as figures and the explorer ask it: of a query file, an image of the data set, or one from outside."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.data.query_generation import Query
from backward_search.errors import DataError, OptionError
from backward_search.images.opening import ABSENT, REPAIR
from backward_search.model.embedding import EmbeddingNetwork, embed_files
from backward_search.runs.run import Run
from backward_search.runs.source import RunSource
from backward_search.runs.task import Task


@dataclass(frozen=True)
class Question:
    """A query image.

    Attributes:
        name: what it is called in a figure.
        stem: what its files are called.
        image: its file.
        embedding: (1, E).
        row: its row in the table; None for an image from outside.
        tags: its tags.
        place: its place in the task.
    """

    name: str
    stem: str
    image: Path
    embedding: Tensor
    row: int | None
    tags: frozenset[str]
    place: int

    def conditions(self, task: Task) -> Conditions:
        """What is wanted of it."""
        return task.conditions.at(torch.tensor([self.place]))

    def knobs(self, task: Task) -> Tensor | None:
        """Its own lambda (1,), where the query file gives one."""
        return None if task.knobs is None else task.knobs[[self.place]]


def from_file(task: Task, key: int) -> Question:
    """A query of the query file.

    Raises:
        OptionError: there is no such query.
    """
    if key >= len(task.queries):
        raise OptionError(f"--query_key {key} does not exist: the last query is {len(task.queries) - 1}")
    return _of_task(task, key, f"query {key}", f"query_{key}")


def from_table(source: RunSource, conditioned: tuple[str, ...], condition: str, key: str) -> tuple[Task, Question]:
    """An image of the data set, under a condition.

    Raises:
        OptionError: there is no such image.
    """
    plain = key.replace("\\", "/").strip("/")
    if plain not in source.table.keys:
        first = source.table.keys[0]
        raise OptionError(f"--query {key} is no image of the {source.split} split, whose first is {first}")
    task = Task.of(source, conditioned, [Query(plain, "", {})], condition=condition)
    return task, _of_task(task, 0, plain, "image_" + plain.rpartition(".")[0].replace("/", "-"))


def from_outside(source: RunSource, conditioned: tuple[str, ...], condition: str, file: Path) -> tuple[Task, Question]:
    """An image from outside the data set, under a condition.

    Raises:
        OptionError: it cannot be read.
    """
    try:
        embedding = embedded(source.run, file, source.device)
    except DataError as error:
        reason = str(error)
        reason = reason.removesuffix(f": {REPAIR}").removesuffix(f": {ABSENT}")
        raise OptionError(f"--query_image {file}: {reason}") from None
    task = Task.of(source, conditioned, [Query("", "", {})], condition=condition)
    return task, Question(file.name, f"image_{file.stem}", file, embedding, None, frozenset(), 0)


def embedded(run: Run, file: Path, device: torch.device) -> Tensor:
    """The embedding of an image file (1, E), made as C1 makes them.

    Raises:
        DataError: it cannot be read.
    """
    return embed_files(EmbeddingNetwork(run.load_model(device), device), [file], run.look)[""].to(device)


def _of_task(task: Task, place: int, name: str, stem: str) -> Question:
    row = int(task.rows[place])
    tags = task.query_tags(task.queries[place])
    image = task.source.run.data.image(task.table.paths[row])
    return Question(name, stem, image, task.embeddings[[row]], row, frozenset(tags), place)
