"""A gallery on disk after any changes is the gallery that holds the same images from the beginning."""

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from nasty import texts

from backward_search.errors import DataError
from backward_search.gallery.contents import Contents, Shard
from backward_search.gallery.engines.index import BuildSettings, EngineSettings
from backward_search.gallery.memory import Gallery
from backward_search.gallery.stored import StoredGallery
from backward_search.storage.atomic import write_array, write_csv

WIDTH, CLASSES = 4, {"style": ["a", "b"], "a, b": ["x"]}
SEARCH = EngineSettings(shortlist=6)
KEYS = st.lists(texts(1).filter(lambda key: "\r" not in key), min_size=1, max_size=4, unique=True)
SEEDS = st.integers(0, 5)
"""Few, so that some images are equal."""


def vectors(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


def logits(count: int) -> dict[str, np.ndarray]:
    return {name: np.zeros((count, len(labels)), np.float32) for name, labels in CLASSES.items()}


class Changes(RuleBasedStateMachine):
    """Images come, go and come back; what is on disk is held to a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model: dict[str, np.ndarray] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize(keys=KEYS, seed=SEEDS, indexed=st.booleans())
    def begin(self, keys, seed, indexed):
        write_array(self.folder / "test.npy", vectors(seed, len(keys)))
        write_csv(self.folder / "test.csv", ["key"], [[key] for key in keys])
        files = {name: f"../logits-{number}.npy" for number, name in enumerate(CLASSES)}
        for name, values in logits(len(keys)).items():
            write_array(self.folder / Path(files[name]).name, values)
        shard = Shard("../test.npy", "../test.csv", files, len(keys))
        self.stored = StoredGallery.create(self.folder / "gallery", Contents({}, CLASSES, (shard,)))
        self.model = dict(zip(keys, vectors(seed, len(keys)), strict=True))
        if indexed:
            self.index()

    @precondition(lambda self: find_spec("faiss"))
    @rule()
    def index(self):
        if find_spec("faiss"):
            self.stored.build("faiss-flat", BuildSettings(), {})

    @rule(keys=KEYS, seed=SEEDS, data=st.data())
    def add(self, keys, seed, data):
        known = list(self.model)
        leaving = data.draw(st.lists(st.sampled_from(known), max_size=3, unique=True)) if known else []
        come = [*keys, *data.draw(st.lists(st.sampled_from(leaving), max_size=2, unique=True))] if leaving else keys
        come = list(dict.fromkeys(come))
        there = [key for key in come if key in self.model and key not in leaving]
        if there:
            with pytest.raises(DataError, match="already"):
                self.stored.add(come, vectors(seed, len(come)), logits(len(come)), leaving=leaving)
            return
        self.stored.add(come, vectors(seed, len(come)), logits(len(come)), leaving=leaving)
        for key in leaving:
            del self.model[key]
        self.model |= zip(come, vectors(seed, len(come)), strict=True)

    @rule(data=st.data())
    def remove(self, data):
        some = data.draw(st.lists(st.sampled_from(list(self.model)), max_size=3)) if self.model else []
        self.stored.remove(some)
        for key in set(some):
            del self.model[key]

    @rule(keys=KEYS, seed=SEEDS)
    def what_does_not_fit_changes_nothing(self, keys, seed):
        unknown = [key for key in keys if key not in self.model]
        if unknown:
            with pytest.raises(DataError, match="not in the gallery"):
                self.stored.remove([*self.model, *unknown])
            with pytest.raises(DataError, match="each needs its own"):
                self.stored.add(unknown * 2, vectors(seed, 2 * len(unknown)), logits(2 * len(unknown)))
            with pytest.raises(DataError, match="do not fit"):
                self.stored.add(unknown, vectors(seed, len(unknown))[:, 1:], logits(len(unknown)))

    @rule()
    def open_again(self):
        self.stored = StoredGallery.open(self.folder / "gallery")

    @invariant()
    def it_holds_what_it_should_and_finds_it(self):
        live, every = self.stored.allowed(), self.stored.keys
        rows = list(range(len(every))) if live is None else np.flatnonzero(live).tolist()
        assert len(self.stored) == len(self.model) == len(rows)
        assert [every[row] for row in rows] == list(self.model)
        if not self.model:
            return
        there = np.stack(list(self.model.values()))
        assert np.array_equal(self.stored.vectors().whole()[rows].numpy(), there)
        k, queries = min(3, len(there)), torch.from_numpy(np.concatenate([vectors(9, 2), there[-1:]]))
        plain = Gallery(torch.from_numpy(there)).search(queries, k)
        for kind in ("exact", *self.stored.contents.indexes):
            hits = self.stored.gallery(kind, SEARCH).search(queries, k)
            assert torch.equal(hits.similarity, plain.similarity)
            found = [[every[row] for row in own] for own in hits.rows.tolist()]
            if kind == "exact":
                assert found == [[list(self.model)[row] for row in own] for own in plain.rows.tolist()]
            assert all(set(own) <= set(self.model) for own in found)


TestChanges = Changes.TestCase
