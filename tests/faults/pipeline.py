"""A small run, stage by stage: what each reads and makes, and folders compared by what counts in them."""

import csv
import hashlib
import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tiny_set import tiny_images

SMALL = ["--encoder_model", "small_cnn", "--encoding_size", "32", "--num_epoch", "2", "--n_workers", "0"]
STEPS = ["--context_steps", "40", "--context_size", "8", "--context_hidden", "16"]
TASK = ["--inverse_max_itr", "5", "--inverse_lambda", "0.5"]
NOTHING = re.compile(r"run\.log$|tensorboard/|\.sha256\.json$")
"""What is different after every run."""
TIMES = re.compile(r"seconds|versions")


@dataclass(frozen=True)
class Stage:
    """A script on the small run.

    Attributes:
        name: how the script begins.
        more: its options beside those that name the run.
        places: whether it takes data and weight roots, and the run's options.
    """

    name: str
    more: tuple[str, ...] = ()
    places: str = "run"

    def words(self, folder: Path, *further: str) -> list[str]:
        roots = ["--data_root", str(folder / "data")]
        if self.places == "source":
            return ["--dataset_name", "tiny", *roots, *self.more, "--source", str(folder / "tiny.npz"), *further]
        if self.places == "data":
            return ["--dataset_name", "tiny", *roots, *self.more, *further]
        weights = ["--weight_root", str(folder / "weight")]
        weights += ["--result_root", str(folder / "result")] if self.name == "E2" else []
        return ["--dataset_name", "tiny", *roots, *weights, *SMALL[: self._of_the_run], *self.more, *further]

    @property
    def _of_the_run(self) -> int:
        return 6 if self.name in ("LIB", "E2") else len(SMALL)


LOOK = ("--image_size", "16", "--augment", "True")
PIPELINE = {
    "A1": Stage("A1.Data-Preprocessing-custom", (*LOOK, "--n_workers", "0"), "source"),
    "A2": Stage("A2", ("--num_queries", "40", "--category_type", "light"), "data"),
    "B1": Stage("B1"),
    "C1": Stage("C1", ("--batch_size", "32")),
    "C4": Stage("C4", tuple(STEPS)),
    "D1": Stage("D1", (*TASK, "--student_num_epoch", "4")),
    "E1": Stage("E1", (*TASK, "--student_num_epoch", "4", "--method", "student")),
}
"""The stages of a run, in order."""
READERS = {
    **PIPELINE,
    "E1 best": Stage("E1", (*TASK, "--method", "best")),
    "E1 concept_null": Stage("E1", (*TASK, "--method", "concept_null")),
    "E2": Stage("E2", (*TASK, "--query_key", "3", "--student_num_epoch", "4", "--n_workers", "0")),
    "LIB": Stage("LIB"),
}
"""What reads what they made."""


def lay(workshop, folder: Path, seed: int = 0) -> dict[str, Path]:
    """The run, and by stage a copy of the folder as it was before that stage; "end" is the whole."""
    source = folder / "source"
    source.mkdir(parents=True)
    tiny_images(source)
    before = {}
    for name, stage in PIPELINE.items():
        before[name] = Path(shutil.copytree(source, folder / f"before {name}"))
        seeded = ["--seed", str(seed)] if seed and name not in ("A2", "E1") else []
        done = workshop.run(stage.name, stage.words(source, *seeded))
        assert done.code == 0, (name, done)
    return before | {"end": source}


def content(folder: Path) -> dict[str, str]:
    """What counts of every file below a folder, by name: a hash of it without times and the folder's own place."""
    found = {}
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and not file.is_symlink() and not NOTHING.search(name):
            found[name] = _hash(file, folder)
    return found


def _hash(file: Path, folder: Path) -> str:
    data = file.read_bytes()
    try:
        if file.suffix == ".json":
            data = json.dumps(_timeless(json.loads(data))).encode()
        elif file.name == "history.csv":
            rows = list(csv.DictReader(io.StringIO(data.decode())))
            data = json.dumps([{k: v for k, v in row.items() if not TIMES.search(str(k))} for row in rows]).encode()
    except (ValueError, RecursionError):
        pass
    return hashlib.sha256(data.replace(str(folder).encode(), b"")).hexdigest()


def _timeless(value):
    if isinstance(value, dict):
        return {name: _timeless(each) for name, each in value.items() if not TIMES.search(name) and not _timed(name)}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


def _timed(name: str) -> bool:
    """Whether a manifest's line is of a file that holds times, or the source's place."""
    return name.endswith(("history.csv", ".json", "report.json")) or name in ("source", "listed")
