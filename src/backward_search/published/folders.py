"""What the authors publish of their runs: finding weights, embeddings and students by the names they give them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from backward_search.errors import DataError
from backward_search.runs.names import FORM, RunName
from backward_search.storage.hashing import file_hash

_WEIGHTS = re.compile(r"model_(\d+)\.pth")
_EMBEDDINGS = re.compile(r"inference_(?P<name>.+)_(?P<split>train|test)_embedding_epoch(?P<epoch>\d+)\.npy")
_STUDENT = re.compile(r"student_model_epoch(\d+)\.pth")
_VALUE = r"(\d+\.?\d*(?:[eE][+-]?\d+)?|True|False)"
_STUDENT_FOLDER = re.compile(rf"knowledge_distill_model_lambda{_VALUE}_reg{_VALUE}(?:_cond(\d+))?")

Key = TypeVar("Key")


@dataclass(frozen=True)
class StudentSettings:
    """What the names of a student's file and folder say.

    Attributes:
        inverse_lambda: of its teacher.
        student_reg: weight of the distance to the query in its training.
        num_condition: the number of attributes it is conditioned on.
        epochs: the epochs it was trained.
    """

    inverse_lambda: float
    student_reg: float
    num_condition: int
    epochs: int


@dataclass(frozen=True)
class PublishedRun:
    """The files of one run, wherever below the source they lie.

    Attributes:
        name: of its folder.
        settings: those that the name carries, under the names of our options.
        weights: by epoch.
        embeddings: by split and epoch.
        students: by their settings.
    """

    name: str
    settings: Mapping[str, Any]
    weights: dict[int, Path] = field(default_factory=dict)
    embeddings: dict[tuple[str, int], Path] = field(default_factory=dict)
    students: dict[StudentSettings, Path] = field(default_factory=dict)

    def add(self, file: Path) -> bool:
        """Take in one of the run's files; whether its name, and for a student its folder's, is a published one.

        Raises:
            DataError: there is another file of the same name and other content.
        """
        if weights := _WEIGHTS.fullmatch(file.name):
            _keep(self.weights, int(weights[1]), file)
        elif embeddings := _EMBEDDINGS.fullmatch(file.name):
            if embeddings["name"] != self.settings["dataset_name"]:
                return False
            _keep(self.embeddings, (embeddings["split"], int(embeddings["epoch"])), file)
        elif student := student_settings(file):
            _keep(self.students, student, file)
        else:
            return False
        return True


def find_runs(source: Path) -> tuple[list[PublishedRun], list[Path]]:
    """Find the published runs in a folder and all folders below it; files of one run may lie in several places.

    Returns:
        The runs by name, and the files that are named like published ones but belong to no run.

    Raises:
        DataError: two files that should be the same are not.
    """
    runs: dict[str, PublishedRun] = {}
    strays = []
    for file in sorted(_candidates(source)):
        name = next((folder.name for folder in file.parents if _published(folder.name)), None)
        if name is None or not runs.setdefault(name, PublishedRun(name, run_settings(name))).add(file):
            strays.append(file)
    return [runs[name] for name in sorted(runs)], strays


def _candidates(source: Path) -> Iterable[Path]:
    forms = (_WEIGHTS, _EMBEDDINGS, _STUDENT)
    return (path for path in source.rglob("*") if any(form.fullmatch(path.name) for form in forms))


def run_settings(name: str) -> dict[str, Any]:
    """The settings in the name of a published run's folder.

    Raises:
        DataError: it is not such a name.

    >>> run_settings("CIR_Model-datasetCUB-catebirds-basemodelvit_b-encodingsize256-enc_updateTrue-num_epoch30-final")
    ... # doctest: +NORMALIZE_WHITESPACE
    {'mname': 'CIR_Model', 'dataset_name': 'CUB', 'category_type': 'birds', 'encoder_model': 'vit_b',
     'encoding_size': 256, 'enc_update': True, 'num_epoch': 30}
    """
    found = _published(name)
    if found is None:
        raise DataError(f"{name} is not the name of a published run, expected {FORM}")
    return {setting: value for setting, value in found.in_json.items() if setting != "recipe"}


def _published(name: str) -> RunName | None:
    """The settings in the name of a folder, if it is one of the authors', who had one recipe."""
    found = RunName.read(name)
    return found if found is not None and found.recipe == "paper" else None


def student_settings(file: Path) -> StudentSettings | None:
    """The settings in the names of a student's file and folder; None for any other file.

    >>> student_settings(Path("knowledge_distill_model_lambda3.2_reg0.0_cond2/student_model_epoch0049.pth"))
    StudentSettings(inverse_lambda=3.2, student_reg=0.0, num_condition=2, epochs=49)
    >>> student_settings(Path("knowledge_distill_model_lambda1_regFalse/student_model_epoch0009.pth"))
    StudentSettings(inverse_lambda=1.0, student_reg=0.0, num_condition=1, epochs=9)
    """
    name, folder = _STUDENT.fullmatch(file.name), _STUDENT_FOLDER.fullmatch(file.parent.name)
    if name is None or folder is None:
        return None
    return StudentSettings(_number(folder[1]), _number(folder[2]), int(folder[3] or 1), int(name[1]))


def _number(text: str) -> float:
    """A number as Python prints it; the booleans count as 0 and 1, as they did in the published arithmetic."""
    return float({"True": "1", "False": "0"}.get(text, text))


def _keep(files: dict[Key, Path], key: Key, file: Path) -> None:
    other = files.setdefault(key, file)
    if other != file and file_hash(other) != file_hash(file):
        raise DataError(f"{other} and {file} differ, and only one can be the run's: remove one of them")
