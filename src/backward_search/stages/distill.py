"""D1: train the student."""

import dataclasses
import logging
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from backward_search.cli import DistillOptions, EvaluateOptions, next_command
from backward_search.cli.console import NEXT
from backward_search.cli.translation import opened_run, solver, student_choice
from backward_search.distributed import Group, working_together
from backward_search.errors import DataError, StaleError
from backward_search.progress import progress
from backward_search.runs.heads import ground_of
from backward_search.runs.run import Run, find_device
from backward_search.runs.students import student_paths
from backward_search.storage.atomic import read_json, write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import StudentPaths
from backward_search.storage.tensors import load_tensors, save_tensors
from backward_search.student.distillation import DistillConfig, Distiller
from backward_search.student.network import Student
from backward_search.student.onnx_export import export_student, require_onnx

LOG = logging.getLogger(__name__)


def distill(options: DistillOptions) -> Path:
    """Train the student of the named task and lambda on the training split, from its last finished epoch if any.

    Returns:
        The student's folder.
    """
    if options.onnx:
        require_onnx()
    device = find_device(options.device)
    with working_together(device) as group:
        folder = _distill(options, device, group)
    LOG.info("next: %s", next_command(options, "E1.Model-Evaluation.py", EvaluateOptions), extra=NEXT)
    return folder


def _distill(options: DistillOptions, device: torch.device, group: Group) -> Path:
    run = opened_run(options)
    table = run.load_table("train")
    embeddings = torch.tensor(run.load_embeddings("train", table.keys), device=device)
    paths = _paths(run, options)
    stage = student_stage(run, options)
    done = stage.is_done(overwrite=options.overwrite)
    group.wait()  # nobody writes before everybody has looked
    if done:
        if group.leads:
            _clear(paths)
        return paths.folder
    with stage.alone() if group.leads else nullcontext():
        losses = _train(run, options, stage, embeddings, group)
    LOG.info("distilled %d epochs, loss %.5f to %.5f", len(losses), losses[0], losses[-1])
    LOG.info("wrote %s", paths.folder)
    return paths.folder


def _train(run: Run, options: DistillOptions, stage: Stage, embeddings: torch.Tensor, group: Group) -> list[float]:
    """Train the student and write it; the loss of every epoch."""
    paths, teacher, device = _paths(run, options), solver(options), embeddings.device
    torch.manual_seed(options.seed)
    classes = [len(run.classes[name]) for name in options.conditioned]
    student = Student(run.model.encoding_size, classes, student_choice(options).shape).to(device)
    ground = ground_of(run, options.conditioned, teacher, embeddings)
    if group.leads:
        stage.begin()
    distiller = Distiller(student, ground, embeddings, teacher, _config(options), group)
    losses = _fit(distiller, paths, stage, options, group)
    if group.leads:
        save_tensors(paths.weights, student.state_dict())
        if options.onnx:
            export_student(student, paths.onnx)
        stage.finish(losses=losses)
        _clear(paths)
    return losses


def _paths(run: Run, options: DistillOptions) -> StudentPaths:
    return student_paths(run, options.conditioned, solver(options), student_choice(options))


def student_stage(run: Run, options: DistillOptions) -> Stage:
    """The record of a student; one that was trained elsewhere can be there without the training embeddings."""
    paths = _paths(run, options)
    inputs = {"weights": run.paths.weights, "embeddings": run.paths.embeddings("train")}
    if solver(options).needs_training:  # its heads are calibrated
        inputs["calibration"] = run.paths.calibration
    there = {name: path for name, path in inputs.items() if path.exists()}
    outputs = [paths.weights, *([paths.onnx] if options.onnx else [])]
    return Stage("D1", paths.manifest, _settings(options), there, outputs)


def _config(options: DistillOptions) -> DistillConfig:
    return DistillConfig(
        options.student_num_epoch - 1, options.batch_size, options.student_reg, options.seed, loss=options.student_loss
    )


def _settings(options: DistillOptions) -> dict[str, Any]:
    """What a student depends on. Its shape, loss and range are named where they are not the paper's."""
    settings = solver(options).record | {
        "conditioned": options.conditioned,
        "epochs": options.student_num_epoch - 1,
        "batch_size": options.batch_size,
        "student_reg": options.student_reg,
        "seed": options.seed,
    }
    shape = student_choice(options).shape
    usual = dataclasses.asdict(type(shape)())
    settings |= {name: value for name, value in dataclasses.asdict(shape).items() if value != usual[name]}
    if options.student_loss != DistillConfig().loss:
        settings["student_loss"] = options.student_loss
    if shape.lambda_range is not None:
        del settings["lambda_"]
    return settings


def _fit(distiller: Distiller, paths: StudentPaths, stage: Stage, options: DistillOptions, group: Group) -> list[float]:
    """Train epoch after epoch, each leaving a checkpoint; the loss of every epoch."""
    losses = _resumed(distiller, paths, stage, overwrite=options.overwrite)
    group.wait()
    if group.leads and not losses:
        paths.checkpoint.unlink(missing_ok=True)
        write_json(paths.reserved, {"settings": stage.settings, "inputs": stage.hashes})
    with progress(range(options.student_num_epoch - 1), "distilling", "epoch") as bar:
        bar.update(len(losses))
        for epoch in range(len(losses), options.student_num_epoch - 1):
            losses.append(distiller.train_epoch(epoch))
            if not math.isfinite(losses[-1]):
                raise DataError(f"the loss is {losses[-1]} after epoch {epoch + 1}: the embeddings or the teacher fail")
            bar.update()
            bar.set_postfix(loss=f"{losses[-1]:.5f}")
            record = {"losses": torch.tensor(losses, dtype=torch.float64)}
            if group.leads:
                save_tensors(paths.checkpoint, distiller.state() | record)
    return losses


def _clear(paths: StudentPaths) -> None:
    """Drop what a finished training needs no longer."""
    for leftover in (paths.checkpoint, paths.reserved):
        if leftover.exists():  # a disk that can only be read refuses to remove even what is not there
            leftover.unlink()


def _resumed(distiller: Distiller, paths: StudentPaths, stage: Stage, *, overwrite: bool) -> list[float]:
    """Take up the training under way, if it is of the same settings and inputs; its losses so far."""
    reserved = {"settings": stage.settings, "inputs": stage.hashes}
    if not overwrite and paths.reserved.exists() and paths.checkpoint.exists():
        if read_json(paths.reserved) != reserved:
            raise StaleError(
                f"{paths.folder} holds an unfinished training of other settings: pass --overwrite True to drop it"
            )
        tensors, _ = load_tensors(paths.checkpoint, "pass --overwrite True to start anew")
        try:
            losses: list[float] = tensors.pop("losses").tolist()
            distiller.restore(tensors, len(losses))
        except (KeyError, RuntimeError, ValueError):
            problem = f"{paths.checkpoint} does not fit this student"
            raise DataError(f"{problem}: pass --overwrite True to start anew") from None
        LOG.info("going on after epoch %d", len(losses))
        return losses
    return []
