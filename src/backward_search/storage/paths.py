"""Every path the project reads or writes is built here; beside the scripts none depends on the working directory."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from backward_search.errors import MissingError, OptionError
from backward_search.storage.naming import LONGEST_OF_OURS, storable

_SOURCE = Path(__file__).resolve().parents[3]
PROJECT = _SOURCE if (_SOURCE / "pyproject.toml").exists() else Path.cwd()
"""Where relative roots begin: the folder of the numbered scripts; for an installed package the working directory."""


def rooted(folder: str | Path) -> Path:
    """An absolute path; a relative one begins at `PROJECT`."""
    path = Path(folder).expanduser()
    return path if path.is_absolute() else PROJECT / path


def checked_name(name: str) -> str:
    """Return `name` if it can serve as a folder name.

    Raises:
        OptionError: some disk cannot hold a folder of this name.
    """
    if storable(name) != unicodedata.normalize("NFC", name):
        raise OptionError(f"{name!r} cannot name a data set: use letters, digits, '-' and '_'")
    return name


@dataclass(frozen=True)
class DataPaths:
    """The files of one data set, below `data/<name>/`."""

    root: Path
    name: str

    @classmethod
    def of(cls, data_root: str | Path, name: str) -> "DataPaths":
        """The paths of data set `name` below `data_root`."""
        return cls(rooted(data_root), checked_name(name))

    @property
    def folder(self) -> Path:
        """`data/<name>`."""
        return self.root / self.name

    @property
    def attributions(self) -> Path:
        """The folder of tables, class list, tags and queries, as we write it."""
        return self.folder / "attributions"

    @property
    def log(self) -> Path:
        """What the preprocessing scripts said."""
        return self.folder / "run.log"

    @property
    def published_attributes(self) -> Path:
        """The same folder under the name that the published code gives it."""
        return self.folder / "attributes"

    @property
    def is_prepared(self) -> bool:
        """Whether there are tables, ours or those of the authors' bundle."""
        folders = (self.attributions, self.published_attributes)
        return any((folder / self.table("test").name).exists() for folder in folders)

    def table(self, split: str) -> Path:
        """The table of one split: path and one class id per attribute."""
        return self.attributions / f"preprocessed_{self.name}_{split}.csv"

    @property
    def classes(self) -> Path:
        """The class list: the sorted labels of every attribute."""
        return self.attributions / "classes.json"

    @property
    def tags(self) -> Path:
        """The tag table: one row per image of either split."""
        return self.attributions / "tags.csv"

    @property
    def report(self) -> Path:
        """What preprocessing found, dropped and repaired."""
        return self.attributions / "report.json"

    @property
    def check(self) -> Path:
        """What a look at the raw data found, where nothing was prepared."""
        return self.attributions / "check.json"

    @property
    def description(self) -> Path:
        """The data set's own entry, for data sets that the registry does not list."""
        return self.attributions / "dataset.json"

    def manifest(self, stage: str) -> Path:
        """The manifest of a stage that writes beside the tables."""
        return self.attributions / f"manifest-{stage}.json"

    def vectors(self, split: str) -> Path:
        """The vectors that stand for the images of one split, (N, d) float32, where the data set came with such."""
        return self.attributions / "vectors" / f"{split}.npy"

    def class_vectors(self, attribute: str) -> Path:
        """The vectors of the classes of an attribute, where A1 was given such."""
        return self.attributions / "class_vectors" / storable(f"{attribute}.npz", LONGEST_OF_OURS)

    @property
    def guessed(self) -> Path:
        """Which labels are no labels but the class vectors' guesses, where there are such."""
        return self.attributions / "guessed.csv"

    def features(self, name: str) -> Path:
        """The folder of what one frozen encoder makes of the images."""
        return self.folder / "features" / name

    def queries(self, attributes: tuple[str, ...], split: str, *, strict: bool = False) -> Path:
        """The query file of one task."""
        name = f"query_{'-'.join(attributes)}_{self.name}_{split}_random{'_strict' if strict else ''}.json"
        return self.attributions / storable(name, LONGEST_OF_OURS)

    def image(self, path: str) -> Path:
        """The file behind a table's path: `./data/` stands for the data root, absolute paths for themselves."""
        logical = Path(path)
        if logical.is_absolute():
            return logical
        parts = logical.parts[1:] if logical.parts[:1] == ("data",) else logical.parts
        return self.root.joinpath(*parts)


