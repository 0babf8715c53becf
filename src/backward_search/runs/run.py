"""A trained model on disk: its configuration, and what later stages read of it."""

import dataclasses
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backward_search.data import registry
from backward_search.data.prepared import load_table
from backward_search.data.registry import DatasetEntry, Preprocessing
from backward_search.data.tables import SPLITS, Table
from backward_search.errors import DataError, MissingError, OptionError, UserError
from backward_search.model.network import Model, ModelConfig
from backward_search.runs.names import RunName
from backward_search.storage.atomic import read_json
from backward_search.storage.keys import read_keys
from backward_search.storage.manifest import is_there, refuse_changed, refuse_stale
from backward_search.storage.mapped import all_finite, mapped
from backward_search.storage.paths import DataPaths, RunPaths, require, rooted
from backward_search.storage.tensors import load_tensors
from backward_search.visible import quoted

EMBED = "run C1.ModelTest.py with the same options"
EMBED_AGAIN = f"{EMBED} and --overwrite True"
"""The remedy of embeddings or logits that cannot be read."""


def find_device(name: str) -> torch.device:
    """The device that --device names; under torchrun "auto" and "cuda" give each process its own GPU.

    Raises:
        OptionError: torch does not know it or does not see it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if name == "cuda" and "LOCAL_RANK" in os.environ:  # torchrun gives every process a GPU of its own
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"--device {name} cannot be used ({str(error).splitlines()[0]}): pass auto or cpu") from None
    return device


def require_encoder(run: "Run") -> None:
    """Refuse what only a network that takes images can do.

    Raises:
        OptionError: the run was trained on vectors.
    """
    if run.model.features:
        raise OptionError(
            f"{run.name.dataset_name} was trained on vectors of {run.model.features}: embed images with the encoder "
            "that made those, and pass their vectors (--query_vector of E2, --vectors of C3)"
        )


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        name: the settings that tell it apart.
        paths: its files.
        data: those of its data set.
        entry: its data set.
        classes: for each trained attribute its labels.
        model: the network's configuration.
        look: how its images are prepared.
    """

    name: RunName
    paths: RunPaths
    data: DataPaths
    entry: DatasetEntry
    classes: dict[str, list[str]]
    model: ModelConfig
    look: Preprocessing

    @classmethod
    def open(cls, name: RunName, weight_root: str | Path, data_root: str | Path) -> "Run":
        """Open a run.

        Raises:
            MissingError: it has not been trained; the message names those of the data set that there are.
            StaleError: it was trained on other tables than there are now.
            DataError: its configuration is damaged.
        """
        paths = RunPaths.of(weight_root, name.folder)
        data, entry = DataPaths.of(data_root, name.dataset_name), registry.find(name.dataset_name, data_root)
        remedy = f"run B1.BuildModel.py --dataset_name {name.dataset_name} with the same options"
        if not paths.manifest("B1").exists():
            raise MissingError(
                f"no finished training at {paths.manifest('B1')}: {remedy}{_there_are(name, weight_root)}"
            )
        require(paths.weights, "trained network", f"{remedy} and --overwrite True")
        refuse_changed(paths.manifest("B1"), [paths.config], f"{remedy} and --overwrite True")
        tables = {split: data.table(split) for split in SPLITS} | {"classes": data.classes}
        try:
            run = cls(name, paths, data, entry, **_parsed(read_json(paths.config)))
            if run.model.features:
                tables |= {f"vectors of {split}": data.vectors(split) for split in SPLITS}
            for file in tables.values():
                require(file, f"table of {name.dataset_name}", f"run {entry.prepare}")
            refuse_stale(paths.manifest("B1"), tables, f"{remedy} and --overwrite True")
            return run
        except (KeyError, TypeError, AttributeError):
            raise DataError(f"{paths.config} is not a run's configuration: {remedy} and --overwrite True") from None

    def taking(self, max_pixels: int) -> "Run":
        """The same run, which opens pictures of so many pixels."""
        return dataclasses.replace(self, look=dataclasses.replace(self.look, max_pixels=max_pixels))

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that it was trained on."""
        return tuple(self.classes)

    def command(self, script: str, **more: object) -> str:
        """The command that runs a script on this run, with what is not as usual, and with further options."""
        usual = RunName.usual(self.entry).in_json
        words = {name: value for name, value in self.name.in_json.items() if value != usual[name]}
        roots = {
            "data_root": (self.data.root, rooted("data")),
            "weight_root": (self.paths.folder.parent, rooted("weight")),
        }
        words |= {name: place for name, (place, default) in roots.items() if place != default}
        each = {"dataset_name": self.name.dataset_name, **words, **more}
        return " ".join(["python", script, *(f"--{name} {quoted(str(value))}" for name, value in each.items())])

    def load_model(self, device: torch.device) -> Model:
        """The network in evaluation mode.

        Raises:
            DataError: the weights are those of another network, or of other attributes.
        """
        network = Model(self.model)
        tensors = self.load_weights()
        expected = network.state_dict()
        other = expected.keys() ^ tensors.keys()
        other |= {name for name in expected.keys() - other if expected[name].shape != tensors[name].shape}
        if other:
            raise DataError(
                f"{self.paths.weights} is not the network of {self.paths.config.name}, {min(other)} differs: "
                "run B1.BuildModel.py with the same options and --overwrite True"
            )
        network.load_state_dict(tensors)
        layout = torch.channels_last if device.type == "cuda" else torch.preserve_format
        network.to(device, memory_format=layout)  # type: ignore[call-overload]
        return network.eval()

    def load_weights(self) -> dict[str, torch.Tensor]:
        """The weights as they were trained, on the CPU.

        Raises:
            DataError: they are damaged, or those of another run.
        """
        remedy = "run B1.BuildModel.py with the same options and --overwrite True"
        refuse_changed(self.paths.manifest("B1"), [self.paths.weights], remedy)
        return load_tensors(self.paths.weights)[0]

    def load_table(self, split: str) -> Table:
        """The table of a split as its embeddings have it: without the images that C1 could not read and left out."""
        table = load_table(self.data, self.entry, split)
        left_out = self.left_out(split)
        return table.without({row for row, key in enumerate(table.keys) if key in left_out}) if left_out else table

    def picture(self, path: str) -> Path | None:
        """The file of an image of a table; None where vectors stand for images and there is none."""
        file = self.data.image(path)
        return file if not self.model.features or file.is_file() else None

    def left_out(self, split: str) -> set[str]:
        """The keys of the images of a split that C1 could not read, where it was allowed to leave them out."""
        file = self.paths.unreadable(split)
        there = is_there(self.paths.embedding_manifest(split), file, EMBED_AGAIN)
        return set(read_keys(file, EMBED_AGAIN)) if there else set()

    def held_out(self) -> np.ndarray:
        """The rows of the training table, as its embeddings have it, that were kept from training."""
        file = self.paths.holdout
        remedy = "run B1.BuildModel.py with the same options and --overwrite True"
        if not is_there(self.paths.manifest("B1"), file, remedy):
            return np.empty(0, np.int64)
        keys = set(read_keys(file, remedy))
        return np.array([row for row, key in enumerate(self.load_table("train").keys) if key in keys], int)

    def temperatures(self) -> dict[str, float]:
        """By attribute, what the logits of its head are divided by to be calibrated; empty where nobody knows.

        Raises:
            DataError: the file that says so is damaged.
        """
        file, manifest = self.paths.calibration, self.paths.manifest("C1-calibration")
        if not is_there(manifest, file, EMBED_AGAIN):
            return {}
        try:
            found = {name: float(each["temperature"]) for name, each in read_json(file).items()}
            if not all(name in self.classes and 0 < value < math.inf for name, value in found.items()):
                raise ValueError
        except (AttributeError, KeyError, TypeError, ValueError):
            raise DataError(f"{file} holds no temperatures of this run's heads: {EMBED_AGAIN}") from None
        return found

    def load_logits(
        self, split: str, attribute: str, rows: np.ndarray | slice = slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """The logits (N, K) of some images of a split for one attribute, and the images' true classes (N,)."""
        return self.stored_logits(split, attribute)[rows], self.load_table(split).ids[attribute][rows]

    def stored_logits(self, split: str, attribute: str) -> np.ndarray:
        """The logits of a split for one attribute, (N, K) float32, memory-mapped.

        Raises:
            MissingError: C1 has not run on the split.
            DataError: they are damaged, or not those of the split's images.
        """
        file, classes = self.paths.logits(split, attribute), len(self.classes[attribute])
        require(self.paths.embedding_manifest(split), f"finished embeddings of {split}", EMBED)
        return self._stored(split, file, (len(read_keys(self.paths.rows(split), EMBED_AGAIN)), classes))

    def load_embeddings(self, split: str, keys: list[str]) -> np.ndarray:
        """The embeddings of one split, (N, E) float32, memory-mapped.

        Raises:
            MissingError: they have not been extracted.
            StaleError: they are those of other weights.
            DataError: they are those of another table.
        """
        manifest = require(self.paths.embedding_manifest(split), f"finished embeddings of {split}", EMBED)
        refuse_stale(manifest, {"weights": self.paths.weights}, EMBED_AGAIN)
        self._refuse_changed(split, self.paths.rows(split))
        if read_keys(self.paths.rows(split), EMBED_AGAIN) != keys:
            raise DataError(f"{self.paths.rows(split)} lists other images than the data set's table: {EMBED_AGAIN}")
        return self._stored(split, self.paths.embeddings(split), (len(keys), self.model.encoding_size))

    def _stored(self, split: str, file: Path, shape: tuple[int, int]) -> np.ndarray:
        """An array that C1 wrote; one that nobody recorded is looked through for what is no number."""
        recorded = self._refuse_changed(split, file)
        array = mapped(file, EMBED_AGAIN, shape=shape, dtype=np.float32)
        if not recorded and not all_finite(array):
            raise DataError(f"{file} holds what is no finite number: {EMBED_AGAIN}")
        return array

    def _refuse_changed(self, split: str, file: Path) -> bool:
        return refuse_changed(self.paths.embedding_manifest(split), [file], EMBED_AGAIN)


