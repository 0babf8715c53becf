"""A trained run as a searcher."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backward_search.data import registry
from backward_search.data.opening import MAX_PIXELS
from backward_search.errors import MissingError, OptionError
from backward_search.gallery.engines.index import EXACT, EngineSettings
from backward_search.gallery.engines.registry import ENGINES
from backward_search.library.checks import whole_of
from backward_search.library.searcher import Searcher
from backward_search.model.embedding import EmbeddingNetwork, embed_files, embed_vectors
from backward_search.once import Once
from backward_search.runs.defaults import usual_config
from backward_search.runs.names import RunName
from backward_search.runs.run import Run, find_device, require_encoder, runs_of
from backward_search.runs.source import RunSource
from backward_search.runs.students import StudentChoice

SETTINGS = tuple(field.name for field in fields(RunName))
"""What tells runs apart."""


def open_run(
    dataset_name: str,
    *,
    split: str = "test",
    data_root: str | Path = "data",
    weight_root: str | Path = "weight",
    device: str = "auto",
    engine: str = EXACT,
    shortlist: int = 200,
    nprobe: int = 32,
    ef_search: int = 200,
    omit_tagless: bool = True,
    student: StudentChoice | None = None,
    max_pixels: int = MAX_PIXELS,
    learn_context: bool = True,
    **settings: Any,
) -> Searcher:
    """A searcher over one split of a data set, through a run that B1 and C1 have finished.

    It answers as E1, E2 and F1 do: with the data set's own lambda and student unless others are given.

    Args:
        dataset_name: the data set.
        split: the gallery, train or test.
        data_root: folder of the data sets; relative ones begin at the scripts' folder where that is, else at the
            working directory.
        weight_root: folder of the trained models, likewise.
        device: auto (CUDA where there is one), cpu, cuda, ...
        engine: what finds the images near a query; all but "exact" need their index (C2).
        shortlist: candidates that such an engine proposes for exact scores.
        nprobe: cells of an inverted file that are looked into.
        ef_search: candidates that an HNSW graph keeps.
        omit_tagless: leave images without any tag out, as E1 does.
        student: which student answers; the data set's usual one if left out.
        max_pixels: most pixels of a picture that is embedded; larger ones are refused.
        learn_context: learn a context map in memory when `context` or `best` first need one and C4 has not run (up to
            a minute and a half; the same map); False refuses them then.
        settings: of the run, by the options' names: `category_type`, `encoder_model`, `num_epoch`, ... Where they fit
            several runs the one of the usual settings is taken.

    Raises:
        MissingError: there is no such run, or it has no embeddings, or no index.
        OptionError: an argument does not exist or cannot be meant, or several runs fit equally well.
    """
    if split not in ("train", "test"):
        raise OptionError(f"split is {split!r}: expected train or test")
    if engine != EXACT:
        ENGINES.find(engine)
    chosen = EngineSettings(
        engine,
        *(
            whole_of(value, name, least=1)
            for name, value in (("shortlist", shortlist), ("nprobe", nprobe), ("ef_search", ef_search))
        ),
    )
    run = Run.open(_chosen(dataset_name, data_root, weight_root, settings), weight_root, data_root)
    run = run.taking(whole_of(max_pixels, "max_pixels", least=1))
    place = find_device(device)
    source = RunSource(run, split, device=place, engine=chosen, omit_tagless=omit_tagless, learn_context=learn_context)
    keys = [source.table.keys[row] for row in source.rows]
    usual = usual_config(run.entry)
    usual = usual if student is None else replace(usual, student=student)
    return Searcher.over(source, keys, usual, _Embedder(run, place))


class _Embedder:
    """The network of a run, loaded when it is first asked for."""

    def __init__(self, run: Run, device: torch.device) -> None:
        self._run, self._device, self._once = run, device, Once()

    def __call__(self, files: Any) -> Tensor:
        network = self._once("network", lambda: EmbeddingNetwork(self._run.load_model(self._device), self._device))
        if isinstance(files, Tensor) or (len(files) and not isinstance(files[0], str | Path)):
            vectors = files if isinstance(files, Tensor) else torch.from_numpy(np.asarray(files, np.float32))
            return embed_vectors(network, vectors[None] if vectors.ndim == 1 else vectors)[""].to(self._device)
        require_encoder(self._run)
        return embed_files(network, [Path(file) for file in files], self._run.look)[""].to(self._device)


def _chosen(dataset_name: str, data_root: str | Path, weight_root: str | Path, settings: dict[str, Any]) -> RunName:
    """The run that some settings mean."""
    for name, value in settings.items():
        if name not in SETTINGS:
            raise OptionError(f"open_run has no argument {name}: of a run there are {', '.join(SETTINGS[2:])}")
        if not isinstance(value, type(getattr(_ANY, name))):
            raise OptionError(f"{name} is {value!r}: expected {type(getattr(_ANY, name)).__name__}")
    usual = RunName.usual(registry.find(dataset_name, data_root), **settings)
    there = [name for name, _ in runs_of(weight_root) if name.dataset_name == dataset_name]
    fitting = [name for name in there if not name.differences(settings)]
    if usual in fitting:
        return usual
    if not fitting:
        if there and settings:
            known = "; ".join(" ".join(f"{each}={getattr(name, each)!r}" for each in settings) for name in there[:5])
            raise MissingError(f"no run of {dataset_name} in {weight_root} has these settings: there are {known}")
        return usual  # opening it says what is missing
    near = sorted(fitting, key=lambda name: len(name.differences(usual.in_json)))
    if len(near) > 1:
        telling = [each for each in SETTINGS if len({getattr(name, each) for name in near}) > 1]
        raise OptionError(f"{len(near)} runs of {dataset_name} fit: say which by {', '.join(telling)}")
    return near[0]


_ANY = RunName("", "", "", "", 0, True, 0)
"""Whose fields have the types of the settings."""
