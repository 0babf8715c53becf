"""P1: one command from photographs, or vectors, to measures, a figure and the explorer."""

import re

import numpy as np
import pytest
from made_vectors import beside_table, made_vectors
from PIL import Image
from scripts_by_name import script

from backward_search.errors import DataError
from backward_search.stages import photo_search

PLACES = ("data_root", "weight_root", "result_root")


def words(root, *more):
    roots = [word for place in PLACES for word in (f"--{place}", str(root / place))]
    return [*roots, "--n_workers", "0", *more]


def photographs(folder, each=40):
    """Class folders of light and dark pictures."""
    rng = np.random.default_rng(0)
    for label, level in (("light", 160), ("dark", 20)):
        (folder / label).mkdir(parents=True)
        for number in range(each):
            pixels = rng.integers(level, level + 80, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def test_vectors_come_to_a_figure_and_a_second_run_skips_all(tmp_path, capsys):
    source = beside_table(tmp_path, *made_vectors())[:6]
    more = words(tmp_path, *source, "--explore", "False")
    run = script("P1.Photo-Search")(more)
    assert "-datasetlabels-" not in run.name  # a name that says something: of the folder
    (picture,) = (tmp_path / "result_root").rglob("*.png")
    said = capsys.readouterr().out
    assert re.search(r"^best  .*±", said, re.MULTILINE)
    assert "next: python" not in said
    assert re.findall(r"(\d) of 7: ", said) == list("1234567")
    assert said.index("conditions on") < said.index("6 of 7: ")  # the map is learnt before anything is measured
    assert "there is none yet" not in said
    assert (run / "context" / "map.safetensors").exists()
    assert picture.stat().st_size > 10_000
    before = (run / "model.safetensors").stat().st_mtime_ns
    assert script("P1.Photo-Search")(more) == run
    assert (run / "model.safetensors").stat().st_mtime_ns == before
    assert capsys.readouterr().out.count("already done") >= 7


def test_photographs_are_searched_and_the_explorer_opened(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(photo_search, "explore", opened.append)
    monkeypatch.setattr(photo_search, "is_there", lambda name: True)
    monkeypatch.setattr(photo_search, "is_installed", lambda: False)
    more = words(tmp_path, "--source", str(photographs(tmp_path / "my photos")), "--port", "7000")
    run = script("P1.Photo-Search")(more)
    assert "-datasetmy_photos-catelabel-basemodelsmall_cnn-" in run.name
    (options,) = opened
    assert (options.port, options.weight_root) == (7000, str(tmp_path / "weight_root"))


def test_too_few_photographs_to_measure_are_searched_all_the_same(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(photo_search, "is_installed", lambda: False)
    more = words(tmp_path, "--source", str(photographs(tmp_path / "few", each=12)), "--explore", "False")
    run = script("P1.Photo-Search")(more)
    assert (run / "embeddings" / "test.npy").exists()
    assert (run / "context" / "map.safetensors").exists()  # from images alone, for want of anything else
    assert "nothing is measured: " in capsys.readouterr().out


def test_the_columns_that_look_like_labels_are_chosen(tmp_path):
    vectors, frame = made_vectors()
    told = frame.assign(note=[f"note {row}" for row in range(len(frame))], rare=["a", *["b"] * 239], shop="one")
    source = beside_table(tmp_path, vectors, told)[:6]
    run = script("P1.Photo-Search")(words(tmp_path, *source, "--explore", "False", "--dataset_name", "v"))
    assert "-catestyle-colour-rare-" in run.name
    told[["id", "note", "shop"]].to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(DataError, match="looks like labels, 10 rows or more for each of its values"):
        script("P1.Photo-Search")(words(tmp_path, *source, "--dataset_name", "other"))


def test_check_only_makes_nothing(tmp_path):
    source = beside_table(tmp_path, *made_vectors())[:6]
    script("P1.Photo-Search")(words(tmp_path, *source, "--check_only", "True"))
    assert not (tmp_path / "weight_root").exists()
    assert not list((tmp_path / "data_root").rglob("*.npy"))
