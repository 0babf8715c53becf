"""A0: make runs of this project out of what the authors published: weights, embeddings, students."""

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from backward_search.cli import (
    DistillOptions,
    EmbedOptions,
    EvaluateOptions,
    ImportOptions,
    next_command,
    parse,
)
from backward_search.cli.translation import opened_run, run_name, run_paths, solver, student_choice
from backward_search.data.prepared import load_table
from backward_search.data.provenance import prepared_look
from backward_search.data.tables import SPLITS, Table
from backward_search.errors import DataError, MissingError, StaleError, UserError
from backward_search.model.network import Model, ModelConfig
from backward_search.published.bundle.conversion import convert_bundle
from backward_search.published.embeddings import read_embeddings
from backward_search.published.folders import PublishedRun, StudentSettings, find_runs
from backward_search.published.weights import model_state, student_state
from backward_search.runs.names import FORM
from backward_search.runs.run import Run, config_json
from backward_search.runs.students import student_paths
from backward_search.stages.distill import student_stage
from backward_search.stages.embed import embedding_stage
from backward_search.storage.atomic import write_array, write_csv, write_json
from backward_search.storage.hashing import file_hash
from backward_search.storage.manifest import Stage, read_manifest
from backward_search.storage.paths import rooted
from backward_search.storage.tensors import save_tensors
from backward_search.student.network import Student

LOG = logging.getLogger(__name__)

Wanted = TypeVar("Wanted", EmbedOptions, DistillOptions)

HEAD_BATCH = 4096
"""Embeddings that go through the heads at once."""


def import_published(options: ImportOptions) -> Path:
    """Import every published run below the source; what cannot be imported is listed, and the rest goes on.

    Returns:
        The folder of the trained models.

    Raises:
        DataError: there is nothing to import, or a file is damaged, hostile or does not fit.
        StaleError: there is a run of other content, and `overwrite` is False.
    """
    source = Path(options.source).expanduser().absolute()
    if not source.is_dir():
        raise MissingError(f"--source {source} is not a folder: unpack the authors' archive and name its folder")
    runs, strays = find_runs(source)
    for file in strays:
        LOG.warning("not imported: %s: neither its name nor its folder's is that of a published run's file", file)
    if not runs:
        raise DataError(f"no published run below {source}: expected folders named {FORM}")
    importer = _Importer(options)
    for run in runs:
        importer.take(run)
    importer.conclude()
    return rooted(options.weight_root)


class _Importer:
    """Imports run after run and keeps account of what could not be imported."""

    def __init__(self, options: ImportOptions) -> None:
        self._options = options
        self._refused: list[UserError] = []
        self._imported = 0

    def take(self, published: PublishedRun) -> None:
        """Import one run: its weights, and what belongs to them."""
        with self._attempt(published.name):
            epoch = self._epoch(published)
            options = self._of(EmbedOptions, published, epoch)
            convert_bundle(options.data, options.entry)
            tables = {split: load_table(options.data, options.entry, split) for split in SPLITS}
            _import_weights(options, published.weights[epoch], tables["train"])
            self._imported += 1
            run = opened_run(options)
            self._take_embeddings(run, options, published, epoch, tables)
            self._take_students(run, published, epoch)
            LOG.info("next: %s", next_command(options, "E1.Model-Evaluation.py", EvaluateOptions))

    def _take_embeddings(
        self, run: Run, options: EmbedOptions, published: PublishedRun, epoch: int, tables: dict[str, Table]
    ) -> None:
        files = {split: file for (split, of), file in sorted(published.embeddings.items()) if of == epoch}
        for (_, of), file in published.embeddings.items():
            if of != epoch:
                LOG.warning("not imported: %s: the weights are those of epoch %d", file, epoch)
        for split in SPLITS:
            if split not in files:
                LOG.info("no %s embeddings of epoch %d: C1 makes them from the images", split, epoch)
        if files:
            with self._attempt(f"embeddings of {published.name}"):
                _import_embeddings(run, options, files, tables)

    def _take_students(self, run: Run, published: PublishedRun, epoch: int) -> None:
        for settings, file in published.students.items():
            if epoch != published.settings["num_epoch"]:
                LOG.warning("not imported: %s: its teacher is not of epoch %d", file, epoch)
                continue
            with self._attempt(str(file)):
                _import_student(run, self._of(DistillOptions, published, epoch, settings), file)

    def _epoch(self, published: PublishedRun) -> int:
        epoch = self._options.epoch or max(published.weights, default=0)
        if epoch in published.weights:
            return epoch
        if not published.weights:
            raise MissingError("its weights were not found: get its model_<epoch>.pth as well")
        there = ", ".join(str(number) for number in sorted(published.weights))
        raise MissingError(
            f"weights of epoch {epoch} are not there, only those of epoch {there}: name one with --epoch"
        )

    def _of(
        self, kind: type[Wanted], published: PublishedRun, epoch: int, student: StudentSettings | None = None
    ) -> Wanted:
        """The options with which our scripts find this run, and this student of it."""
        names = ("data_root", "weight_root", "overwrite")
        fixed = {name: getattr(self._options, name) for name in names} | {**published.settings, "num_epoch": epoch}
        if student is not None:
            fixed |= dataclasses.asdict(student)
            fixed["student_num_epoch"] = fixed.pop("epochs") + 1
        return parse(kind, None, [], **fixed)

    @contextmanager
    def _attempt(self, what: str) -> Iterator[None]:
        try:
            yield
        except UserError as error:
            LOG.warning("not imported: %s: %s", what, error)
            self._refused.append(error)

    def conclude(self) -> None:
        """Say what was imported, and fail if nothing was or something was refused that the user has to look at."""
        grave = [error for error in self._refused if isinstance(error, (DataError, StaleError))]
        first = next(iter(grave or self._refused), None)
        if first is not None and (grave or not self._imported):
            count = f"{self._imported} runs are imported, {len(self._refused)} refusals are listed above"
            raise type(first)(f"{first} ({count})")
        LOG.info("imported %d runs into %s", self._imported, rooted(self._options.weight_root))


