"""C3: add images to a gallery and remove images from it, without building its indexes again."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backward_search.cli import ChangeOptions
from backward_search.cli.translation import opened_run
from backward_search.errors import DataError, MissingError, OptionError
from backward_search.gallery.stored import StoredGallery
from backward_search.model.embedding import EmbeddingNetwork, embed_files, embed_vectors
from backward_search.readers.custom.vectors import load_vectors
from backward_search.readers.outside import is_there, quoted, refuse_outside
from backward_search.runs.index import begin_gallery
from backward_search.runs.run import Run, find_device, require_encoder
from backward_search.stages.embed import images_below

LOG = logging.getLogger(__name__)


def change_gallery(options: ChangeOptions) -> Path:
    """Remove what `--remove` lists, then embed and add what `--add` names.

    Returns:
        The folder of the gallery.
    """
    run = opened_run(options)
    table = run.load_table(options.split)
    run.load_embeddings(options.split, table.keys)
    leaving = _lines(Path(options.remove).expanduser()) if options.remove else []
    coming = _coming(run, options) if options.add else None
    stored = begin_gallery(run, options.split, len(table), overwrite=options.overwrite)
    if coming is not None:
        _add(run, stored, coming, leaving, options)
    else:
        stored.remove(leaving)
    if leaving:
        LOG.info("removed %d images", len(leaving))
    LOG.info("wrote %s: %d images, engines: exact %s", stored.folder, len(stored), " ".join(stored.contents.indexes))
    LOG.info("E1, E2 and F1 show the split as it was embedded; docs/scale.md, 6, says how a program searches all of it")
    return stored.folder


@dataclass(frozen=True)
class _Coming:
    """What is added: the names of images, and their files, or the vectors (n, d) that stand for them."""

    keys: list[str]
    files: list[Path]
    vectors: Tensor | None = None


def _coming(run: Run, options: ChangeOptions) -> _Coming:
    place = Path(options.add).expanduser()
    if not options.vectors:
        require_encoder(run)
        files = _images(place, allow_outside=options.allow_outside)
        return _Coming(["/".join(file.parts[-2:]) for file in files], files)
    if not run.model.features:
        raise OptionError(
            f"--vectors is for a run on vectors, and {run.name.dataset_name} has images: pass --add alone"
        )
    vectors, keys = load_vectors([Path(options.vectors).expanduser()]), _lines(place)
    if len(vectors) != len(keys) or vectors.faulty():
        fault = next(iter(vectors.faulty()), f"{len(vectors)} vectors for the {len(keys)} names of {place}")
        raise DataError(f"--vectors {options.vectors} holds {fault}: expected a vector for each line of --add")
    return _Coming(keys, [], torch.from_numpy(vectors.take(np.arange(len(keys)))))


def _add(run: Run, stored: StoredGallery, coming: _Coming, leaving: list[str], options: ChangeOptions) -> None:
    stored.check_new(coming.keys, leaving)  # before they are embedded
    device = find_device(options.device)
    network = EmbeddingNetwork(run.load_model(device), device)
    if coming.vectors is None:
        how = {"batch_size": options.batch_size, "workers": options.n_workers}
        made = embed_files(network, coming.files, run.look, **how)
    else:
        try:
            made = embed_vectors(network, coming.vectors)
        except ValueError as error:
            raise DataError(f"--vectors {options.vectors}: {error}") from None
    embeddings, logits = made.pop("").numpy(), {name: part.numpy() for name, part in made.items()}
    stored.add(coming.keys, embeddings, logits, leaving=leaving)
    LOG.info("added %d images", len(coming.keys))


def _images(source: Path, *, allow_outside: bool) -> list[Path]:
    """The images below a folder, sorted, or those that a text file lists; one that lies elsewhere has to be allowed."""
    source = source.absolute()
    home = source if source.is_dir() else source.parent
    files = images_below(source) if source.is_dir() else [home / line for line in _lines(source)]
    if not files:
        raise DataError(f"--add {source} has no image in it")
    there = [file for file in files if is_there(file)]
    outside = refuse_outside(source, home, there, quoted(map(str, there)), allowed=allow_outside)
    for what, count in outside.items():
        LOG.info("%s: %s", what, count)
    return files


def _lines(file: Path) -> list[str]:
    if file.is_dir():
        raise DataError(f"{file} is a folder: expected a text file with a line for each image")
    if not file.is_file():
        raise MissingError(f"{file} does not exist")
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise DataError(f"{file} is no text file with a line for each image: pass a folder, or such a file") from None
