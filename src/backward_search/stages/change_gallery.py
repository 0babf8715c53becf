"""C3: add images to a gallery and remove images from it, without building its indexes again."""

import logging
from pathlib import Path

from backward_search.cli import ChangeOptions
from backward_search.cli.translation import opened_run
from backward_search.errors import DataError, MissingError
from backward_search.gallery.stored import StoredGallery
from backward_search.model.embedding import EmbeddingNetwork, embed_files
from backward_search.runs.index import begin_gallery
from backward_search.runs.run import Run, find_device
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
    coming = _images(Path(options.add).expanduser()) if options.add else []
    stored = begin_gallery(run, options.split, len(table), overwrite=options.overwrite)
    if coming:
        _add(run, stored, coming, leaving, options)
    else:
        stored.remove(leaving)
    if leaving:
        LOG.info("removed %d images", len(leaving))
    LOG.info("wrote %s: %d images, engines: exact %s", stored.folder, len(stored), " ".join(stored.contents.indexes))
    LOG.info("E1, E2 and F1 show the split as it was embedded; docs/scale.md, 6, says how a program searches all of it")
    return stored.folder


def _add(run: Run, stored: StoredGallery, files: list[Path], leaving: list[str], options: ChangeOptions) -> None:
    keys = ["/".join(file.parts[-2:]) for file in files]
    stored.check_new(keys, leaving)  # before the images are embedded
    device = find_device(options.device)
    network = EmbeddingNetwork(run.load_model(device), device)
    made = embed_files(network, files, run.look, batch_size=options.batch_size, workers=options.n_workers)
    embeddings, logits = made.pop("").numpy(), {name: part.numpy() for name, part in made.items()}
    stored.add(keys, embeddings, logits, leaving=leaving)
    LOG.info("added %d images", len(files))


def _images(source: Path) -> list[Path]:
    """The images below a folder, sorted, or those that a text file lists."""
    if source.is_dir():
        files = images_below(source.absolute())
    else:
        files = [(source.parent / line).absolute() for line in _lines(source)]
    if not files:
        raise DataError(f"--add {source} has no image in it")
    return files


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        raise MissingError(f"{file} does not exist")
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise DataError(f"{file} is no text file with a line for each image: pass a folder, or such a file") from None
