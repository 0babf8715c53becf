"""The demo data set with a short training, for the tests of the scripts."""

from pathlib import Path

from scripts_by_name import script


def words(roots: tuple[Path, list[str]], *more: str) -> list[str]:
    """The options that name the run below a folder."""
    folder, data = roots
    return ["--dataset_name", "glyphs", *data, "--weight_root", str(folder / "weight"), "--num_epoch", "2", *more]


def roots_of(folder: Path) -> tuple[Path, list[str]]:
    """A folder, and the options that name the data in it."""
    return folder, ["--data_root", str(folder / "data")]


def lay_demo(folder: Path) -> None:
    """Prepare it, train on it and embed it."""
    roots = roots_of(folder)
    script("A1.Data-Preprocessing-glyphs")(roots[1])
    script("A2")(["--dataset_name", "glyphs", *roots[1]])
    script("B1")(words(roots, "--batch_size", "256"))
    script("C1")(words(roots))
