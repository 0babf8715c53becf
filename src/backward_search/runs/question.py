"""One query as figures and explorer ask it: an image of the data set, or one from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from backward_search.cli import VisualizeOptions
from backward_search.conditions.batch import Conditions
from backward_search.data.query_generation import Query
from backward_search.data.registry import Preprocessing
from backward_search.data.tables import Table
from backward_search.errors import DataError, OptionError
from backward_search.images.fitting import fit, normalise
from backward_search.images.opening import open_picture
from backward_search.model.network import Model
from backward_search.runs.run import Run, find_device
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

    def targets(self, task: Task) -> Tensor | Conditions:
        """What is wanted of it: class ids (1, A), or a richer condition."""
        every = task.targets("teacher")
        return every[[self.place]] if isinstance(every, Tensor) else every.at(torch.tensor([self.place]))

    def lambdas(self, task: Task) -> Tensor | None:
        """Its own lambda (1,), where the query file gives one."""
        return None if task.lambdas is None else task.lambdas[[self.place]]


def asked(run: Run, options: VisualizeOptions) -> tuple[Task, list[Question]]:
    """The task and the questions that the options name.

    Raises:
        OptionError: there is no such query.
    """
    if options.query_image:
        return _from_outside(run, options, Path(options.query_image).expanduser())
    if options.query:
        return _from_table(run, options)
    task = Task.load(run, options, options.split)
    keys, count = options.query_keys, len(task.queries)
    if options.random:
        generator = torch.Generator().manual_seed(options.seed)
        keys = sorted(torch.randperm(count, generator=generator)[: options.random].tolist())
    for key in keys:
        if key >= count:
            raise OptionError(f"--query_key {key} does not exist: the last query is {count - 1}")
    return task, [_of_task(task, options, key, f"query {key}", f"query_{key}") for key in keys]


@torch.inference_mode()
def embed_images(model: Model, look: Preprocessing, images: Sequence[Image.Image], device: torch.device) -> Tensor:
    """The embeddings of some RGB images under the test transform, (B, E)."""
    pixels = np.stack([fit(image, look) for image in images])  # (B, H, W, 3)
    return model.embed(normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2), look, device))


def _from_table(run: Run, options: VisualizeOptions) -> tuple[Task, list[Question]]:
    table = run.load_table(options, options.split)
    key = options.query.replace("\\", "/").strip("/")
    if key not in table.keys:
        raise OptionError(_not_there(options, table))
    task = Task.of(run, options, options.split, [Query(key, "", {})])
    return task, [_of_task(task, options, 0, key, "image_" + key.rpartition(".")[0].replace("/", "-"))]


def _not_there(options: VisualizeOptions, table: Table) -> str:
    return f"--query {options.query} is no image of the {options.split} split, whose first is {table.keys[0]}"


def _from_outside(run: Run, options: VisualizeOptions, file: Path) -> tuple[Task, list[Question]]:
    try:
        image = open_picture(file)
    except DataError as error:
        raise OptionError(f"--query_image {file}: {str(error).partition(': ')[0]}") from None
    device = find_device(options.device)
    task = Task.of(run, options, options.split, [Query("", "", {})])
    embedding = embed_images(run.load_model(device), run.look, [image], device)
    question = Question(file.name, f"image_{file.stem}", file, embedding, None, frozenset(), 0)
    return task, [question]


def _of_task(task: Task, options: VisualizeOptions, place: int, name: str, stem: str) -> Question:
    row = int(task.rows[place])
    tags = task.query_tags(task.queries[place])
    image = options.data.image(task.table.paths[row])
    return Question(name, stem, image, task.embeddings[[row]], row, frozenset(tags), place)
