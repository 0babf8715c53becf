"""The gallery of a run on disk: begun with the embeddings of a split, and searched through its indexes."""

from dataclasses import asdict
from typing import Any

import numpy as np

from backward_search.errors import StaleError
from backward_search.gallery.contents import Contents, Shard
from backward_search.gallery.engines.index import EXACT, EngineSettings, Selected
from backward_search.gallery.memory import Engine
from backward_search.gallery.stored import StoredGallery
from backward_search.runs.run import Run
from backward_search.storage.hashing import file_hash
from backward_search.storage.manifest import refuse_stale
from backward_search.storage.paths import require


def begin_gallery(run: Run, split: str, count: int, *, overwrite: bool) -> StoredGallery:
    """Open the gallery of a split, or begin it with the embeddings that C1 wrote.

    Args:
        run: the trained model.
        split: train or test.
        count: its images.
        overwrite: begin anew where the embeddings have changed and images had been added or removed.

    Raises:
        StaleError: they have, and `overwrite` is False.
    """
    folder, source = run.paths.gallery(split), _source(run, split)
    if (folder / "gallery.json").exists():
        stored = StoredGallery.open(folder)
        if stored.contents.source == source:
            return stored
        if changes := _changes(stored, count):
            refuse = f"{folder} has {changes}, embedded by other weights: pass --overwrite True to begin it anew"
            if not overwrite:
                raise StaleError(refuse)
        for manifest in folder.glob("manifest-*.json"):
            manifest.unlink()
    logits = {name: _beside(run, f"{split}-logits-{name}.npy") for name in run.classes}
    shard = Shard(_beside(run, f"{split}.npy"), _beside(run, f"{split}.csv"), logits, count)
    return StoredGallery.create(folder, Contents(source, run.classes, (shard,)))


def split_engine(run: Run, split: str, settings: EngineSettings, rows: np.ndarray) -> Engine | None:
    """An engine over some images of a split; None for the exact one.

    Args:
        run: the trained model.
        split: train or test.
        settings: which engine, and how it is searched.
        rows: the images of the gallery as rows of the split, (N,).

    Raises:
        MissingError: its index has not been built.
        StaleError: it is that of other embeddings, or images have been added or removed since.
    """
    if settings.engine == EXACT:
        return None
    stored = _finished(run, split, settings.engine)
    total = stored.contents.shards[0].count
    if changes := _changes(stored, total):
        raise StaleError(f"{stored.folder} has {changes}, and E1, E2 and F1 are about the split: use --engine exact")
    allowed = np.zeros(total, bool)
    allowed[rows] = True
    engine = stored.engine(settings.engine, settings, None if allowed.all() else allowed)
    return Selected(engine, rows, total)


def index_facts(run: Run, split: str, engine: str) -> dict[str, Any]:
    """How the index of an engine was built, for the record of what it found."""
    record = asdict(_finished(run, split, engine).contents.indexes[engine])
    return {name: record[name] for name in ("generation", "settings")}


def _finished(run: Run, split: str, engine: str) -> StoredGallery:
    manifest = run.paths.index_manifest(split, engine)
    where = {} if split == "test" else {"split": split}
    remedy = f"run {run.command('C2.Build-Index.py', engine=engine, **where)}"
    require(manifest, f"finished {engine} index", remedy)
    inputs = {"weights": run.paths.weights, "embeddings": run.paths.embeddings(split)}
    refuse_stale(manifest, inputs, f"{remedy} and --overwrite True")
    return StoredGallery.open(run.paths.gallery(split))


def _source(run: Run, split: str) -> dict[str, str]:
    return {"weights": file_hash(run.paths.weights), "embeddings": file_hash(run.paths.embeddings(split))}


def _beside(run: Run, name: str) -> str:
    return f"../../{run.paths.embeddings('test').parent.name}/{name}"


def _changes(stored: StoredGallery, count: int) -> str:
    """What has been added and removed since the gallery began with `count` images; "" for nothing."""
    added, removed = stored.contents.total - count, len(stored.contents.removed)
    return f"{added} images added and {removed} removed" if added or removed else ""
