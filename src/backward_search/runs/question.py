"""One query as figures and the explorer ask it: of a query file, an image of the data set, or one from outside."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.data.query_generation import Query
from backward_search.errors import DataError, OptionError
from backward_search.images.opening import ABSENT, REPAIR
from backward_search.model.embedding import EmbeddingNetwork, embed_files, embed_vectors
from backward_search.runs.run import Run, require_encoder
from backward_search.runs.source import RunSource
from backward_search.runs.task import Task
from backward_search.storage.mapped import FAULTS
from backward_search.storage.swelling import refuse_swollen_zip


@dataclass(frozen=True)
class Question:
    """A query image.

    Attributes:
        name: what it is called in a figure.
        stem: what its files are called.
        image: its file; None where vectors stand for images and there is none.
        embedding: (1, E).
        row: its row in the table; None for an image from outside.
        tags: its tags.
        place: its place in the task.
    """

    name: str
    stem: str
    image: Path | None
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
    task = Task.of(source, conditioned, [Query(plain, source.tags.query_tags.get(plain, ""), {})], condition=condition)
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


def from_vector(source: RunSource, conditioned: tuple[str, ...], condition: str, file: Path) -> tuple[Task, Question]:
    """A vector from outside the data set, under a condition; see `embedded_vector`.

    Raises:
        OptionError: it cannot be read, or is of another width.
    """
    embedding = embedded_vector(source.run, file, source.device)
    task = Task.of(source, conditioned, [Query("", "", {})], condition=condition)
    return task, Question(file.name, f"vector_{file.stem}", None, embedding, None, frozenset(), 0)


def embedded_vector(run: Run, file: Path, device: torch.device) -> Tensor:
    """The embedding (1, E) of a `.npy` file: a vector (d,) as the run was trained on, or an embedding of its own (E,).

    Raises:
        OptionError: it is neither.
    """
    what = f"--query_vector {file}"
    try:
        refuse_swollen_zip(file)
        array = np.load(file, mmap_mode="r", allow_pickle=False)  # its head may promise more than there is
        vector = torch.from_numpy(np.atleast_2d(np.asarray(array, np.float32)))
    except FAULTS as error:
        raise OptionError(f"{what} cannot be read as a .npy file of numbers ({error})") from None
    width = run.model.features or run.model.encoding_size
    if vector.shape != (1, width) or not bool(vector.isfinite().all()) or not bool(vector.any()):
        raise OptionError(f"{what} holds {array.shape}: expected one vector of {width} finite numbers, not all 0")
    if not run.model.features:
        return vector.to(device)
    network = EmbeddingNetwork(run.load_model(device), device)
    return embed_vectors(network, vector)[""].to(device)


def embedded(run: Run, file: Path, device: torch.device) -> Tensor:
    """The embedding of an image file (1, E), made as C1 makes them.

    Raises:
        DataError: it cannot be read.
        OptionError: the run was trained on vectors.
    """
    require_encoder(run)
    return embed_files(EmbeddingNetwork(run.load_model(device), device), [file], run.look)[""].to(device)


def _of_task(task: Task, place: int, name: str, stem: str) -> Question:
    row = int(task.rows[place])
    tags = task.query_tags(task.queries[place])
    image = task.source.run.picture(task.table.paths[row])
    return Question(name, stem, image, task.embeddings[[row]], row, frozenset(tags), place)
