"""A small run, stage by stage: what each reads and makes, and folders compared by what counts in them."""

import csv
import dataclasses
import hashlib
import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import published_files
from PIL import Image
from tiny_set import tiny_images

SMALL = ["--encoder_model", "small_cnn", "--encoding_size", "32", "--num_epoch", "2", "--n_workers", "0"]
STEPS = ["--context_steps", "40", "--context_size", "8", "--context_hidden", "16"]
TASK = ["--inverse_max_itr", "5", "--inverse_lambda", "0.5"]
NOTHING = re.compile(r"(run|import|tables)\.log$|tensorboard/|\.sha256\.json$")
"""What is different after every run."""
TIMES = re.compile(r"seconds|versions")
GENERATION = re.compile(r"\b(faiss-\w+)-\d+(?=/)")
"""How often an index was built, in its folder's name."""


@dataclass(frozen=True)
class Stage:
    """A script on the small run.

    Attributes:
        name: how the script begins.
        more: its options beside those that name the run; {folder} in them is where the run lies.
        places: whether it takes data and weight roots, and the run's options.
        before: Python that is run first.
        told: what it says when it is run again after it was killed with its work done; "" if it says nothing.
    """

    name: str
    more: tuple[str, ...] = ()
    places: str = "run"
    before: str = ""
    told: str = ""

    @property
    def goes_on(self) -> "Stage":
        """The command that goes on with it: the same without --overwrite."""
        kept = " ".join(self.more).replace("--overwrite True", "").split()
        return dataclasses.replace(self, more=tuple(kept))

    def words(self, folder: Path, *further: str) -> list[str]:
        further = (*(word.format(folder=folder) for word in self.more), *further)
        return [*self._names(folder), *further]

    def _names(self, folder: Path) -> list[str]:
        roots = ["--data_root", str(folder / "data")]
        if self.places == "source":
            return ["--dataset_name", "tiny", *roots, "--source", str(folder / "tiny.npz")]
        if self.places == "data":
            return ["--dataset_name", "tiny", *roots]
        weights = ["--weight_root", str(folder / "weight")]
        if self.places == "published":
            return [*roots, *weights, "--source", str(folder / "model")]
        weights += ["--result_root", str(folder / "result")] if self.name == "E2" else []
        weights += ["--table_root", str(folder / "tables")] if self.name == "E3" else []
        return ["--dataset_name", "tiny", *roots, *weights, *self._run]

    @property
    def _run(self) -> list[str]:
        if self.name == "E3":
            return SMALL[2:]
        return SMALL[:6] if self.name in ("LIB", "E2") else SMALL


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
ENGINE = ("--engine", "faiss-hnsw")
TASKS = """
from backward_search.paper.tasks import PaperTask
from backward_search.stages import paper_tables
paper_tables.tasks_of = lambda *_: [PaperTask("tiny", "light,shade", 1, 0.5, ("small_cnn",))]
"""
"""The paper's tables are to be of the small run."""
MADE = "in the gallery"
FURTHER = {
    "A0": Stage("A0", places="published"),
    "C2": Stage("C2", ENGINE),
    "C2 again": Stage("C2", (*ENGINE, "--overwrite", "True")),
    "C3 add": Stage("C3", ("--add", "{folder}/new"), told=MADE),
    "C3 remove": Stage("C3", ("--remove", "{folder}/keys.txt"), told=MADE),
    "E2": READERS["E2"],
    "E3": Stage("E3", ("--tables", "1,2,3,4"), before=TASKS),  # the others hold times
}
"""Stages beside the run."""


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


def lay_further(workshop, end: Path, folder: Path, *, faiss: bool) -> dict[str, Path]:
    """By further stage the folder as it is before that stage.

    Args:
        workshop: that makes it.
        end: the run.
        folder: where it goes.
        faiss: whether there are indexes.
    """
    published = folder / "published"
    published_files.write_tables(published / "data")
    published_files.write_run(published / "model")
    found = {"A0": published, "E2": end, "E3": end}
    if not faiss:
        return found
    indexed = Path(shutil.copytree(end, folder / "indexed"))
    for number in range(3):
        place = indexed / "new" / f"new{number}.png"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 40 * number, np.uint8)).save(place)
    (indexed / "keys.txt").write_text("new/new1.png\nnew/new2.png\n")
    changed = folder / "changed"
    for name, before, place in (("C2", indexed, indexed), ("C3 add", indexed, changed)):
        if place != before:
            shutil.copytree(before, place)
        done = workshop.run(FURTHER[name].name, FURTHER[name].words(place))
        assert done.code == 0, (name, done)
    return found | {"C2": end, "C2 again": indexed, "C3 add": indexed, "C3 remove": changed}


def content(folder: Path) -> dict[str, str]:
    """What counts of every file below a folder, by name: a hash of it without times and the folder's own place."""
    found = {}
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and not file.is_symlink() and not NOTHING.search(name):
            name = GENERATION.sub(r"\1", name)
            found[f"{name} again" if name in found else name] = _hash(file, folder)
    return found


def _hash(file: Path, folder: Path) -> str:
    data = file.read_bytes()
    try:
        if file.suffix == ".json":
            data = json.dumps(_of_any_generation(file, _timeless(json.loads(data)))).encode()
        elif file.name == "history.csv":
            rows = list(csv.DictReader(io.StringIO(data.decode())))
            data = json.dumps([{k: v for k, v in row.items() if not TIMES.search(str(k))} for row in rows]).encode()
    except (ValueError, RecursionError, KeyError, AttributeError, TypeError):  # it is damaged
        pass
    for place in (str(folder), str(folder).replace("_", r"\_")):  # as it is, and in LaTeX
        data = data.replace(place.encode(), b"")
    return hashlib.sha256(data).hexdigest()


def _timeless(value):
    if isinstance(value, dict):
        return {name: _timeless(each) for name, each in value.items() if not TIMES.search(name) and not _timed(name)}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


def _of_any_generation(file: Path, content):
    """A gallery's table without how often its indexes were built, which a killed run adds to."""
    if file.name != "gallery.json" or not isinstance(content, dict):
        return content
    indexes = {kind: record | {"generation": 0} for kind, record in content["indexes"].items()}
    files = {GENERATION.sub(r"\1", name): value for name, value in content["files"].items()}
    return content | {"indexes": indexes, "files": files, "sha256": ""}


def _timed(name: str) -> bool:
    """Whether a manifest's line is of a file that holds times, or the source's place."""
    return name.endswith(("history.csv", ".json", "report.json")) or name in ("source", "listed")
