"""A task on disk: conditioned attributes, queries and gallery of one run, put together for the methods."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backward_search.answers import Answerer
from backward_search.datasets.prepared import load_table, load_tags
from backward_search.datasets.registry import EmptyTags
from backward_search.datasets.tables import Table, Tags
from backward_search.errors import DataError, OptionError, StaleError
from backward_search.files.atomic import read_json
from backward_search.files.manifest import read_manifest, refuse_stale
from backward_search.files.paths import require
from backward_search.files.tensors import load_tensors
from backward_search.gallery import Gallery
from backward_search.heads import FrozenHeads
from backward_search.options import EngineOptions, TaskOptions
from backward_search.query_generation import Query
from backward_search.run import Run, find_device
from backward_search.run_gallery import split_engine
from backward_search.search import SearchConfig
from backward_search.student import Student


def search_config(options: TaskOptions) -> SearchConfig:
    """The teacher's settings."""
    return SearchConfig(
        options.inverse_lambda, options.inverse_lr, options.inverse_max_itr, options.inverse_earlystopping
    )


def student_folder(run: Run, options: TaskOptions) -> Path:
    """Where the student of these settings lies."""
    name = f"{'-'.join(options.conditioned)}-lambda{options.inverse_lambda}-reg{options.student_reg}"
    return run.paths.student(f"{name}-epoch{options.student_num_epoch - 1}")


def frozen_heads(run: Run, options: TaskOptions, device: torch.device) -> FrozenHeads:
    """The conditioned heads of a run."""
    model = run.load_model(device)
    return FrozenHeads.of([model.head(name) for name in options.conditioned], device)


def load_student(run: Run, options: TaskOptions, device: torch.device) -> Student:
    """The student of these settings.

    Raises:
        MissingError: it has not been trained.
        StaleError: it was trained with other weights or another teacher.
    """
    folder = student_folder(run, options)
    remedy = "run D1.Train-KD-Model.py with the same options"
    require(folder / "manifest.json", f"student of lambda {options.inverse_lambda}", remedy)
    refuse_stale(folder / "manifest.json", {"weights": run.paths.weights}, f"{remedy} and --overwrite True")
    settings = read_manifest(folder / "manifest.json")["settings"]
    other = [name for name, value in asdict(search_config(options)).items() if settings.get(name) != _plain(value)]
    if other:
        raise StaleError(f"the student in {folder} learnt from a teacher of other {', '.join(other)}: {remedy}")
    student = Student(run.model.encoding_size, [len(run.classes[name]) for name in options.conditioned])
    student.load_state_dict(load_tensors(folder / "student.safetensors")[0])
    return student.to(device).eval()