@dataclass(frozen=True)
class RunPaths:
    """The files of one trained model, below `weight/<run>/`."""

    folder: Path

    @classmethod
    def of(cls, weight_root: str | Path, name: str) -> "RunPaths":
        """The paths of run `name` below `weight_root`."""
        return cls(rooted(weight_root) / name)

    @property
    def name(self) -> str:
        """The run's name, which carries its main settings."""
        return self.folder.name

    @property
    def config(self) -> Path:
        """The configuration the run was trained with."""
        return self.folder / "config.json"

    @property
    def weights(self) -> Path:
        """The trained network."""
        return self.folder / "model.safetensors"

    @property
    def best_weights(self) -> Path:
        """The network after the epoch of the best test accuracy."""
        return self.folder / "best.safetensors"

    @property
    def holdout(self) -> Path:
        """The training images that were kept from training, where there are any."""
        return self.folder / "holdout.csv"

    @property
    def calibration(self) -> Path:
        """What they say of each head: temperatures and calibration errors."""
        return self.folder / "embeddings" / "calibration.json"

    @property
    def last_weights(self) -> Path:
        """The network after the last epoch."""
        return self.folder / "last.safetensors"

    @property
    def figure(self) -> Path:
        """Loss and accuracy of every epoch, drawn."""
        return self.folder / "history.png"

    @property
    def heads_table(self) -> Path:
        """How well the heads recognise each class of the test split."""
        return self.folder / "heads.csv"

    @property
    def heads_figure(self) -> Path:
        """The same, drawn."""
        return self.folder / "heads.png"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's records."""
        return self.folder / "tensorboard"

    @property
    def reserved(self) -> Path:
        """The settings of a training under way, which its checkpoint belongs to."""
        return self.folder / "training.json"

    @property
    def checkpoint(self) -> Path:
        """The state of a training under way, as it was last kept."""
        return self.folder / "checkpoint.safetensors"

    @property
    def history(self) -> Path:
        """Loss and accuracy of every epoch."""
        return self.folder / "history.csv"

    @property
    def log(self) -> Path:
        """What the scripts said while they worked on this run."""
        return self.folder / "run.log"

    def manifest(self, stage: str) -> Path:
        """The manifest of a stage that writes into the run's own folder."""
        return self.folder / f"manifest-{stage}.json"

    def embeddings(self, split: str) -> Path:
        """The embeddings of one split, (N, E) float32."""
        return self.folder / "embeddings" / f"{split}.npy"

    def shards(self, split: str) -> Path:
        """The folder of what the processes of an embedding under way have written."""
        return self.folder / "embeddings" / f".{split}.shards"

    def logits(self, split: str, attribute: str) -> Path:
        """The logits of one split for one attribute, (N, K) float32."""
        return self.folder / "embeddings" / storable(f"{split}-logits-{attribute}.npy", LONGEST_OF_OURS)

    def rows(self, split: str) -> Path:
        """The ordered table of the rows of the arrays of one split."""
        return self.folder / "embeddings" / f"{split}.csv"

    def gallery(self, split: str) -> Path:
        """The folder of the gallery that begins with one split, and of its indexes."""
        return self.folder / "galleries" / split

    def index_manifest(self, split: str, engine: str) -> Path:
        """The manifest of a finished index."""
        return self.gallery(split) / f"manifest-{engine}.json"

    def embedding_manifest(self, split: str) -> Path:
        """The record of the embeddings of one split."""
        return self.manifest(f"C1-{split}")

    def unreadable(self, split: str) -> Path:
        """The images of one split that C1 left out."""
        return self.folder / "embeddings" / f"{split}-unreadable.csv"

    @property
    def context(self) -> "ContextPaths":
        """The files of the context map."""
        return ContextPaths(self.folder / "context")

    def student(self, name: str) -> Path:
        """The folder of one student."""
        return self.folder / "students" / storable(name, LONGEST_OF_OURS)

    def result(self, task: str, name: str) -> Path:
        """The results of one method on one task."""
        return self.folder / "results" / storable(task, LONGEST_OF_OURS) / storable(f"{name}.json", LONGEST_OF_OURS)


