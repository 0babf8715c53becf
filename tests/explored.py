"""A small trained run for the explorer, made by the scripts themselves."""

from pathlib import Path

from raw_cub import write_cub
from scripts_by_name import script

from backward_search.cli import ExploreOptions
from backward_search.explorer.explored import ExploredRun
from backward_search.stages.explore import explorer_of

MOST = 1
"""Megabytes that are taken."""


def lay_explored(folder: Path) -> ExploreOptions:
    """Birds, one epoch of a small network on them, and their embeddings."""
    write_cub(folder / "data" / "CUB", classes=4, images_per_class=12)
    data = ["--data_root", str(folder / "data")]
    run = ["--dataset_name", "CUB", *data, "--weight_root", str(folder / "weight"), "--encoder_model", "small_cnn"]
    run += ["--num_epoch", "1", "--n_workers", "0"]
    script("A1.Data-Preprocessing-CUB")([*data, "--n_workers", "1"])
    script("B1")([*run, "--image_size", "32", "--batch_size", "16"])
    script("C1")(run)
    roots = {f"{kind}_root": str(folder / kind) for kind in ("data", "weight", "result")}
    return ExploreOptions(**roots, hits=6, upload_mb=MOST, device="cpu")


def opened(options: ExploreOptions, number: int = 0) -> ExploredRun:
    """A run of the explorer, by its place in the menu."""
    explorer = explorer_of(options, Path(options.result_root) / "thumbnails")
    return explorer.loaded(list(explorer.runs)[number])