def _plain(value: object) -> object:
    """A value as JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Task:
    """The queries and the gallery of one task.

    Attributes:
        conditioned: the conditioned attributes.
        table: the split that queries and gallery come from.
        tags: the data set's tags.
        queries: in the order of the query file.
        rows: the table row of each query, (B,).
        targets: the wanted class ids (B, A).
        gallery_rows: the table row of each gallery image, (N,).
        embeddings: of the whole table.
        device: where the methods run.
    """

    conditioned: tuple[str, ...]
    table: Table
    tags: Tags
    queries: list[Query]
    rows: np.ndarray
    targets: np.ndarray
    gallery_rows: np.ndarray
    embeddings: Tensor
    device: torch.device

    @classmethod
    def load(
        cls, run: Run, options: TaskOptions, split: str, *, strict: bool = False, omit_tagless: bool = True
    ) -> "Task":
        """Put a task together.

        Raises:
            MissingError: an earlier stage has not run.
            DataError: the query file names images or labels that the table does not have.
        """
        table, tags = load_table(options.data, options.entry, split), load_tags(options.data)
        device = find_device(options.device)
        queries = _load_queries(options, split, strict)
        row_of = {key: row for row, key in enumerate(table.keys)}
        ids = {name: {label: i for i, label in enumerate(table.classes[name])} for name in options.conditioned}
        file = options.data.queries(options.conditioned, split, strict=strict)
        try:
            rows = np.array([row_of[query.candidate] for query in queries])
            targets = np.array([[ids[name][query.condition[name]] for name in ids] for query in queries])
        except KeyError as error:
            raise DataError(f"{file} names {error}, unknown to {split}: run A2 with --overwrite True") from None
        tagged = np.array([bool(tags.query_tags.get(key)) for key in table.keys])
        if not omit_tagless or not tagged.any():  # a split without any tag loses no image
            tagged[:] = True
        embeddings = torch.tensor(run.load_embeddings(split, table.keys), device=device)
        gallery = np.flatnonzero(tagged)
        return cls(options.conditioned, table, tags, queries, rows, targets, gallery, embeddings, device)

    def answerer(self, run: Run, options: EngineOptions, *, with_student: bool) -> Answerer:
        """What answers the queries of this task."""
        student = load_student(run, options, self.device) if with_student else None
        heads = frozen_heads(run, options, self.device)
        engine = split_engine(run, options, self.gallery_rows)
        gallery = Gallery(self.embeddings[torch.from_numpy(self.gallery_rows)], engine, options.shortlist)
        return Answerer(gallery, heads, search_config(options), student, options.batch_size, options.seed)

    def query_embeddings(self) -> Tensor:
        """The queries' embeddings (B, E)."""
        return self.embeddings[torch.from_numpy(self.rows)]

    def target_ids(self) -> Tensor:
        """The wanted class ids (B, A) on the device."""
        return torch.from_numpy(self.targets).to(self.device)

    def meets(self) -> np.ndarray:
        """Which gallery images meet each query's whole condition, (B, N) bool."""
        ids = np.stack([self.table.ids[name][self.gallery_rows] for name in self.conditioned], axis=1)
        return np.asarray((ids[None] == self.targets[:, None]).all(axis=2))

    def met_already(self) -> np.ndarray:
        """Which queries meet their whole condition as they are, (B,) bool."""
        own = np.stack([self.table.ids[name][self.rows] for name in self.conditioned], axis=1)
        return np.asarray((own == self.targets).all(axis=1))

    def twins(self) -> np.ndarray | None:
        """Which gallery images show what the query shows and meet its condition, (B, N) bool; None without groups."""
        if not self.tags.groups:
            return None
        groups = np.array([self.tags.groups[key] for key in self.table.keys])
        return np.asarray(self.meets() & (groups[self.rows][:, None] == groups[self.gallery_rows][None]))

    def query_tags(self, query: Query) -> set[str]:
        """A query's tags as the metrics take them: the stored string as it stands, or those of its image."""
        if self.table.entry.empty_tags is EmptyTags.OF_THE_QUERY:
            return set(query.candidate_tags.split(","))
        return {tag for tag in self.tags.tags.get(query.candidate, "").split(",") if tag}

    def gallery_tags(self) -> list[set[str]]:
        """The tags of every gallery image."""
        keys = self.table.keys
        return [{tag for tag in self.tags.tags.get(keys[row], "").split(",") if tag} for row in self.gallery_rows]


def _load_queries(options: TaskOptions, split: str, strict: bool) -> list[Query]:
    file = options.data.queries(options.conditioned, split, strict=strict)
    what = f"queries for {options.dataset_name} {'+'.join(options.conditioned)}"
    further = ("" if split == "test" else f" --split {split}") + (" --protocol strict" if strict else "")
    require(file, what, f"run A2.Query-Generating.py --dataset_name {options.dataset_name}{further}")
    manifest = options.data.manifest(file.stem)
    if manifest.exists():  # queries of the authors' bundle have none
        inputs = {"table": options.data.table(split), "classes": options.data.classes, "tags": options.data.tags}
        refuse_stale(manifest, inputs, "run A2.Query-Generating.py --overwrite True")
    content = read_json(file)
    again = f"run A2.Query-Generating.py --dataset_name {options.dataset_name}{further} --overwrite True"
    try:
        same = (content["dataset"], content["attributes"]) == (options.dataset_name, list(options.conditioned))
        stored = [Query(**query) for query in content["queries"]]
    except (KeyError, TypeError):
        raise DataError(f"{file} is not a query file: {again}") from None
    if not same or not stored:
        raise DataError(f"{file} holds {'queries of another task' if stored else 'no queries'}: {again}")
    return stored


def check_topk(k: int, gallery: int) -> None:
    """Refuse more hits than there are images.

    Raises:
        OptionError: `k` is larger than the gallery.
    """
    if k > gallery:
        raise OptionError(f"--search_topk {k} is more than the {gallery} images of the gallery")