def _import_weights(options: EmbedOptions, file: Path, table: Table) -> None:
    paths, look = run_paths(options), prepared_look(options.entry, options.data)
    classes = {name: table.classes[name] for name in options.attributes}
    inputs = {split: options.data.table(split) for split in SPLITS} | {"classes": options.data.classes}
    settings = {"imported": file.name}
    stage = Stage("A0", paths.manifest("B1"), settings, inputs, [paths.weights, paths.config])
    if paths.reserved.exists() and not options.overwrite:
        raise StaleError(f"{paths.folder} holds an unfinished training: pass --overwrite True to replace it")
    hashes = {"weights": file_hash(file)}
    if _is_here(stage, hashes, overwrite=options.overwrite):
        return
    sizes = {name: len(labels) for name, labels in classes.items()}
    config = ModelConfig(options.encoder_model, options.encoding_size, sizes, look.size)
    state = model_state(file, Model(config))
    with stage.alone():
        stage.begin()
        write_json(paths.config, config_json(run_name(options), config, look, classes))
        save_tensors(paths.weights, state)
        stage.finish(imported=hashes)
    LOG.info("wrote %s from %s", paths.weights, file)


def _import_embeddings(run: Run, options: EmbedOptions, files: dict[str, Path], tables: dict[str, Table]) -> None:
    for split, file in files.items():
        stage, hashes = embedding_stage(run, options, split), {split: file_hash(file)}
        if _is_here(stage, hashes, overwrite=options.overwrite):
            continue
        array = read_embeddings(file, tables[split], list(run.classes), run.model.encoding_size)
        with stage.alone():
            stage.begin()
            _write_split(run, run.load_model(torch.device("cpu")), tables[split], array)
            stage.finish(imported=hashes, shape=list(array.shape))
        LOG.info("wrote %s from %s", run.paths.embeddings(split), file)


@torch.inference_mode()
def _write_split(run: Run, model: Model, table: Table, embeddings: np.ndarray) -> None:
    parts = [model.classify(part) for part in torch.split(torch.from_numpy(embeddings), HEAD_BATCH)]
    write_array(run.paths.embeddings(table.split), embeddings)
    for name in run.classes:
        logits = torch.cat([part[name] for part in parts]).numpy()
        write_array(run.paths.logits(table.split, name), logits)
        right = float((logits.argmax(1) == table.ids[name]).mean())
        LOG.info("%s: the heads find the %s of %.1f %% of %d images", table.split, name, 100 * right, len(table))
    write_csv(run.paths.rows(table.split), ["key"], ([key] for key in table.keys))


def _import_student(run: Run, options: DistillOptions, file: Path) -> None:
    stage, hashes = student_stage(run, options), {"student": file_hash(file)}
    if _is_here(stage, hashes, overwrite=options.overwrite):
        return
    student = Student(run.model.encoding_size, [len(run.classes[name]) for name in options.conditioned])
    state = student_state(file, student)
    paths = student_paths(run, options.conditioned, solver(options), student_choice(options))
    with stage.alone():
        stage.begin()
        save_tensors(paths.weights, state)
        stage.finish(imported=hashes)
    LOG.info("wrote %s from %s", paths.folder, file)


def _is_here(stage: Stage, hashes: dict[str, str], *, overwrite: bool) -> bool:
    """Whether these very files have been imported already, and nothing has changed since.

    Raises:
        StaleError: there is something that did not come from these files, and `overwrite` is False.
    """
    if overwrite or not stage.manifest.exists():
        return False
    stored = read_manifest(stage.manifest)
    imported = stored.get("imported")
    if imported is None or any(hashes.get(name) != value for name, value in imported.items()):
        what = "was made here" if imported is None else "came from other files"
        raise StaleError(f"what lies in {stage.manifest.parent} {what}: pass --overwrite True to replace it")
    if imported != hashes or stored["inputs"] != stage.hashes:
        return False  # a file has come in addition, and nothing that is there is lost
    return stage.is_done(overwrite=False)
