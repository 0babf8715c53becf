"""The approximate engines: what they propose, grow by, forget and filter."""

import re
import socket
import time

import numpy as np
import pytest
import torch
from extras import needs

from backward_search.errors import OptionError, UserError
from backward_search.gallery.engines.index import BuildSettings, EngineSettings, Fields, Place, Segment, Selected
from backward_search.gallery.memory import CosineScorer, Gallery, recall
from backward_search.gallery.vectors import Vectors

SIZE, COUNT = 32, 1200
CLASSES = {"style": ["Cubism", 'Neo-"Pop"']}
SETTINGS = BuildSettings(hnsw_m=16, ivf_lists=8, pq_bytes=16)
SEARCH = EngineSettings(shortlist=100, nprobe=8, ef_search=100)
ENGINES = ["faiss-flat", "faiss-ivfpq", "faiss-hnsw", "milvus"]


def fields(rows: slice) -> Fields:
    numbers = np.arange(rows.start, rows.stop)
    labels = [CLASSES["style"][number % 2] for number in numbers]
    likely = np.stack([numbers / 2000, 1 - numbers / 2000], axis=1).astype(np.float32)
    return Fields([f"folder/{number}.png" for number in numbers], {"style": labels}, {"style": likely})


def make(kind, folder, settings=SETTINGS):
    if kind == "milvus":
        needs("milvus", "pymilvus")
        needs("milvus", "milvus_lite")
        from backward_search.gallery.engines.milvus_index import MilvusIndex

        return MilvusIndex(str(folder / "milvus.db"), "gallery", CLASSES, settings)
    needs("faiss")
    from backward_search.gallery.engines.faiss_index import FaissIndex

    return FaissIndex(folder, kind, settings)


def images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    mix = torch.randn(6, SIZE, generator=generator)
    return torch.tanh(torch.randn(count, 6, generator=generator) @ mix)


@pytest.fixture(scope="module", params=ENGINES)
def built(request, tmp_path_factory):
    """An index of 1,200 images, to which 50 are then added: (index, vectors before, vectors after)."""
    index = make(request.param, tmp_path_factory.mktemp(request.param))
    before, after = Vectors([images(COUNT + 50)[:COUNT]]), Vectors(images(COUNT + 50).split([COUNT, 50]))
    index.build(before, fields)
    index.add(Segment(COUNT, 50), after, fields)
    yield index, before, after
    index.close()


def test_the_shortlist_holds_the_nearest_and_scores_are_those_of_the_exact_search(built):
    index, _, after = built
    queries = after.block(slice(COUNT - 20, COUNT + 20)) + 0.01
    engine = index.open([Segment(0, COUNT), Segment(COUNT, 50)], None, SEARCH)
    hits = Gallery(after, engine, 100).search(queries, 10)
    exact = Gallery(after).search(queries, 10)
    assert recall(hits.rows, exact.rows) > 0.97
    same = hits.rows == exact.rows
    assert torch.equal(hits.similarity[same], exact.similarity[same])
    assert hits.rows[:, 0].tolist() == list(range(COUNT - 20, COUNT + 20))


def test_rows_that_no_table_names_are_invisible(built):
    index, before, after = built
    engine = index.open([Segment(0, COUNT)], None, SEARCH)
    rows = engine.shortlist(CosineScorer(after.block(slice(COUNT, COUNT + 50)), before), 100)
    assert rows.max() < COUNT
    assert (rows >= 0).sum() > 50 * 50


def test_forbidden_rows_are_never_proposed(built):
    index, _, after = built
    allowed = np.arange(COUNT + 50) % 2 == 0
    engine = index.open([Segment(0, COUNT), Segment(COUNT, 50)], allowed, SEARCH)
    queries = after.block(slice(1, 41))
    rows = engine.shortlist(CosineScorer(queries, after), 100)
    assert (rows[rows >= 0] % 2 == 0).all()
    found = Gallery(after, engine, 100).search(queries, 5).rows
    expected = Gallery(Vectors([images(COUNT + 50)[::2]])).search(queries, 5).rows * 2
    assert recall(found, expected) > 0.97


def test_a_gallery_of_some_indexed_rows_is_searched_under_its_own_numbers(built):
    index, _, after = built
    kept = np.flatnonzero(np.arange(COUNT + 50) % 3 > 0)
    engine = index.open([Segment(0, COUNT), Segment(COUNT, 50)], np.isin(np.arange(COUNT + 50), kept), SEARCH)
    smaller = Vectors([after.take(torch.from_numpy(kept))])
    queries = smaller.block(slice(0, 30))
    hits = Gallery(smaller, Selected(engine, kept, COUNT + 50), 100).search(queries, 1)
    assert hits.rows[:, 0].tolist() == list(range(30))


