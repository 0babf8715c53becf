"""Galleries behind engines, by the scripts and by a program, and images that come and go."""

import json
import shutil

import pytest
from demo_run import words
from extras import needs
from scripts_by_name import script

from backward_search.errors import StaleError, UserError
from backward_search.evaluation.result_tables import result_table


def test_an_engine_answers_as_the_exact_search_does_and_its_recall_is_reported(copied):
    needs("faiss")
    task = words(copied, "--method", "unchanged")
    engine = ["--engine", "faiss-hnsw"]
    with pytest.raises(UserError, match=r"C2\.Build-Index\.py .*--engine faiss-hnsw"):
        script("E1")([*task, *engine])
    folder = script("C2")(words(copied, *engine))
    built = (folder / "gallery.json").read_bytes()
    script("C2")(words(copied, *engine))
    assert (folder / "gallery.json").read_bytes() == built
    (folder / "gallery.json").unlink()
    script("C2")(words(copied, *engine))  # which the message of a damaged gallery says
    shutil.rmtree(next(folder.glob("faiss-hnsw-*")))
    script("C2")(words(copied, *engine))
    with pytest.raises(StaleError, match="hnsw_m"):
        script("C2")(words(copied, *engine, "--hnsw_m", "8"))
    exact, place = script("E1")(task), script("E1")([*task, *engine])
    assert place.name == "unchanged-faiss-hnsw-short200-ef200.json"
    results, expected = json.loads(place.read_text()), json.loads(exact.read_text())
    assert results["engine_recall_at_10"] > 0.99
    assert f"| unchanged, faiss-hnsw (recall {results['engine_recall_at_10']:.3f}) |" in result_table([results])
    assert abs(results["precision_at_10"] - expected["precision_at_10"]) < 0.002
    assert "engine" not in expected
    wider = words(copied, "--method", "shift_null", "--strength", "0.1", *engine, "--shortlist", "400")
    assert json.loads(script("E1")(wider).read_text())["engine_recall_at_10"] > 0.98
    picture = script("E2")([*task[:-2], *engine, "--result_root", str(copied[0] / "result")])
    assert picture.stat().st_size > 10_000


def test_the_library_searches_a_run_through_an_engine(copied):
    needs("faiss")
    from backward_search import open_run

    script("C2")(words(copied, "--engine", "faiss-flat"))
    roots = {"data_root": str(copied[0] / "data"), "weight_root": str(copied[0] / "weight")}
    exact, through = (
        open_run("glyphs", num_epoch=2, **roots, **more) for more in ({}, {"engine": "faiss-flat", "shortlist": 20})
    )
    wish = f"family={exact.labels['family'][0]}"
    for method in ("class_shift", "shift_null"):
        asked = {"method": method} | ({"strength": 0.2} if method == "shift_null" else {})
        expected, found = (one.search(exact.gallery[:20], wish, **asked) for one in (exact, through))
        assert (expected.rows == found.rows).double().mean() > (0.99 if method == "class_shift" else 0.5)
    assert expected.rows.tolist() != found.rows.tolist()  # so few candidates cannot serve shift_null
    picture = next((copied[0] / "data" / "glyphs").rglob("*.png"))
    assert exact.search(exact.embed([picture]), wish, method="shift_null", strength=0.2).rows.shape == (1, 10)


def test_images_are_added_to_a_gallery_and_removed(copied):
    needs("faiss")
    from backward_search.gallery.engines.index import EngineSettings
    from backward_search.gallery.stored import StoredGallery

    folder = script("C2")(words(copied, "--engine", "faiss-flat"))
    new = copied[0] / "coming" / "new"
    new.mkdir(parents=True)
    test = (copied[0] / "data/glyphs/attributions/preprocessed_glyphs_test.csv").read_text().splitlines()[1:4]
    sources = [copied[0] / "data" / line.split(",")[0].removeprefix("./data/") for line in test]
    for number, source in enumerate(sources):
        shutil.copy(source, new / f"{number}.png")
    leaving = copied[0] / "leaving.txt"
    leaving.write_text("/".join(sources[0].parts[-2:]) + "\n")
    change = words(copied, "--add", str(new.parent), "--remove", str(leaving), "--n_workers", "0")
    assert script("C3")(change) == folder
    stored = StoredGallery.open(folder)
    assert len(stored) == 1792 + 3 - 1
    same = stored.vectors().block(slice(0, 3))
    hits = stored.gallery("faiss-flat", EngineSettings()).search(same, 2)
    assert stored.keys[hits.rows[0, 0]] == "new/0.png"
    assert {stored.keys[row] for row in hits.rows[1].tolist()} >= {"new/1.png"}
    assert hits.similarity[1, 0] > 1 - 1e-5
    with pytest.raises(UserError, match="already"):
        script("C3")(words(copied, "--add", str(new.parent), "--n_workers", "0"))
    leaving.write_text("/".join(sources[1].parts[-2:]) + "\n")
    with pytest.raises(UserError, match="already"):
        script("C3")(change)
    assert len(StoredGallery.open(folder)) == len(stored)  # nothing left, since nothing came
    away = copied[0] / "elsewhere" / "away.png"
    away.parent.mkdir()
    shutil.copy(sources[0], away)
    listed = copied[0] / "coming" / "listed.txt"
    listed.write_text("../elsewhere/away.png\n")
    (new / "link.png").symlink_to(away)
    for place, what in (
        (listed, r"1 of 1 images .*\.\./elsewhere/away"),
        (new.parent, r"1 of 4 images .*new/link\.png"),
    ):
        with pytest.raises(UserError, match=what + ".*--allow_outside True"):
            script("C3")(words(copied, "--add", str(place), "--n_workers", "0"))
    with pytest.raises(UserError, match=r"0\.png is no text file"):
        script("C3")(words(copied, "--add", str(new / "0.png")))
    script("C3")(words(copied, "--add", str(listed), "--n_workers", "0", "--allow_outside"))
    assert len(StoredGallery.open(folder)) == len(stored) + 1
    with pytest.raises(StaleError, match="4 images added and 1 removed"):
        script("E1")(words(copied, "--method", "unchanged", "--engine", "faiss-flat"))
