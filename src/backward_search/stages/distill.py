"""D1: train the student."""

import dataclasses
import logging
from pathlib import Path

import torch

from backward_search.console import progress
from backward_search.files.manifest import Stage
from backward_search.files.tensors import save_tensors
from backward_search.options import DistillOptions, EvaluateOptions, next_command
from backward_search.run import Run, find_device
from backward_search.student import Student
from backward_search.student import distill as train_student
from backward_search.task import frozen_heads, search_config, student_folder

LOG = logging.getLogger(__name__)


def distill(options: DistillOptions) -> Path:
    """Train the student of the named task and lambda on the training split.

    Returns:
        The student's folder.
    """
    run = Run.open(options)
    table = run.load_table(options, "train")
    embeddings = torch.tensor(run.load_embeddings("train", table.keys), device=find_device(options.device))
    folder = student_folder(run, options)
    search, epochs = search_config(options), options.student_num_epoch - 1
    stage = student_stage(run, options)
    if stage.is_done(overwrite=options.overwrite):
        return folder
    heads = frozen_heads(run, options.conditioned, embeddings.device)
    stage.begin()
    torch.manual_seed(options.seed)
    student = Student(run.model.encoding_size, [len(run.classes[name]) for name in options.conditioned])
    losses: list[float] = []
    with progress(range(epochs), "distilling", "epoch") as bar:

        def on_epoch(_epoch: int, loss: float) -> None:
            losses.append(loss)
            bar.update()

        train_student(
            student.to(embeddings.device),
            heads,
            embeddings,
            search,
            epochs=epochs,
            batch_size=options.batch_size,
            reg=options.student_reg,
            seed=options.seed,
            on_epoch=on_epoch,
        )
    save_tensors(folder / "student.safetensors", student.state_dict())
    stage.finish(losses=losses)
    LOG.info("distilled %d epochs, mean squared error %.5f to %.5f", epochs, losses[0], losses[-1])
    LOG.info("wrote %s; next: %s", folder, next_command(options, "E1.Model-Evaluation.py", EvaluateOptions))
    return folder


def student_stage(run: Run, options: DistillOptions) -> Stage:
    """The record of one student; one that was trained elsewhere can be there without the training embeddings."""
    folder = student_folder(run, options)
    settings = dataclasses.asdict(search_config(options)) | {
        "conditioned": options.conditioned,
        "epochs": options.student_num_epoch - 1,
        "batch_size": options.batch_size,
        "student_reg": options.student_reg,
        "seed": options.seed,
    }
    inputs = {"weights": run.paths.weights, "embeddings": run.paths.embeddings("train")}
    there = {name: path for name, path in inputs.items() if path.exists()}
    return Stage("D1", folder / "manifest.json", settings, there, [folder / "student.safetensors"])