def test_an_interrupted_addition_is_replaced_by_the_next(tmp_path):
    for kind in ("faiss-hnsw", "milvus"):
        index = make(kind, tmp_path)
        whole = images(140)
        index.build(Vectors([whole[:100]]), fields)
        index.add(Segment(100, 30), Vectors([whole[:100], whole[100:130]]), fields)  # never named by a table
        other = Vectors([whole[:100], whole[130:140]])
        index.add(Segment(100, 10), other, fields)
        engine = index.open([Segment(0, 100), Segment(100, 10)], None, SEARCH)
        hits = Gallery(other, engine, 60).search(whole[130:140], 1)
        assert hits.rows[:, 0].tolist() == list(range(100, 110))
        assert int(engine.shortlist(CosineScorer(whole[100:130], other), 110).max()) == 109
        index.close()


def test_milvus_filters_by_label_and_probability_and_forgets(tmp_path):
    index = make("milvus", tmp_path)
    from backward_search.gallery.engines.milvus_index import has_label, is_probable

    vectors = Vectors([images(200)])
    index.build(vectors, fields)
    engine = index.open([Segment(0, 200)], None, EngineSettings(ef_search=400))  # a selective filter looks further
    scorer = CosineScorer(vectors.block(slice(0, 3)), vectors)
    odd = engine.where(has_label("style", 'Neo-"Pop"')).shortlist(scorer, 100)
    assert sorted(odd[0].tolist()) == list(range(1, 200, 2))
    both = f"{has_label('style', 'Cubism')} and {is_probable('style', 0, 0.0899)}"
    assert sorted(engine.where(both).shortlist(scorer, 10)[0].tolist()) == list(range(180, 200, 2))
    found = Gallery(vectors, engine.where(has_label("style", "Cubism")), 20).search(vectors.block(slice(1, 4)), 5)
    assert (found.rows % 2 == 0).all()
    assert found.rows[1, 0] == 2
    index.drop([180, 182])
    assert sorted(engine.where(both).shortlist(scorer, 10)[0].tolist()) == [-1, -1, *range(184, 200, 2)]
    with pytest.raises(UserError, match="Milvus"):
        engine.where("nonsense ==").shortlist(scorer, 10)
    index.close()


def test_a_milvus_that_never_answers_is_an_error_not_a_hang(monkeypatch):
    needs("milvus", "pymilvus")
    from backward_search.gallery.engines import milvus_index

    monkeypatch.setattr(milvus_index, "WAIT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        index = milvus_index.MilvusIndex(address, "gallery", CLASSES, SETTINGS)
        start = time.monotonic()
        with pytest.raises(UserError, match=re.escape(f"Milvus at {address}")):
            index.open([Segment(0, 10)], None, SEARCH)
        assert time.monotonic() - start < 8  # the client itself would wait for 10 s


@pytest.mark.parametrize(
    ("count", "settings", "message"),
    [
        (900, SETTINGS, "needs 1024"),
        (1100, BuildSettings(pq_bytes=7), "divide"),
        (1100, BuildSettings(ivf_lists=2000), "lists"),
    ],
)
def test_an_impossible_quantiser_is_refused(tmp_path, count, settings, message):
    with pytest.raises(OptionError, match=message):
        make("faiss-ivfpq", tmp_path, settings).build(Vectors([images(count)]), fields)


def test_a_damaged_index_is_named(tmp_path):
    index = make("faiss-flat", tmp_path)
    index.file(Segment(0, 5)).write_bytes(b"nothing at all")
    with pytest.raises(UserError, match=r"rows-0000000000\.faiss"):
        index.open([Segment(0, 5)], None, SEARCH)


def test_too_few_candidates_are_an_error_not_a_short_answer(tmp_path):
    index = make("faiss-ivfpq", tmp_path)
    vectors = Vectors([images(COUNT)])
    index.build(vectors, fields)
    engine = index.open([Segment(0, COUNT)], None, EngineSettings(nprobe=1))
    with pytest.raises(OptionError, match="--nprobe"):
        Gallery(vectors, engine, 600).search(vectors.block(slice(0, 9)), 600)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    from backward_search.extras import util
    from backward_search.gallery.engines.registry import ENGINES as KINDS

    monkeypatch.setattr(util, "find_spec", lambda name: None)
    for kind, module in (("faiss-flat", "faiss"), ("milvus", "pymilvus")):
        with pytest.raises(UserError, match=rf'{module} is not installed: pip install "\.\[{module.strip("py")}\]"'):
            KINDS[kind].index(Place(tmp_path / "a" / "b" / "c", BuildSettings(), {}))