def import_log(weight_root: str | Path) -> Path:
    """What the import of published runs said."""
    return rooted(weight_root) / "import.log"


@dataclass(frozen=True)
class StudentPaths:
    """The files of one student, below `weight/<run>/students/<settings>/`."""

    folder: Path

    @property
    def weights(self) -> Path:
        """The trained student."""
        return self.folder / "student.safetensors"

    @property
    def onnx(self) -> Path:
        """The same for programs without PyTorch."""
        return self.folder / "student.onnx"

    @property
    def manifest(self) -> Path:
        """The record of its training."""
        return self.folder / "manifest.json"

    @property
    def reserved(self) -> Path:
        """The settings of a training under way, which its checkpoint belongs to."""
        return self.folder / "training.json"

    @property
    def checkpoint(self) -> Path:
        """The state after the last finished epoch of a training under way."""
        return self.folder / "checkpoint.safetensors"


@dataclass(frozen=True)
class ContextPaths:
    """The files of a context map, below `weight/<run>/context/`."""

    folder: Path

    @property
    def weights(self) -> Path:
        """The map, with its shape."""
        return self.folder / "map.safetensors"

    @property
    def facts(self) -> Path:
        """What it was learnt from, and how well it keeps that on held-out images."""
        return self.folder / "context.json"

    @property
    def manifest(self) -> Path:
        """The record of its learning."""
        return self.folder / "manifest.json"

    @property
    def reserved(self) -> Path:
        """The settings of a learning under way, which its checkpoint belongs to."""
        return self.folder / "learning.json"

    @property
    def checkpoint(self) -> Path:
        """The state of a learning under way, as it was last kept."""
        return self.folder / "checkpoint.safetensors"


@dataclass(frozen=True)
class TablePaths:
    """The files of the paper's tables, below `fig/tables/`."""

    folder: Path

    @classmethod
    def of(cls, table_root: str | Path) -> "TablePaths":
        """The paths below `table_root`."""
        return cls(rooted(table_root))

    def table(self, name: str, suffix: str) -> Path:
        """One table in one form."""
        return self.folder / f"{name}{suffix}"

    @property
    def lock(self) -> Path:
        """Is there while they are made."""
        return self.folder / ".tables.lock"

    @property
    def from_paper(self) -> Path:
        """Numbers that a user has copied from the paper."""
        return self.folder / "from_paper.csv"

    @property
    def log(self) -> Path:
        """What was said while the tables were made."""
        return self.folder / "run.log"


def require(path: Path, what: str, remedy: str) -> Path:
    """Return `path` if it exists.

    Raises:
        MissingError: it does not; the message names `what` it is and the `remedy`.
    """
    if not path.exists():
        raise MissingError(f"no {what} at {path}: {remedy}")
    return path


def picture(result_root: str | Path, run: str, stem: str, form: str) -> Path:
    """The place of a picture of some run; its hits lie beside it."""
    return rooted(result_root) / run / storable(f"{stem}.{form}", LONGEST_OF_OURS)


def hits_beside(picture: Path) -> Path:
    """The hits that a picture shows, as a table."""
    return picture.with_suffix(".csv")


def explorer_uploads(result_root: str | Path) -> Path:
    """The folder of the images that were dropped into the explorer, so that its links stay good."""
    return rooted(result_root) / "explorer"