def runs_of(weight_root: str | Path) -> Iterator[tuple[RunName, RunPaths]]:
    """The finished runs below a folder, by name; what is no run is left out."""
    for manifest in sorted(rooted(weight_root).glob("*/manifest-B1.json")):
        name = name_of(RunPaths(manifest.parent))
        if name is not None:
            yield name, RunPaths(manifest.parent)


def name_of(paths: RunPaths) -> RunName | None:
    """The settings of a run: its configuration holds them; of an older one its folder's name does."""
    try:
        content = read_json(paths.config)
        stored = content.get("name")
        if stored is not None:
            return RunName.stored(stored)
        name = RunName.read(paths.name)
        return name and _completed(name, content, paths.name)
    except (UserError, KeyError, TypeError, AttributeError):
        return None


def _completed(name: RunName, content: dict[str, Any], folder: str) -> RunName | None:
    """A name that was read from a folder, with what a name cannot carry."""
    model = content["model"]
    listed = "-".join(model["classes"]) == name.category_type
    kind = ",".join(model["classes"]) if listed else name.category_type
    full = dataclasses.replace(name, encoder_model=model["encoder_model"], category_type=kind)
    return full if full.folder == folder else None


def _there_are(name: RunName, weight_root: str | Path) -> str:
    """The other runs of the data set, as a hint."""
    others = [other for other, _ in runs_of(weight_root) if other.dataset_name == name.dataset_name]
    if not others:
        return ""
    near = min(others, key=lambda other: len(other.differences(name.in_json)))
    differing = " ".join(f"--{each} {getattr(near, each)}" for each in near.differences(name.in_json))
    return f"; there is a run of {differing}"


def config_json(
    name: RunName, model: ModelConfig, look: Preprocessing, classes: dict[str, list[str]]
) -> dict[str, Any]:
    """What `Run.open` and `name_of` read back."""
    return {
        "name": name.in_json,
        "classes": classes,
        "model": dataclasses.asdict(model),
        "look": look.in_json,
    }


def _parsed(content: dict[str, Any]) -> dict[str, Any]:
    look = content["look"] | {name: tuple(content["look"][name]) for name in ("mean", "std")}
    return {
        "classes": content["classes"],
        "model": ModelConfig(**content["model"]),
        "look": Preprocessing(**look),
    }
